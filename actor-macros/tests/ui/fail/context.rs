#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn owned(&mut self, cx: Cx<Self>) {}

    pub fn twice(&mut self, a: &mut Cx<Self>, b: &mut Cx<Self>) {}
}

fn main() {}

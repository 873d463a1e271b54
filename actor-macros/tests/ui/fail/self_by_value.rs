#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn finish(self) {}

    pub fn boxed(self: Box<Self>) {}
}

fn main() {}

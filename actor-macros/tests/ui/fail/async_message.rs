#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub async fn fetch(&mut self) {}
}

fn main() {}

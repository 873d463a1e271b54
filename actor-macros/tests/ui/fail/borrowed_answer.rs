#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn name(&self) -> &str {
        "a"
    }
}

fn main() {}

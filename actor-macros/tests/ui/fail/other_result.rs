#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

mod other {
    pub struct Result;
}

#[actor]
impl A {
    pub fn get(&self) -> other::Result {
        other::Result
    }
}

fn main() {}

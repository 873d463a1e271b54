#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl Default for A {
    fn default() -> Self {
        Self
    }
}

fn main() {}

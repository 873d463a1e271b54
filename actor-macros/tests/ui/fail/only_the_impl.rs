#![allow(unused_variables)]
use actor_core::prelude::*;

struct A;

#[actor]
impl A {
    pub fn get(&self) {}
}

fn main() {}

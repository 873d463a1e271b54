#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub unsafe fn poke(&mut self) {}
}

fn main() {}

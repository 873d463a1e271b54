#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn pair(&mut self, (a, b): (u8, u8)) {}

    pub fn ignored(&mut self, _: u8) {}
}

fn main() {}

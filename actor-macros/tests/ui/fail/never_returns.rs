#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn forever(&mut self) -> ! {
        loop {}
    }
}

fn main() {}

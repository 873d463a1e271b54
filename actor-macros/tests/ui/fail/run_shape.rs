#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    fn run(self) {}
}

fn main() {}

#[actor]
struct B;

#[actor]
impl B {
    fn run(self, inbox: Inbox<Self>, limit: u8) -> Result<(), String> {
        Ok(())
    }
}

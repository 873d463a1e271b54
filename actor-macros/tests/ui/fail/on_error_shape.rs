#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    #[on_error]
    fn failed(&mut self, error: &HandlerError, again: u8) -> Result<(), String> {
        Ok(())
    }
}

#[actor]
struct B;

#[actor]
impl B {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        Exit::Normal
    }

    #[on_error]
    fn failed(&mut self) {}
}

fn main() {}

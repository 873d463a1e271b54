#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    #[on_signal]
    pub fn hear(&mut self, signal: &Signal, n: u8) -> bool {
        true
    }
}

#[actor]
struct B;

#[actor]
impl B {
    #[on_signal]
    fn hear(&mut self, one: Signal, other: Signal) {}

    #[on_signal]
    fn again(&mut self) {}
}

#[actor]
struct C;

#[actor]
impl C {
    #[on_signal]
    fn hear(&mut self, signal: Signal) {}

    fn run(self, inbox: Inbox<Self>) -> Exit {
        Exit::Normal
    }
}

fn main() {}

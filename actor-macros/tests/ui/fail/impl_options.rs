#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor(mailbox = 1, colour = 2, message = String)]
impl A {
    pub fn get(&self) {}
}

fn main() {}

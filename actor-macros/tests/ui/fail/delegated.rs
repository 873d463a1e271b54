#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn twice(&mut self, a: ReplyTo<u8>, b: ReplyTo<u8>) {}

    pub fn and_returns(&mut self, reply: ReplyTo<u8>) -> u8 {
        0
    }

    pub fn of_what(&mut self, reply: ReplyTo) {}

    pub fn lent(&mut self, reply: &mut ReplyTo<u8>) {}

    pub fn borrows(&mut self, reply: ReplyTo<&str>) {}
}

fn main() {}

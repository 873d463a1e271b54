#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put(&mut self, value: std::rc::Rc<u8>) {}
}

fn main() {}

#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put(&mut self, values: Vec<fn(u8)>, keys: Vec<&'static _>) {}
}

fn main() {}

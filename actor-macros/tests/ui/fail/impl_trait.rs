#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put(&mut self, value: impl Iterator<Item = u8> + Send) {}

    pub fn all(&self) -> impl Iterator<Item = u8> {
        std::iter::empty()
    }
}

fn main() {}

#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put<T: Send>(&mut self, value: T) {}

    pub fn check(&mut self)
    where
        Self: Sized,
    {
    }
}

fn main() {}

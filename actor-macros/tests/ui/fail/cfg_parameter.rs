#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put(&mut self, #[cfg(unix)] fd: i32) {}
}

fn main() {}

#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn within(&mut self) {}

    pub fn self_(&mut self) {}

    pub fn get_all(&self) {}

    pub fn get__all(&self) {}
}

fn main() {}

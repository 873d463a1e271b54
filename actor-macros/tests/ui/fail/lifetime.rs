#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A<'a>(&'a str);

#[actor]
impl<'a> A<'a> {
    pub fn get(&self) {}
}

fn main() {}

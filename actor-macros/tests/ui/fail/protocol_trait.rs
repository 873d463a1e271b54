#![allow(unused_variables)]
use actor_core::prelude::*;

#[protocol]
unsafe trait Wrong<'a> {
    const N: usize;
    type Item;
    fn new() -> u8;
    fn clone_it(&self) -> Self;
    fn meet(&mut self, other: Addr<Self>, all: Vec<Self>);
}

fn main() {}

#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    #[on_start]
    fn open(&mut self) {}

    #[on_start]
    fn open_too(&mut self) {}

    #[on_stop(now)]
    fn close() {}
}

fn main() {}

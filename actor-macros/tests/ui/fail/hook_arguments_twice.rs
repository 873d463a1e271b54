#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    #[on_stop]
    fn close(&mut self, a: &ExitReason, b: &ExitReason) {}

    #[on_start]
    async fn open(&mut self) {}
}

fn main() {}

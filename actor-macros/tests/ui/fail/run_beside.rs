#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    #[cfg(unix)]
    async fn run(self, inbox: Inbox<Self>) -> Exit {
        Exit::Normal
    }

    pub fn get(&self) {}

    #[on_stop]
    fn close(&mut self) {}
}

fn main() {}

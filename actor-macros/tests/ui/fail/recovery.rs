#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    pub fn good(&mut self, n: u8) -> u8 {
        n
    }

    pub fn bad(&mut self, text: &str) {}
}

fn use_it(a: &Addr<A>) {
    let _ = a.ask().good(1);
    let _ = a.send(AMsg::Good { n: 1 });
}

fn main() {}

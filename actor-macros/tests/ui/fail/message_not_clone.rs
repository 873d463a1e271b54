#![allow(unused_variables)]
use actor_core::prelude::*;

struct Opaque;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put(&mut self, value: Opaque, n: u8) -> u8 {
        n
    }
}

fn main() {
    let message = AMsg::Put { value: Opaque, n: 1 };
    let _ = message.clone();
    let reply = AReply::Put(1);
    let _ = reply.clone();
}

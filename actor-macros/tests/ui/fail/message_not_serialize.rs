#![allow(unused_variables)]
use actor_core::prelude::*;

struct Opaque;

#[actor]
struct A;

#[actor]
impl A {
    pub fn put(&mut self, value: Opaque) {}
}

fn write<T: serde::Serialize>(value: &T) {}

fn main() {
    write(&AMsg::Put { value: Opaque });
    write(&AReply::Put);
}

#![allow(unused_variables)]
use actor_core::prelude::*;

pub struct Opaque;

#[actor(snapshot)]
struct Message;

#[actor]
impl Message {
    pub fn put(&mut self, value: Opaque) {}
}

#[actor(snapshot)]
struct NoDefault {
    #[snapshot(skip)]
    held: Opaque,
}

#[actor]
impl NoDefault {}

fn main() {}

use actor_core::prelude::*;

#[protocol]
pub trait Greeter {
    fn greet(&self);
}

#[actor]
pub struct A;

#[actor(protocols = [Greeter])]
impl A {}

fn main() {}

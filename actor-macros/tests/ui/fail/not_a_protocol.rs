use actor_core::prelude::*;

pub trait Plain {
    fn greet(&self);
}

#[actor]
pub struct B;

#[actor(protocols = [Plain])]
impl B {}

impl Plain for B {
    fn greet(&self) {}
}

fn main() {}

#![allow(unused_variables)]
use actor_core::prelude::*;

#[protocol]
trait Greeter {
    fn greet(&self);
}

#[actor(protocols = [Greeter])]
struct A;

#[actor(protocols = Greeter)]
impl A {}

#[actor]
struct B;

#[actor(protocols = [Greeter, self::Greeter])]
impl B {
    pub fn good(&self) {}
}

impl Greeter for B {
    fn greet(&self) {}
}

#[actor]
struct C;

#[actor(protocols = [Greeter])]
impl C {
    pub fn greeter(&self) {}
}

#[actor]
struct D;

#[actor(protocols = [Greeter])]
impl D {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        Exit::Normal
    }
}

fn main() {}

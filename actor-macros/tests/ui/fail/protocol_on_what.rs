#![allow(unused_variables)]
use actor_core::prelude::*;

#[protocol]
struct NotATrait;

#[protocol(mailbox = 1)]
trait WithOptions {
    fn get(&self);
}

fn main() {}

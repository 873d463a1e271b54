#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor(mailbox = 0, stack = "64k", name = "", colour = 1)]
struct A;

#[actor(mailbox, mailbox = 1, stack = 0, name = 7, message = M)]
struct B;

#[actor(mailbox = 1 +)]
struct C;

fn main() {}

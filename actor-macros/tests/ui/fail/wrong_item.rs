#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
fn work() {}

fn main() {}

#![allow(unused_variables)]
use actor_core::prelude::*;

trait T {}

#[actor]
impl (u8, u8) {}

fn main() {}

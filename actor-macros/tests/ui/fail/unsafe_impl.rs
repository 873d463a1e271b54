use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
unsafe impl A {}

fn main() {}

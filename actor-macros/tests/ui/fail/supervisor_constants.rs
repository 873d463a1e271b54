//! What the macro cannot see the compiler checks: constants, and the types of expressions.
#![allow(unused_variables, dead_code)]
use std::time::Duration;

use actor_core::prelude::*;

#[actor]
struct A;
#[actor]
impl A {}

#[actor]
struct B;
#[actor]
impl B {}

const NOTHING: Duration = Duration::ZERO;

#[supervisor(period = NOTHING)]
struct Zero {}

fn main() {
    let _ = Zero::start;
}

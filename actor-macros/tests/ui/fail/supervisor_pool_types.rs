//! What the macro cannot see the compiler checks.
#![allow(unused_variables, dead_code)]
use std::cell::Cell;

use actor_core::prelude::*;
use actor_core::Pool;

#[actor]
struct A;
#[actor]
impl A {}

struct Plain;

#[supervisor]
struct Tree {
    #[pool(Plain, size = 4)]
    other: Pool<A>,
    #[pool(Some(A), size = 4)]
    may_decline: Pool<A>,
    #[pool(|slot: &str| A, size = 4)]
    slot: Pool<A>,
    #[pool(A, size = "four")]
    size: Pool<A>,
    #[supervisor]
    inner: Pool<A>,
}

#[supervisor(args(cell: Cell<u8>))]
struct NotSync {
    #[pool({ let _ = &cell; A }, size = 4)]
    workers: Pool<A>,
}

fn main() {}

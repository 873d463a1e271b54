//! What the macro cannot see the compiler checks: the types of expressions.
#![allow(unused_variables, dead_code)]
use std::cell::Cell;

use actor_core::prelude::*;
use actor_core::DynamicSupervisor;

#[actor]
struct A;
#[actor]
impl A {}

#[actor]
struct B;
#[actor]
impl B {}

struct Plain;

#[supervisor(intensity = "many", args(n: usize))]
struct Tree {
    #[child(B)]
    other: Addr<A>,
    #[child(Some(A))]
    may_decline: Addr<A>,
    #[child(A)]
    never_declines: Option<Addr<A>>,
    #[child(|i: &str| A)]
    index: [Addr<A>; 2],
    #[child(A, shutdown = 1 + 1)]
    not_a_duration: Addr<A>,
    #[dynamic(|_| B)]
    session: DynamicSupervisor<A, u64>,
    #[supervisor]
    plain: Plain,
    #[supervisor(args(1, 2))]
    inner: Inner,
}

#[supervisor(args(n: u8))]
struct Inner {}

#[supervisor(args(cell: Cell<u8>))]
struct NotSync {
    #[dynamic(|_| { let _ = &cell; A })]
    sessions: DynamicSupervisor<A, u64>,
}

fn main() {}

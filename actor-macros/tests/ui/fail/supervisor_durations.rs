#![allow(unused_variables, dead_code)]
use actor_core::prelude::*;

#[actor]
struct A;
#[actor]
impl A {}

#[supervisor(intensity = 1, period = "0s")]
struct Zero {}

#[supervisor(period = 10)]
struct NoUnit {}

#[supervisor(period = "10 sec", backoff = "1s")]
struct WrongUnit {}

#[supervisor(backoff = "2s..1s")]
struct Shrinks {}

#[supervisor(backoff = "0s..1s")]
struct FromNothing {}

#[supervisor(backoff = 7)]
struct NoBackoff {}

#[supervisor]
struct Children {
    #[child(A, shutdown = "1.5s")]
    fraction: Addr<A>,
    #[child(A, shutdown = 5)]
    number: Addr<A>,
    #[child(A, backoff = "soon")]
    soon: Addr<A>,
}

fn main() {}

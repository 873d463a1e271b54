#![allow(unused_variables, dead_code)]
use actor_core::prelude::*;
use actor_core::{DynamicSupervisor, Pool};

#[actor]
struct A;
#[actor]
impl A {}

#[supervisor]
struct Shapes {
    #[pool]
    unmade: Pool<A>,
    #[pool = 4]
    equals: Pool<A>,
    #[pool(A)]
    unsized_: Pool<A>,
    #[pool(size = 4)]
    only_options: Pool<A>,
    #[pool(A size = 4)]
    comma: Pool<A>,
    #[pool(A, size = 4)]
    one: Addr<A>,
    #[pool(A, size = 4)]
    many: [Pool<A>; 2],
    #[pool(A, size = 4)]
    two: DynamicSupervisor<A, usize>,
    #[child(A)]
    child: Pool<A>,
    #[pool(A, size = 4)]
    #[child(A)]
    twice: Pool<A>,
}

#[supervisor(auto_shutdown = any_significant)]
struct Options {
    #[pool(A, size = 4, route = round_robin, args(1), size, balance(random))]
    unknown: Pool<A>,
    #[pool(A, size = 4, size = 5)]
    repeated: Pool<A>,
    #[pool(A, size = 4, balance = RoundRobin)]
    balance: Pool<A>,
    #[pool(A, size = 4, balance = "random")]
    text: Pool<A>,
    #[pool(A, size = 4, transient, significant)]
    significant: Pool<A>,
    #[pool(A, size = 4, permanent, temporary)]
    both: Pool<A>,
    #[pool(A, size = 4, drain = 5, period = "0s", shutdown = "soon")]
    durations: Pool<A>,
    #[pool(A, size = 4, name = |slot| format!("worker-{slot}"))]
    named: Pool<A>,
    #[child(A, size = 4, balance = random, drain = "1s")]
    child: Addr<A>,
}

fn main() {}

#![allow(unused_variables, dead_code)]
use actor_core::prelude::*;
use actor_core::DynamicSupervisor;

#[actor]
struct A;
#[actor]
impl A {}

#[supervisor]
enum Either {
    One,
}

#[supervisor]
struct Unit;

#[supervisor]
struct Tuple(Addr<A>);

#[supervisor]
struct Borrows<'a> {
    #[child(A)]
    a: Addr<A>,
}

#[supervisor]
struct Fields {
    plain: Addr<A>,
    #[child(A)]
    #[supervisor]
    twice: Addr<A>,
    #[child]
    unmade: Addr<A>,
    #[child = A]
    equals: Addr<A>,
    #[child(A)]
    number: u64,
    #[child(A)]
    vec: Vec<Addr<A>>,
    #[child(A)]
    numbers: [u64; 3],
    #[child(|| A)]
    closure: Addr<A>,
    #[child(temporary)]
    no_expression: Addr<A>,
    #[child(shutdown = "5s")]
    only_an_option: Addr<A>,
    #[child(A temporary)]
    comma: Addr<A>,
    #[dynamic]
    unmade_too: DynamicSupervisor<A, u64>,
    #[dynamic(|_| A)]
    not_dynamic: Addr<A>,
    #[supervisor]
    not_a_tree: Addr<A>,
    #[supervisor]
    trees: [Inner; 2],
}

#[supervisor(args(dir))]
struct Untyped {
    #[child(A)]
    a: Addr<A>,
}

#[supervisor]
struct Inner {}

fn main() {}

#![allow(unused_variables, dead_code)]
use actor_core::prelude::*;
use actor_core::DynamicSupervisor;

#[actor]
struct A;
#[actor]
impl A {}

#[supervisor(one_for_one, one_for_all, intensity = 1, intensity = 2, colour = 1, strategy = rest_for_one)]
struct Settings {}

#[supervisor(auto_shutdown = always, intensity, name("x"), args = 1)]
struct Forms {}

#[supervisor(auto_shutdown = any_significant)]
struct Children {
    #[child(A, permanent, transient)]
    both: Addr<A>,
    #[child(A, restart = transient)]
    restart: Addr<A>,
    #[child(A, significant)]
    permanent: Addr<A>,
    #[child(A, colour = 1, args(1), intensity = 3, temporary = true)]
    unknown: Addr<A>,
    #[child(A, shutdown = "1s", shutdown = "2s")]
    repeated: Addr<A>,
    #[child(A, name = "one")]
    named: [Addr<A>; 2],
    #[dynamic(|_| A, significant, args(1))]
    dynamic: DynamicSupervisor<A, u64>,
    #[supervisor(shutdown = brutal_kill, intensity = 3)]
    inner: Inner,
}

#[supervisor]
struct InVain {
    #[child(A, transient, significant)]
    a: Addr<A>,
    #[supervisor(temporary, significant)]
    inner: Inner,
}

#[supervisor(auto_shutdown = never)]
struct Never {
    #[child(A, temporary, significant)]
    a: Addr<A>,
}

#[supervisor]
struct Inner {}

fn main() {}

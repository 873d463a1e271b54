//! Generated code does not depend on what names mean where it lands.
#![allow(dead_code, non_camel_case_types)]
#![no_implicit_prelude]

use ::actor_core::{actor, protocol};

mod core {}
mod std {}
struct Option;
struct Result;
struct Reply;
struct Duration;
struct Send;
struct Infallible;
type bool = ();
trait From {}
struct Vec;
struct String;
struct Clone;
struct Debug;
struct Serialize;
struct Protocol;
struct Recipient;
struct TryFrom;
mod serde {}
#[allow(unused_macros)]
macro_rules! println {
    () => {};
}

#[actor]
struct Plain {
    n: u64,
}

#[protocol]
trait Speaks {
    fn say(
        &self,
        msg: u64,
        reply: u64,
        value: u64,
        actor: u64,
        cx: &mut ::actor_core::Cx<Self>,
    ) -> u64;
    fn hear(&mut self) -> ::core::result::Result<(), u64>;
}

impl Speaks for Plain {
    fn say(
        &self,
        msg: u64,
        reply: u64,
        value: u64,
        actor: u64,
        _: &mut ::actor_core::Cx<Self>,
    ) -> u64 {
        msg + reply + value + actor
    }
    fn hear(&mut self) -> ::core::result::Result<(), u64> {
        ::core::result::Result::Ok(())
    }
}

#[actor(protocols = [Speaks])]
impl Plain {
    #[on_start]
    fn open(&mut self) {}

    pub fn add(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }

    // Names of the generated code's own.
    pub fn field0(&self, f: u64, to: u64, state: u64, from: u64, at: u64, variant: u64) -> u64 {
        f + to + state + from + at + variant
    }

    pub fn one(&self, #[from] name: &'static str) {
        let _ = name;
    }

    pub fn check(&self, n: u64) -> ::core::result::Result<(), u64> {
        ::core::result::Result::Err(n)
    }
}

//! Generated code does not depend on what names mean where it lands.
#![allow(dead_code, non_camel_case_types)]
#![no_implicit_prelude]

use ::actor_core::actor;

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

#[actor]
struct Plain {
    n: u64,
}

#[actor]
impl Plain {
    #[on_start]
    fn open(&mut self) {}

    pub fn add(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }

    pub fn check(&self, n: u64) -> ::core::result::Result<(), u64> {
        ::core::result::Result::Err(n)
    }
}

fn main() {}

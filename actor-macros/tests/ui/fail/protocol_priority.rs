#![allow(unused_variables)]
use actor_core::prelude::*;

#[protocol]
trait Paged {
    #[priority(urgent)]
    fn unknown(&mut self);

    #[priority]
    fn bare(&mut self);

    #[priority(high)]
    #[priority(normal)]
    fn twice(&mut self);

    #[priority(high)]
    fn made() -> Self
    where
        Self: Sized;

    #[priority(high)]
    fn good(&self) -> u8;

    fn ordinary(&self);
}

// What is right is generated all the same.
fn use_it(paged: &AddrOf<dyn Paged>) {
    let _ = paged.ask().good();
}

#[protocol]
trait Rests {
    fn rest(&self);
}

#[actor]
struct Ward;

#[actor]
impl Rests for Ward {
    #[priority(high)]
    fn rest(&self) {}
}

fn main() {}

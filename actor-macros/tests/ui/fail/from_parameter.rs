#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A<T>(T);

#[actor]
impl<T: Send + 'static> A<T> {
    pub fn two(&self, #[from] a: u8, b: u8) {}

    pub fn twice(&self, #[from] #[from] a: u16) {}

    pub fn with_arguments(&self, #[from(u8)] a: u32) {}

    pub fn first(&self, #[from] a: String) {}

    pub fn second(&self, #[from] b: String) {}

    pub fn any(&self, #[from] any: T) {}
}

fn main() {}

use actor_core::prelude::*;

#[actor]
struct Without {
    #[snapshot(skip)]
    n: u32,
}

#[actor(snapshot)]
struct Wrong {
    #[snapshot]
    a: u32,
    #[snapshot(leave)]
    b: u32,
    #[snapshot(skip, with = module)]
    c: u32,
    #[snapshot(with = "module")]
    d: u32,
    #[snapshot(rename = other)]
    e: u32,
    #[snapshot(skip, rename = "g")]
    f: u32,
    #[snapshot(rename = "a")]
    g: u32,
}

#[actor(snapshot)]
struct Pair(#[snapshot(rename = "first")] u32, u32);

#[actor]
struct Messages;

#[actor]
impl Messages {
    #[snapshot(skip)]
    fn private(&mut self) {}

    #[snapshot(leave)]
    pub fn other(&mut self) {}

    #[snapshot(skip)]
    #[on_start]
    fn start(&mut self) {}
}

fn main() {}

//! A counter in this library. Shown, from here on, in `actor_core::guide::compared`.
#![allow(unreachable_pub, reason = "the macro makes messages of public methods")]

use actor_core::prelude::*;

#[actor]
struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    pub fn add(&mut self, by: u64) {
        self.n += by
    }
    pub fn get(&self) -> u64 {
        self.n
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sys = System::new()?;
    let counter = sys.spawn(Counter { n: 0 })?;
    counter.tell().add(2)?;
    assert_eq!(counter.ask().get()?, 2);
    Ok(())
}

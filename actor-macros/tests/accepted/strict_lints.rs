//! Generated code is documented and passes where all lints of the compiler's that people turn on are errors.
#![deny(
    warnings,
    missing_docs,
    unused,
    nonstandard_style,
    unused_qualifications,
    unreachable_pub
)]
#![forbid(unsafe_code)]

use actor_core::prelude::*;

/// A counter.
#[actor(mailbox = 8)]
pub struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self { n: 0 }
    }

    /// Adds.
    pub fn add(&mut self, by: u64) {
        self.n += by;
    }

    /// Takes over.
    pub fn take(&mut self, #[from] other: Box<Counter>) {
        self.n += other.n;
    }

    /// Fails.
    #[deprecated]
    pub fn fail(&self) -> Result<u8, String> {
        Err(String::new())
    }

    /// Reads.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.n
    }
}

#[test]
fn compiles() {
    drop(Counter::new());
}

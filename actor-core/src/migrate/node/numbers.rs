//! Numbers that are never drawn twice: offers, tickets, calls.
//!
//! That a ticket is never drawn twice, by any node in any of its lives, is what keeps a thing from living twice. So a node draws a
//! key from the operating system when it starts, and does not start without it; its numbers are made of that key and a count. Not from
//! the system's seed, as other choices are: a run that is replayed would draw again what a store may have kept from the run before.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(super) struct Numbers {
    key: [u8; 32],
    next: AtomicU64,
}

impl Numbers {
    /// `fill` is the operating system's source of random bytes.
    ///
    /// # Errors
    /// It has none to give.
    pub(super) fn new<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> io::Result<Self>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut key = [0; 32];
        fill(&mut key).map_err(io::Error::other)?;
        Ok(Numbers {
            key,
            next: AtomicU64::new(0),
        })
    }

    pub(super) fn draw(&self) -> u128 {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut mac: Hmac<Sha256> =
            Hmac::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&n.to_be_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let (half, _) = tag.split_first_chunk().expect("a tag has 32 bytes");
        u128::from_be_bytes(*half)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::Numbers;

    #[test]
    fn no_number_is_drawn_twice_and_without_randomness_none_is() {
        let lives = [Numbers::new(getrandom::fill), Numbers::new(getrandom::fill)];
        let lives = lives.map(Result::unwrap);
        let drawn: HashSet<u128> = (0..1_000)
            .flat_map(|_| lives.each_ref().map(Numbers::draw))
            .collect();
        assert_eq!(drawn.len(), 2_000);
        assert!(Numbers::new(|_| Err("there is none")).is_err());
    }
}

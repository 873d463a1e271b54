//! Which of several a key belongs to: *rendezvous hashing*.
//!
//! Each pair of a key and a candidate has a score, a hash of both; the key belongs to the candidate with the highest. So
//! - a candidate that comes takes from each of the others the keys for which it has the highest score, its fair share, and
//!   no other key moves;
//! - one that goes gives up its own keys, evenly to the others, and no other key moves.
//!
//! # Why not one of the others
//! *Jump hash* needs no scores, but numbers the candidates `0..n` and can only add or remove the last: it does not know what
//! to do when the third is dead. A *ring* needs a hundred or more virtual nodes for each candidate to share keys evenly
//! within ten percent or so, and has to be built anew at each change. Rendezvous has no state at all and shares evenly; what
//! it costs is one multiplication or two for each candidate: some 2 ns each, so it is for hundreds of candidates and not for
//! many thousands.
//!
//! # What the hashes are
//! FNV-1a of the key's bytes as its `Hash` gives them, then a finalizer that mixes. No seed: a key belongs to the same
//! candidate in every run and every process on machines of one byte order. Whoever can choose keys can therefore choose
//! many of one candidate.

use std::hash::{Hash, Hasher};

/// The hash of a key.
pub(super) fn of_key<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = Fnv::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The candidate, of those with these identities, that a key with this hash belongs to.
pub(super) fn belongs<T>(key: u64, candidates: impl Iterator<Item = (u64, T)>) -> Option<T> {
    let scored = candidates.map(|(identity, it)| (score(key, identity), it));
    scored
        .max_by_key(|(score, _)| *score)
        .map(|(_, candidate)| candidate)
}

fn score(key: u64, identity: u64) -> u64 {
    // Identities are small numbers in a row: spread them before they meet the key.
    mix(key ^ mix(identity.wrapping_add(1)))
}

/// The finalizer of SplitMix64: each bit of the input changes half of the output's.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        mix(self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const KEYS: u64 = 6_000;

    /// Who each key belongs to.
    fn owners(identities: &[u64]) -> Vec<u64> {
        (0..KEYS)
            .map(|key| {
                let candidates = identities.iter().map(|it| (*it, *it));
                belongs(of_key(&format!("key-{key}")), candidates).unwrap()
            })
            .collect()
    }

    fn share(owners: &[u64], identity: u64) -> u64 {
        owners.iter().filter(|it| **it == identity).count() as u64
    }

    #[test]
    fn nobody_owns_a_key_if_there_is_nobody() {
        assert_eq!(belongs(of_key("a"), std::iter::empty::<(u64, ())>()), None);
    }

    #[test]
    fn keys_are_shared_evenly() {
        for n in [1, 2, 3, 8, 50] {
            let all: Vec<u64> = (0..n).collect();
            let owners = owners(&all);
            let fair = KEYS / n;
            for identity in all {
                let share = share(&owners, identity);
                // Six standard deviations of a fair draw.
                let slack = 6 * fair.isqrt();
                assert!(share.abs_diff(fair) <= slack, "{identity} of {n}: {share}");
            }
        }
    }

    #[test]
    fn a_candidate_that_comes_takes_its_share_and_no_other_key_moves() {
        for n in 1..20_u64 {
            let (before, after): (Vec<_>, Vec<_>) = ((0..n).collect(), (0..=n).collect());
            let (before, after) = (owners(&before), owners(&after));
            let moved = before.iter().zip(&after).filter(|(was, is)| was != is);
            let moved: Vec<_> = moved.map(|(_, is)| *is).collect();
            assert!(
                moved.iter().all(|is| *is == n),
                "moved only to the newcomer"
            );
            let fair = KEYS / (n + 1);
            assert!((moved.len() as u64).abs_diff(fair) <= 6 * fair.isqrt());
        }
    }

    #[test]
    fn one_that_goes_gives_up_its_keys_and_no_other_key_moves() {
        let all: Vec<u64> = (0..10).collect();
        let before = owners(&all);
        for gone in 0..10 {
            let left: Vec<u64> = all.iter().copied().filter(|it| *it != gone).collect();
            let after = owners(&left);
            for (was, is) in before.iter().zip(&after) {
                assert!(was == is || *was == gone);
            }
            for heir in left {
                let more = share(&after, heir) - share(&before, heir);
                let fair = share(&before, gone) / 9;
                assert!(more.abs_diff(fair) <= 6 * fair.isqrt(), "evenly: {more}");
            }
        }
    }

    #[test]
    fn a_key_belongs_to_the_same_one_in_every_run() {
        let owner = |key: &str| belongs(of_key(key), (0..8_u64).map(|it| (it, it)));
        let keys = ["", "a", "b", "apple", "banana", "cherry"];
        // Computed apart from this code.
        assert_eq!(keys.map(|key| owner(key).unwrap()), [6, 0, 6, 7, 6, 1]);
    }
}

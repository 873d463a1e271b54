//! Bytes that mean ill.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use actor_core::migrate::FarError;
use actor_core::migrate::private::{Hello, Key, Role, read, write};
use tests::heap::peak_of;

/// How many hostile inputs are tried; a million take some seconds in a build for release.
fn inputs() -> u64 {
    let set = std::env::var("ACTOR_FRAMES").ok();
    set.map_or(500_000, |n| n.parse().expect("ACTOR_FRAMES is a number"))
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    let at = rng.usize(..bytes.len().max(1));
    match rng.u8(..7) {
        0 => bytes.truncate(at),
        1 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        2 if at < bytes.len() => bytes[at] = rng.u8(..),
        3 => bytes.insert(at.min(bytes.len()), rng.u8(..)),
        4 if at < bytes.len() => drop(bytes.remove(at)),
        5 => bytes.extend((0..rng.usize(..200)).map(|_| rng.u8(..))),
        // A length that may be anything.
        _ => bytes.iter_mut().take(4).for_each(|byte| {
            if rng.bool() {
                *byte = if rng.bool() { 0xff } else { 0 };
            }
        }),
    }
}

/// Frames, most of them with length and tag put right again: no panic, nothing allocated beyond what has come, each error met,
/// and nothing given out that was not made with the key.
#[test]
fn hostile_frames_are_refused_with_every_error_and_bounded_memory() {
    const LIMIT: usize = 4096;
    let key = Key([7; 32]);
    let mut rng = fastrand::Rng::with_seed(5);
    let mut errors: HashSet<Discriminant<FarError>> = HashSet::new();
    let mut good = 0_u64;
    for n in 0..inputs() {
        let body: Vec<u8> = (0..rng.usize(..200)).map(|_| rng.u8(..)).collect();
        let mut bytes = write(&key, n, &body);
        let honest = rng.u8(..8) == 0;
        if honest {
            // The body is changed and the frame made anew: it is another frame.
            let mut body = body;
            mutate(&mut body, &mut rng);
            bytes = write(&key, n, &body);
        } else {
            (0..rng.usize(1..4)).for_each(|_| mutate(&mut bytes, &mut rng));
            if rng.bool() && bytes.len() >= 36 {
                let length = (bytes.len() - 36) as u32;
                bytes[..4].copy_from_slice(&length.to_be_bytes());
            }
        }
        let number = n + u64::from(rng.u8(..32) == 0);
        let (outcome, peak) = peak_of(|| read(&mut &bytes[..], &key, number, LIMIT));
        // What came, as a vector that grows by doubling, and moves.
        let allowed = 64 + 3 * bytes.len().max(32);
        assert!(peak <= allowed, "{peak} bytes for {bytes:02x?}");
        match outcome {
            Ok(body) => {
                assert_eq!(number, n);
                assert!(bytes.starts_with(&write(&key, n, &body)));
                good += 1;
            }
            Err(error) => {
                let _ = error.to_string();
                errors.insert(discriminant(&error));
            }
        }
    }
    assert!(good > 0, "some are as they should be");
    // `Cut`, `TooLarge`, `Tag`: what a reader of bytes in memory can meet.
    assert_eq!(errors.len(), 3, "each error was met");
}

#[test]
fn hostile_hellos_are_refused_with_every_error_and_bounded_memory() {
    let mut rng = fastrand::Rng::with_seed(6);
    let mut errors: HashSet<Discriminant<FarError>> = HashSet::new();
    let mut good = 0_u64;
    let hello = Hello::new(Role::Answerer, "a node with a name").unwrap();
    for _ in 0..inputs() {
        let mut bytes = hello.bytes().to_vec();
        (0..rng.usize(1..4)).for_each(|_| mutate(&mut bytes, &mut rng));
        // Magic, version and role put right again, so that the layers behind them are reached.
        for (part, fixed) in [(0..4, &b"\x89AFS"[..]), (4..6, &[0, 1]), (6..7, &[2])] {
            if rng.u8(..8) != 0 && bytes.len() >= part.end {
                bytes[part].copy_from_slice(fixed);
            }
        }
        if bytes.len() > 6 && rng.u8(..16) == 0 {
            bytes[6] = 1;
        }
        let (outcome, peak) = peak_of(|| Hello::read(&mut &bytes[..], Role::Caller));
        assert!(peak <= 1024, "{peak} bytes for {bytes:02x?}");
        match outcome {
            Ok(_) => good += 1,
            Err(error) => {
                let _ = error.to_string();
                errors.insert(discriminant(&error));
            }
        }
    }
    assert!(good > 0, "some mutations are harmless");
    // `Cut`, `Stranger`, `Version`, `Reflected`, `Name`.
    assert_eq!(errors.len(), 5, "each error was met");
}

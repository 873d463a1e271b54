//! Messages and records that mean ill, behind headers that are as they should be.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use actor_core::image::{DecodeError, Head, Image, Kind};
use actor_core::migrate::private::{read_message, read_record};
use tests::heap::peak_of;
use tests::spoil::{put_right, spoil};

use super::said::{Message, Packed, RECORD, Record, Refusal, WIRE, Wire, encoded};

/// How many hostile inputs are tried; a million take some seconds in a build for release.
fn inputs() -> u64 {
    let set = std::env::var("ACTOR_MESSAGES").ok();
    set.map_or(250_000, |n| n.parse().expect("ACTOR_MESSAGES is a number"))
}

fn image(rng: &mut fastrand::Rng) -> Packed {
    let value: Vec<(u64, String)> = (0..rng.usize(..6))
        .map(|n| (rng.u64(..), "x".repeat(n)))
        .collect();
    let head = Head::new(Kind::Actor, "somebody::Actor");
    Packed(Image::of(head, &value).unwrap().encode())
}

fn message(rng: &mut fastrand::Rng) -> Wire {
    let thing = "t".repeat(rng.usize(..40));
    let (epoch, offer, ticket) = (rng.u64(..), rng.u128(..), rng.u128(..));
    let why = || Refusal::Thaw("because".to_owned());
    let message = match rng.u8(..10) {
        0 | 1 => Message::Offer {
            epoch,
            offer,
            image: image(rng),
        },
        2 => Message::Accept { offer, ticket },
        3 => Message::Refuse { offer, why: why() },
        4 => Message::Commit {
            epoch,
            offer,
            ticket,
        },
        5 => Message::Abort { offer, ticket },
        6 => Message::Confirm { offer, ticket },
        7 => Message::Missing { offer, ticket },
        8 => {
            return Wire::Forward {
                thing,
                call: rng.bool().then_some(offer),
                message: image(rng),
            };
        }
        _ => {
            return Wire::Answer {
                call: offer,
                answer: Some(image(rng)),
            };
        }
    };
    Wire::Handover { thing, message }
}

fn record(rng: &mut fastrand::Rng) -> Record {
    let node = || "a node".to_owned();
    let (epoch, offer, ticket) = (rng.u64(..), rng.u128(..), rng.u128(..));
    match rng.u8(..4) {
        0 => Record::Here {
            epoch,
            image: rng.bool().then(|| image(rng)),
        },
        1 => Record::Leaving {
            epoch,
            offer,
            to: node(),
            image: image(rng),
        },
        2 => Record::Gone {
            epoch,
            offer,
            ticket,
            to: node(),
        },
        _ => Record::Arrived {
            epoch,
            offer,
            ticket,
            from: node(),
            image: image(rng),
        },
    }
}

/// Reads so many inputs: each is refused with an error, or read, and takes little more memory than it has bytes.
fn read_all(
    inputs: u64,
    seed: u64,
    mut next: impl FnMut(&mut fastrand::Rng) -> Vec<u8>,
    read: impl Fn(&[u8]) -> Result<(), DecodeError>,
) -> HashSet<Discriminant<DecodeError>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut errors = HashSet::new();
    let mut good = 0_u64;
    for _ in 0..inputs {
        let bytes = next(&mut rng);
        let (outcome, peak) = peak_of(|| read(&bytes));
        // The payload, the bytes in it, the image of those, and the text of an error.
        assert!(
            peak <= 4 * bytes.len() + 4096,
            "{peak} bytes for {bytes:02x?}"
        );
        match outcome {
            Ok(()) => good += 1,
            Err(error) => {
                assert!(error.to_string().len() < 2048);
                errors.insert(discriminant(&error));
            }
        }
    }
    assert!(good > 0, "some mutations are harmless");
    errors
}

/// What an image can be refused with, before it is looked at what it is of.
fn of_any_image() -> Vec<DecodeError> {
    vec![
        DecodeError::Short { size: 0 },
        DecodeError::Magic,
        DecodeError::Format { found: 0 },
        DecodeError::Length { said: 0, is: 0 },
        DecodeError::Checksum { said: 0, is: 0 },
        DecodeError::UnknownKind { found: 0 },
        DecodeError::Reserved,
        DecodeError::Name,
        DecodeError::Payload { at: 0 },
        DecodeError::TooDeep { at: 0, limit: 0 },
    ]
}

/// And when it is.
fn of_a_message() -> Vec<DecodeError> {
    let mut all = of_any_image();
    all.extend([
        DecodeError::WrongKind {
            found: Kind::Data,
            wanted: Kind::Data,
        },
        DecodeError::WrongName {
            found: String::new(),
            wanted: String::new(),
        },
        DecodeError::Value(String::new()),
    ]);
    all
}

#[track_caller]
fn all_seen(seen: &HashSet<Discriminant<DecodeError>>, wanted: &[DecodeError]) {
    for error in wanted {
        assert!(seen.contains(&discriminant(error)), "never met: {error:?}");
    }
    assert_eq!(seen.len(), wanted.len());
}

#[test]
fn hostile_messages_are_refused_with_every_error_and_bounded_memory() {
    let read = |bytes: &[u8]| read_message(bytes).map(drop);
    let spoilt = |rng: &mut fastrand::Rng| {
        let mut bytes = message(rng).encode();
        spoil(&mut bytes, rng);
        bytes
    };
    let errors = read_all(inputs(), 11, spoilt, read);
    all_seen(&errors, &of_a_message());
}

#[test]
fn hostile_images_in_messages_are_refused_with_every_error_and_bounded_memory() {
    let spoilt = |rng: &mut fastrand::Rng| {
        loop {
            let mut message = message(rng);
            if let Some(image) = message.packed() {
                spoil(image, rng);
                return message.encode();
            }
        }
    };
    let read = |bytes: &[u8]| read_message(bytes).map(drop);
    let errors = read_all(inputs(), 12, spoilt, read);
    all_seen(&errors, &of_any_image());
}

#[test]
fn hostile_records_are_refused_with_every_error_and_bounded_memory() {
    let spoilt = |rng: &mut fastrand::Rng| {
        let mut bytes = encoded(RECORD, &record(rng));
        spoil(&mut bytes, rng);
        bytes
    };
    let errors = read_all(inputs(), 13, spoilt, read_record);
    all_seen(&errors, &of_a_message());
}

/// The errors that only much can have, and what makes much of little.
#[test]
fn a_message_beyond_the_limits_is_refused_before_anything_is_made_of_it() {
    let (error, peak) = peak_of(|| read_message(&vec![0; 66 << 20]).unwrap_err());
    assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
    assert!(peak < 67 << 20, "{peak}");

    // Nothing, eight million times and once more.
    let mut many = encoded(WIRE, &());
    many.pop();
    many.push(0xdd);
    many.extend_from_slice(&8_000_001_u32.to_be_bytes());
    many.resize(many.len() + 8_000_001, 0xc0);
    put_right(&mut many);
    let (error, peak) = peak_of(|| read_message(&many).unwrap_err());
    assert!(matches!(error, DecodeError::TooMany { .. }), "{error}");
    assert!(peak < 4096, "{peak}");

    // A name of 60 MiB.
    let name = "n".repeat(60 << 20);
    let (offer, ticket) = (1, 2);
    let long = Wire::of(
        &name,
        Message::Commit {
            epoch: 1,
            offer,
            ticket,
        },
    );
    let (error, peak) = peak_of(|| read_message(&long).unwrap_err());
    let DecodeError::Value(text) = &error else {
        panic!("{error}")
    };
    assert!(text.contains("a name of 62914560 bytes"), "{text}");
    assert!(peak < (60 << 20) + 8192, "only the payload: {peak}");
    Wire::of(
        &"n".repeat(255),
        Message::Commit {
            epoch: 1,
            offer,
            ticket,
        },
    );
    let longest = Wire::of(&"n".repeat(255), Message::Abort { offer, ticket });
    read_message(&longest).unwrap();

    // A variant of 60 MiB, which serde names in its error.
    let payload = std::collections::BTreeMap::from([(&name, 0)]);
    let error = read_message(&encoded(WIRE, &payload)).unwrap_err();
    assert!(matches!(error, DecodeError::Value(_)), "{error:?}");
    assert!(error.to_string().len() < 2048);
}

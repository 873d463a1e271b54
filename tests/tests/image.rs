//! Images: the format as it is documented, and what hostile bytes can do (nothing).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::mem::{Discriminant, discriminant};

use actor_core::image::{DecodeError, EncodeError, Head, Image, Kind, Limits};
use serde::{Deserialize, Serialize};
use tests::heap::{Counting, peak_of};
use tests::spoil::spoil;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One of everything that serde knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Everything {
    Unit,
    Numbers(u8, i64, f64, u128),
    Text { text: String, letter: char },
    Nested(Vec<Everything>),
    Map(BTreeMap<String, VecDeque<u16>>),
    Maybe(Option<Box<Everything>>),
    Bytes(Vec<u8>),
}

impl Everything {
    fn random(rng: &mut fastrand::Rng, depth: usize) -> Self {
        let text = |rng: &mut fastrand::Rng| (0..rng.usize(..40)).map(|_| rng.char(..)).collect();
        match rng.u8(..if depth == 0 { 4 } else { 7 }) {
            0 => Self::Unit,
            1 => Self::Numbers(rng.u8(..), rng.i64(..), rng.f64(), rng.u128(..)),
            2 => Self::Text {
                text: text(rng),
                letter: rng.char(..),
            },
            3 => Self::Bytes((0..rng.usize(..300)).map(|_| rng.u8(..)).collect()),
            4 => Self::Nested(
                (0..rng.usize(..5))
                    .map(|_| Self::random(rng, depth - 1))
                    .collect(),
            ),
            5 => Self::Map(
                (0..rng.usize(..20))
                    .map(|_| (text(rng), (0..rng.u16(..20)).collect()))
                    .collect(),
            ),
            _ => Self::Maybe(rng.bool().then(|| Box::new(Self::random(rng, depth - 1)))),
        }
    }
}

fn head() -> Head {
    Head::new(Kind::Data, "tests::Everything")
        .schema(3)
        .epoch(0x0102_0304_0506_0708)
        .fingerprint(0xfeed_face_cafe_beef)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: u8,
    y: i32,
}

/// Written once by hand from the table in the docs. If this fails, images that people have are not read any more.
#[test]
fn the_format_is_the_one_that_is_documented() {
    let mut golden = b"\x89ACT\x01\x03\x00\x0ctests::Point".to_vec();
    golden.splice(8..8, [0, 0, 0, 7]); // schema
    golden.splice(12..12, 9_u64.to_be_bytes()); // epoch
    golden.splice(20..20, 0x1234_u64.to_be_bytes()); // fingerprint
    golden.splice(28..28, 9_u32.to_be_bytes()); // payload
    golden.splice(32..32, 0x9767c4a3_u32.to_be_bytes()); // checksum
    golden.extend(b"\x82\xa1x\x05\xa1y\xd1\xff\x00"); // {"x": 5, "y": -256}
    let head = Head::new(Kind::Data, "tests::Point")
        .schema(7)
        .epoch(9)
        .fingerprint(0x1234);
    let image = Image::of(head, &Point { x: 5, y: -256 }).unwrap();
    assert_eq!(image.encode(), golden, "\n{:02x?}", image.encode());
    let back = Image::decode(&golden, &Limits::default()).unwrap();
    assert_eq!(back, image);
    assert_eq!(back.head().schema_version(), 7);
    assert_eq!(back.head().epoch_number(), 9);
    assert_eq!(back.head().code(), 0x1234);
    assert_eq!(back.value::<Point>().unwrap(), Point { x: 5, y: -256 });
}

#[test]
fn what_is_written_is_read_back() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..5_000 {
        let value = Everything::random(&mut rng, 4);
        let bytes = Image::of(head(), &value).unwrap().encode();
        let back = Image::decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(back.head(), &head());
        assert_eq!(back.value::<Everything>().unwrap(), value);
        assert_eq!(back.encode(), bytes);
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    let value = Everything::random(&mut fastrand::Rng::with_seed(7), 3);
    let bytes = Image::of(head(), &value).unwrap().encode();
    for cut in 0..bytes.len() {
        let error = Image::decode(&bytes[..cut], &Limits::default()).unwrap_err();
        let torn = matches!(
            error,
            DecodeError::Short { .. } | DecodeError::Length { .. }
        );
        assert!(torn, "cut at {cut}: {error}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        Image::decode(&damaged, &Limits::default()).expect_err("a flipped bit");
    }
    let mut longer = bytes;
    longer.push(0);
    let error = Image::decode(&longer, &Limits::default()).unwrap_err();
    assert!(matches!(error, DecodeError::Length { .. }), "{error}");
}

#[test]
fn what_nobody_could_thaw_is_not_frozen() {
    let limits = Limits::default();
    let mut deep = Everything::Unit;
    for _ in 0..=limits.depth {
        deep = Everything::Maybe(Some(Box::new(deep)));
    }
    let limit = limits.depth;
    assert_eq!(
        Image::of(head(), &deep).unwrap_err(),
        EncodeError::TooDeep { limit }
    );
    let many = vec![(); limits.values];
    let limit = limits.values;
    assert_eq!(
        Image::of(head(), &many).unwrap_err(),
        EncodeError::TooMany { limit }
    );
    let mut small = limits;
    small.bytes = 100;
    let error = Image::of_within(head(), &"x".repeat(100), &small).unwrap_err();
    assert!(
        matches!(error, EncodeError::TooLarge { limit: 100, .. }),
        "{error}"
    );
}

#[test]
fn an_image_of_something_else_is_refused() {
    let image = Image::of(head(), &1).unwrap();
    let found = image.head();
    found.expect(&head()).unwrap();
    found
        .expect(&Head::new(Kind::Data, "tests::Everything"))
        .expect("not bound to code");
    let kind = found
        .expect(&Head::new(Kind::Actor, "tests::Everything"))
        .unwrap_err();
    assert!(matches!(kind, DecodeError::WrongKind { .. }), "{kind}");
    let name = found.expect(&Head::new(Kind::Data, "other")).unwrap_err();
    assert!(matches!(name, DecodeError::WrongName { .. }), "{name}");
    let code = found.expect(&head().fingerprint(1)).unwrap_err();
    assert!(matches!(code, DecodeError::Fingerprint { .. }), "{code}");
}

#[test]
#[should_panic(expected = "1 to 255 bytes")]
fn a_name_has_at_least_one_byte() {
    let _ = Head::new(Kind::Data, "");
}

/// How many hostile inputs are tried; a million take some seconds in a build for release.
fn inputs() -> u64 {
    let set = std::env::var("ACTOR_IMAGES").ok();
    set.map_or(1_000_000, |n| n.parse().expect("ACTOR_IMAGES is a number"))
}

/// Mutations of good images, most of them with length and checksum put right again: no panic, no allocation beyond
/// what the limits allow, and each error is met.
#[test]
fn hostile_bytes_are_refused_with_every_error_and_bounded_memory() {
    let mut limits = Limits::default();
    (limits.bytes, limits.values, limits.depth) = (4096, 1000, 16);
    let mut rng = fastrand::Rng::with_seed(3);
    let mut corpus: Vec<Vec<u8>> = (0..64)
        .map(|_| {
            loop {
                let value = Everything::random(&mut rng, 3);
                if let Ok(image) = Image::of_within(head(), &value, &limits) {
                    break image.encode();
                }
            }
        })
        .collect();
    let mut errors: HashSet<Discriminant<DecodeError>> = HashSet::new();
    // The largest value of the type for one of the payload is a map's node; and the error texts.
    let allowed = limits.bytes * 4 + limits.values * 1024;
    let mut good = 0_u64;
    for n in 0..inputs() {
        let at = rng.usize(..corpus.len());
        let mut bytes = corpus[at].clone();
        spoil(&mut bytes, &mut rng);
        let (outcome, peak) = peak_of(|| {
            let image = Image::decode(&bytes, &limits)?;
            image.head().expect(&head())?;
            image.value::<Everything>()
        });
        assert!(peak <= allowed, "{peak} bytes for {bytes:02x?}");
        match outcome {
            Ok(_) => {
                good += 1;
                // Goes on from there now and then, so that mutations add up.
                if n % 16 == 0 {
                    corpus[at] = bytes;
                }
            }
            Err(error) => {
                let _ = error.to_string();
                errors.insert(discriminant(&error));
            }
        }
    }
    assert!(good > 0, "some mutations are harmless");
    if inputs() >= 100_000 {
        assert_eq!(errors.len(), 16, "each error was met");
    }
}

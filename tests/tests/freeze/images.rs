//! Images: what is refused, and with which error; and how large they are.

use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::image::{DecodeError, Head, Image, Kind, Limits};
use actor_core::microthread::{sleep, yield_now};
use actor_core::migratable::{self, FreezeError, Migratable, Suspended, ThawError};

mod old {
    use super::*;

    #[actor_core::migratable]
    pub(super) fn job(n: u32) -> u32 {
        yield_now();
        n + 1
    }
}

mod new {
    use super::*;

    #[actor_core::migratable(version = 2)]
    pub(super) fn job(n: u32) -> u32 {
        yield_now();
        n + 1
    }
}

fn suspended() -> Suspended<old::job> {
    let mut job = Suspended::new(old::job(1));
    assert!(job.resume(Waker::noop()).is_pending());
    job
}

/// What is thawed of an image whose payload has been changed, with a length and a checksum that are right again.
fn forged(image: &Image, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), ThawError> {
    const HEADER: usize = 36;
    let mut payload = image.payload().to_vec();
    change(&mut payload);
    let mut bytes = image.encode();
    bytes.truncate(HEADER + image.head().name().len());
    bytes.extend(&payload);
    bytes[28..32].copy_from_slice(&(payload.len() as u32).to_be_bytes());
    let covered = bytes[..32].iter().chain(&bytes[HEADER..]);
    let crc = !covered.fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    bytes[32..HEADER].copy_from_slice(&crc.to_be_bytes());
    let image = Image::decode(&bytes, &Limits::default()).map_err(ThawError::Image)?;
    Suspended::<old::job>::thaw(&image).map(drop)
}

#[test]
fn an_image_is_continued_and_the_original_goes_on() {
    let mut here = suspended();
    let image = here.freeze().unwrap();
    let mut there = Suspended::<old::job>::thaw(&image).unwrap();
    let mut twice = Suspended::<old::job>::thaw(&image).unwrap();
    assert_eq!(here.resume(Waker::noop()), Poll::Ready(2));
    assert_eq!(there.resume(Waker::noop()), Poll::Ready(2));
    assert_eq!(twice.resume(Waker::noop()), Poll::Ready(2));
}

#[test]
fn the_header_says_of_which_function_it_is() {
    let image = suspended().freeze().unwrap();
    let head = image.head();
    assert_eq!(head.kind(), Kind::Microthreads);
    assert_eq!(head.name(), <old::job as Migratable>::NAME);
    assert_eq!(head.code(), <old::job as Migratable>::FINGERPRINT);
    assert_eq!(head.schema_version(), 0);
    let two = migratable::freeze(&(Suspended::new(new::job(1)), suspended())).unwrap();
    assert_eq!(two.head().name(), <new::job as Migratable>::NAME);
    assert_eq!(two.head().schema_version(), 2);
}

#[test]
fn an_image_of_something_else_is_refused() {
    let data = Image::of(Head::new(Kind::Data, "old::job"), &1).unwrap();
    let error = Suspended::<old::job>::thaw(&data).unwrap_err();
    let wrong = DecodeError::WrongKind {
        found: Kind::Data,
        wanted: Kind::Microthreads,
    };
    assert_eq!(error, ThawError::Image(wrong));
}

#[test]
fn an_image_within_another_is_another() {
    /// Freezes one while it is serialised.
    struct Nested(Suspended<old::job>);
    impl serde::Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = Suspended::new(new::job(1)).freeze().unwrap();
            assert_eq!(inner.head().schema_version(), 2);
            self.0.serialize(serializer)
        }
    }
    let image = migratable::freeze(&Nested(suspended())).unwrap();
    assert_eq!(image.head().name(), <old::job as Migratable>::NAME);
    let mut there = Suspended::<old::job>::thaw(&image).unwrap();
    assert_eq!(there.resume(Waker::noop()), Poll::Ready(2));
}

#[test]
fn what_is_left_over_is_refused() {
    let image = suspended().freeze().unwrap();
    let error = forged(&image, |payload| payload.push(0xc0)).unwrap_err();
    let at = image.payload().len();
    assert_eq!(error, ThawError::Image(DecodeError::Payload { at }));
}

#[test]
fn hostile_bytes_behind_a_right_checksum_are_an_error() {
    let image = suspended().freeze().unwrap();
    for at in 0..image.payload().len() {
        for byte in [0x00, 0x7f, 0x90, 0xc1, 0xdb, 0xdd, 0xdf, 0xff] {
            // An error or another value, and no panic.
            let _ = forged(&image, |payload| payload[at] = byte);
        }
    }
}

#[test]
fn another_function_is_refused() {
    let image = suspended().freeze().unwrap();
    let error = Suspended::<new::job>::thaw(&image).unwrap_err();
    let ThawError::OtherFunction { image, wanted } = error else {
        panic!("{error}");
    };
    assert!(image.ends_with("old::job") && wanted.ends_with("new::job"));
}

#[test]
fn a_changed_body_is_refused() {
    let image = suspended().freeze().unwrap();
    let fingerprint = <old::job as Migratable>::FINGERPRINT;
    let at = image
        .payload()
        .windows(8)
        .position(|bytes| bytes == fingerprint.to_be_bytes())
        .expect("MessagePack is big-endian");
    let error = forged(&image, |payload| payload[at + 7] ^= 1).unwrap_err();
    let ThawError::ChangedBody {
        function,
        image,
        now,
    } = error
    else {
        panic!("{error}");
    };
    assert!(function.ends_with("old::job"));
    assert_eq!((image, now), (fingerprint ^ 1, fingerprint));
}

#[test]
fn a_changed_version_is_refused() {
    let image = suspended().freeze().unwrap();
    let fingerprint = <old::job as Migratable>::FINGERPRINT;
    let at = image
        .payload()
        .windows(8)
        .position(|bytes| bytes == fingerprint.to_be_bytes())
        .unwrap();
    let error = forged(&image, |payload| payload[at + 8] = 9).unwrap_err();
    assert!(
        matches!(
            error,
            ThawError::ChangedVersion {
                image: 9,
                now: 0,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_fingerprint_is_that_of_the_body() {
    // The same tokens in another module, and another version.
    assert_eq!(
        <old::job as Migratable>::FINGERPRINT,
        <new::job as Migratable>::FINGERPRINT,
    );
    assert_eq!(<new::job as Migratable>::VERSION, 2);
}

#[actor_core::migratable]
fn panics(n: u32) -> u32 {
    yield_now();
    assert!(n > 100, "as it must");
    n
}

#[test]
fn what_has_panicked_or_ended_is_neither_frozen_nor_resumed() {
    let mut broken = Suspended::new(panics(1));
    assert!(broken.resume(Waker::noop()).is_pending());
    let resume = |broken: &mut Suspended<panics>| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            broken.resume(Waker::noop())
        }))
    };
    assert!(resume(&mut broken).is_err());
    assert!(matches!(broken.freeze(), Err(FreezeError::Ended)));
    assert!(resume(&mut broken).is_err());

    let mut ended = suspended();
    assert_eq!(ended.resume(Waker::noop()), Poll::Ready(2));
    assert!(matches!(ended.freeze(), Err(FreezeError::Ended)));
}

#[actor_core::migratable]
fn gives(to: Sender<String>) -> bool {
    to.send("kept".to_owned()).is_ok()
}

#[actor_core::migratable]
fn takes(from: Receiver<String>) -> Option<String> {
    from.recv().ok()
}

#[test]
fn a_value_that_was_to_be_sent_is_in_the_image() {
    let (tx, rx) = channel::rendezvous();
    let mut giver = Suspended::new(gives(tx));
    assert!(giver.resume(Waker::noop()).is_pending());
    assert_eq!(rx.balance(), 1, "it waits");
    let image = migratable::freeze(&(giver, rx)).unwrap();
    type World = (Suspended<gives>, Receiver<String>);
    let (mut giver, rx): World = migratable::thaw(&image).unwrap();
    assert!(giver.resume(Waker::noop()).is_pending());
    assert_eq!(rx.try_recv().unwrap(), "kept");
    assert_eq!(giver.resume(Waker::noop()), Poll::Ready(true));
}

#[test]
fn the_original_can_still_send_what_its_image_has() {
    let (tx, rx) = channel::rendezvous();
    let mut giver = Suspended::new(gives(tx));
    assert!(giver.resume(Waker::noop()).is_pending());
    giver.freeze().unwrap();
    assert_eq!(rx.balance(), 0, "it has given up its wait");
    assert!(giver.resume(Waker::noop()).is_pending());
    assert_eq!(rx.try_recv().unwrap(), "kept");
    assert_eq!(giver.resume(Waker::noop()), Poll::Ready(true));
}

#[test]
fn a_value_just_given_is_in_the_image_once() {
    let (tx, rx) = channel::bounded(4);
    let mut taker = Suspended::new(takes(rx.clone()));
    assert!(taker.resume(Waker::noop()).is_pending());
    tx.send("first".to_owned()).unwrap(); // handed to the one that waits
    tx.send("second".to_owned()).unwrap();
    // The channel before the function: what it gives back must be in it all the same.
    let image = migratable::freeze(&(rx, tx, taker)).unwrap();
    type World = (Receiver<String>, Sender<String>, Suspended<takes>);
    let (rx, tx, mut taker): World = migratable::thaw(&image).unwrap();
    assert_eq!(
        taker.resume(Waker::noop()),
        Poll::Ready(Some("first".to_owned()))
    );
    assert_eq!(rx.try_recv().unwrap(), "second");
    drop(tx);
    assert!(rx.recv().is_err());
}

#[test]
fn a_channel_is_serialised_in_an_image_only() {
    let (tx, _rx) = channel::unbounded::<u8>();
    let error = rmp_serde::to_vec(&tx).unwrap_err();
    assert!(error.to_string().contains("migratable::freeze"), "{error}");
    let error = rmp_serde::to_vec(&suspended()).unwrap_err();
    assert!(error.to_string().contains("migratable::freeze"), "{error}");
}

#[actor_core::migratable]
fn naps(long: Duration) -> &'static str {
    sleep(long);
    "awake"
}

#[test]
fn a_sleep_goes_on_for_what_is_left_of_it() {
    let mut sleeper = Suspended::new(naps(Duration::from_secs(3600)));
    assert!(sleeper.resume(Waker::noop()).is_pending());
    let image = sleeper.freeze().unwrap();
    let mut sleeper = Suspended::<naps>::thaw(&image).unwrap();
    assert!(sleeper.resume(Waker::noop()).is_pending());
    assert_eq!(naps(Duration::from_millis(1)).call(), "awake");
}

#[actor_core::migratable]
fn inner(from: Receiver<u64>) -> u64 {
    let mut total: u64 = 0;
    while let Ok(n) = from.recv() {
        total += n;
    }
    total
}

#[actor_core::migratable]
fn outer(from: Receiver<u64>) -> u64 {
    inner(from).call() * 2
}

#[test]
fn one_that_waits_two_calls_deep_is_small() {
    let (tx, rx) = channel::unbounded();
    let mut calls = Suspended::new(outer(rx));
    tx.send(20).unwrap();
    assert!(calls.resume(Waker::noop()).is_pending());
    let image = calls.freeze().unwrap();
    let size = image.encode().len();
    assert!(size <= 150, "{size} bytes");
}

#[actor_core::migratable]
fn through_a_map(map: BTreeMap<u8, u8>) -> u32 {
    let mut sum = 0;
    for (k, v) in map {
        yield_now();
        sum += u32::from(k) * u32::from(v);
    }
    sum
}

#[test]
fn a_call_runs_it_where_one_stands() {
    assert_eq!(through_a_map(BTreeMap::from([(2, 3), (4, 5)])).call(), 26);
    let rt = actor_core::Runtime::new().unwrap();
    let called = rt.spawn(|| {
        let (tx, rx) = channel::rendezvous();
        let adds = actor_core::microthread::spawn(move || outer(rx).call());
        (1..=4).for_each(|n| tx.send(n).unwrap());
        drop(tx);
        adds.join().unwrap()
    });
    assert_eq!(called.unwrap().join().unwrap(), 20);
}

/// Waits while it is serialised.
struct Waits(tests::Gate);

impl serde::Serialize for Waits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.wait();
        serializer.serialize_unit()
    }
}

/// What this thread writes is one image at a time: who waits in the middle of one would be in another's when it goes on.
#[test]
fn a_value_that_waits_while_it_is_frozen_panics_in_its_microthread_and_spoils_no_other_image() {
    let rt = tests::one_worker();
    let gate = tests::Gate::new();
    let waits = Waits(gate.clone());
    let waiting = rt
        .spawn(move || {
            let (sender, receiver) = channel::unbounded::<u8>();
            migratable::freeze(&(sender, waits, receiver)).map(drop)
        })
        .unwrap();
    let other = rt
        .spawn(move || {
            let (sender, receiver) = channel::unbounded();
            sender.send(7).unwrap();
            let image = migratable::freeze(&(sender, receiver)).unwrap();
            gate.open();
            let (sender, receiver): (Sender<u8>, Receiver<u8>) = migratable::thaw(&image).unwrap();
            sender.send(8).unwrap();
            [receiver.recv().unwrap(), receiver.recv().unwrap()]
        })
        .unwrap();
    assert_eq!(other.join().unwrap(), [7, 8]);
    let error = waiting.join().unwrap_err();
    assert!(error.to_string().contains("no_suspend"), "{error}");

    // A thread of its own waits as long as it likes.
    let gate = tests::Gate::new();
    let waits = Waits(gate.clone());
    let waiting = std::thread::spawn(move || migratable::freeze(&waits).is_ok());
    gate.open();
    assert!(waiting.join().unwrap());
}

//! The bytes of frozen functions, as they were written once: what is in files must be read for ever.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::image::{Image, Limits};
use actor_core::microthread::sleep;
use actor_core::migratable::Suspended;
use actor_core::{migratable, select, testing};

const GOLDEN: &[u8] = include_bytes!("clerk.image");

/// Notes what comes with each name, in a call, in a loop over a collection.
#[migratable]
fn clerk(names: Vec<String>, from: Receiver<u32>, to: Sender<String>) -> u64 {
    let mut total = 0;
    for (n, name) in names.into_iter().enumerate() {
        let amount = larger(from.clone(), 100).call();
        total += u64::from(amount);
        if to.send(format!("{n}: {name} {amount}")).is_err() {
            break;
        }
    }
    total
}

/// The first that is larger, and 0 when there is none any more.
#[migratable(version = 2)]
fn larger(from: Receiver<u32>, than: u32) -> u32 {
    let mut seen = 0;
    loop {
        select! {
            recv(&from) -> n => match n {
                Ok(n) if n > than => return n,
                Ok(n) => seen += n,
                Err(_) => return 0,
            },
            default(Duration::from_secs(3600)) => return seen,
        }
    }
}

#[migratable]
fn nap(time: Duration) -> &'static str {
    sleep(time);
    "rested"
}

type World = (
    Suspended<clerk>,
    Suspended<nap>,
    Sender<u32>,
    Receiver<String>,
);

/// What the file is of: in the second turn of the loop, in the call, where it has waited for a second; with values in both channels;
/// and a nap that has two seconds left.
fn image() -> Image {
    let written = Arc::new(Mutex::new(None));
    let out = written.clone();
    testing::Explorer::new().iterations(1).check(move |_| {
        let (give, from) = channel::bounded(3);
        let (to, take) = channel::unbounded();
        let names = ["Ada", "Bob", "Cy"].map(String::from).to_vec();
        let mut clerk = Suspended::new(clerk(names, from, to));
        let mut nap = Suspended::new(nap(Duration::from_secs(5)));
        assert!(nap.resume(Waker::noop()).is_pending());
        sleep(Duration::from_secs(2));
        for n in [7, 101, 20] {
            give.send(n).unwrap();
        }
        assert!(clerk.resume(Waker::noop()).is_pending());
        sleep(Duration::from_secs(1));
        give.send(300).unwrap();
        *out.lock().unwrap() = Some(migratable::freeze(&(clerk, nap, give, take)).unwrap());
    });
    written.lock().unwrap().take().unwrap()
}

#[test]
fn the_bytes_are_what_they_were() {
    let bytes = image().encode();
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/freeze/clerk.image");
        std::fs::write(path, &bytes).unwrap();
    }
    assert_eq!(bytes, GOLDEN);
}

#[test]
fn what_was_written_once_is_read() {
    let image = Image::decode(GOLDEN, &Limits::default()).unwrap();
    assert!(image.head().name().ends_with("golden::clerk"));
    testing::Explorer::new().iterations(1).check(move |_| {
        let (mut clerk, mut nap, give, take): World = migratable::thaw(&image).unwrap();
        assert_eq!(take.try_iter().collect::<Vec<_>>(), ["0: Ada 101"]);
        assert_eq!(give.capacity(), Some(3));
        assert!(clerk.resume(Waker::noop()).is_pending());
        assert_eq!(take.try_iter().collect::<Vec<_>>(), ["1: Bob 300"]);
        give.send(5).unwrap();
        drop(give);
        assert_eq!(clerk.resume(Waker::noop()), Poll::Ready(401));
        assert_eq!(take.iter().collect::<Vec<_>>(), ["2: Cy 0"]);
        sleep(Duration::from_millis(1900));
        assert!(nap.resume(Waker::noop()).is_pending());
        sleep(Duration::from_millis(200));
        assert_eq!(nap.resume(Waker::noop()), Poll::Ready("rested"));
    });
}

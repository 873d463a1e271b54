//! All shapes of `snapshot`, without serde in scope.
#![deny(missing_docs, warnings, clippy::pedantic)]
#![allow(
    dead_code,
    clippy::len_without_is_empty,
    clippy::must_use_candidate,
    clippy::trivially_copy_pass_by_ref
)]

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use actor_core::prelude::*;
use actor_core::snapshot::{OldState, Snapshot, UpgradeError};

/// Without fields.
#[actor(snapshot)]
pub struct Unit;

#[actor]
impl Unit {}

/// One field.
#[actor(snapshot)]
pub struct New(u32);

#[actor]
impl New {
    /// It.
    pub fn get(&self) -> u32 {
        self.0
    }
}

/// Several, of which one is skipped.
#[actor(snapshot, mailbox = 8)]
pub struct Pair(u32, #[snapshot(skip = 4)] u32, String);

#[actor]
impl Pair {
    /// The second.
    pub fn skipped(&self) -> u32 {
        self.1
    }
}

/// Nothing is kept.
#[actor(snapshot)]
#[derive(Default)]
pub struct Nothing {
    #[snapshot(skip)]
    held: Option<Sender<u32>>,
}

#[actor]
impl Nothing {
    /// Cannot be written.
    #[snapshot(skip)]
    pub fn hold(&mut self, held: Sender<u32>) {
        self.held = Some(held);
    }
}

const TWO: u32 = 2;

/// With parameters, of which one is in no field that is kept.
#[actor(snapshot(version = TWO, upgrade = upgrade))]
pub struct Cache<K: Ord, V, S = ()> {
    #[snapshot(rename = "entries")]
    r#type: BTreeMap<K, V>,
    #[snapshot(with = as_text)]
    hits: u64,
    #[snapshot(skip)]
    scratch: Option<S>,
}

#[actor]
impl<K, V, S> Cache<K, V, S>
where
    K: Ord + Send + 'static,
    V: Clone + Send + 'static,
    S: Send + 'static,
{
    /// Puts one in.
    pub fn put(&mut self, key: K, value: V) {
        self.r#type.insert(key, value);
    }
    /// How many.
    pub fn len(&self) -> usize {
        self.r#type.len()
    }
}

fn upgrade<K: Ord, V>(old: OldState<'_>) -> Result<CacheSnapshot<K, V>, UpgradeError> {
    Err(old.unknown())
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(n: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(n)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

fn copy<A: Snapshot>(sys: &System, actor: A) -> Addr<A> {
    let image = sys.spawn(actor).unwrap().snapshot().unwrap();
    sys.restore(&image).unwrap()
}

#[test]
fn runs() {
    let sys = System::new().unwrap();
    copy(&sys, Unit);
    copy(&sys, Nothing::default());
    assert_eq!(copy(&sys, New(7)).ask().get().unwrap(), 7);
    assert_eq!(
        copy(&sys, Pair(1, 2, "3".into())).ask().skipped().unwrap(),
        4
    );
    let cache: Cache<String, u8, Sender<u8>> = Cache {
        r#type: [("a".to_owned(), 1)].into(),
        hits: 3,
        scratch: None,
    };
    assert_eq!(copy(&sys, cache).ask().len().unwrap(), 1);
}

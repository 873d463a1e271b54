//! Where shards keep their keys: a snapshot each, in a directory.
//!
//! Saving is the framework's: `Pool::builder(..).restore(policy)` in [`server`](crate::server) is all there is to it. A shard that
//! has changed is saved every second, and once more when it stops. Expiry times are kept.
//!
//! # What survives
//! A stop: everything. A `kill -9`, or the end of a machine whose disk keeps what it says it has written: each shard as it was when
//! the last save that ended began. Saves begin a second (`--save-every`) apart, or, where one takes longer, one behind the other. So
//! every write that was acknowledged longer ago than *a second and the time of one save* is there; than the time of *two* saves, where
//! one takes longer than a second. A later one may be there or not; of those that one client made in one shard, a later one never
//! without an earlier one.
//!
//! While a shard writes its image it does nothing else; what the disk takes, it does not wait for.
//!
//! Which shard has a key depends on how many there are, so the number is part of the files' names.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actor_core::image::Limits;
use actor_core::snapshot::SnapshotPolicy;
use actor_core::store::{FileStore, Store, StoreError};

/// The most that a shard may be on disk, in bytes.
const LARGEST: usize = 1 << 30;

/// Why the data cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// The directory cannot be read or written.
    Store(StoreError),
    /// It has been used with another number of shards.
    Shards {
        /// With how many.
        there: String,
        /// How many there are to be.
        wanted: usize,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Store(error) => {
                write!(f, "the data cannot be used: {error}")?;
                std::error::Error::source(error).map_or(Ok(()), |why| write!(f, ": {why}"))
            }
            Unusable::Shards { there, wanted } => write!(
                f,
                "the data is in {there} shards, and there are to be {wanted}: start with --shards {there}"
            ),
        }
    }
}

impl std::error::Error for Unusable {}

/// The policy of each of so many shards.
pub(crate) fn open(
    dir: &Path,
    shards: usize,
    every: Duration,
) -> Result<impl Fn(usize) -> SnapshotPolicy + Send + Sync + 'static, Unusable> {
    let mut limits = Limits::default();
    limits.bytes = LARGEST;
    limits.values = LARGEST;
    let store = FileStore::open(dir).map_err(Unusable::Store)?;
    let of = format!("-of-{shards}");
    for name in store.names().map_err(Unusable::Store)? {
        if let Some((_, there)) = name.rsplit_once("-of-")
            && !name.ends_with(&of)
        {
            let there = there.to_owned();
            return Err(Unusable::Shards {
                there,
                wanted: shards,
            });
        }
    }
    let store: Arc<dyn Store> = Arc::new(store.limits(limits));
    Ok(move |shard| {
        SnapshotPolicy::new(store.clone(), format!("shard-{shard}{of}"))
            .limits(limits)
            .every(every)
            .on_stop()
    })
}

//! Stores: where images are kept, so that what was frozen outlives its process.
//!
//! A [`Store`] keeps, under each name, the last image saved, and gives it back whole or says why not. Two come with the
//! library: [`MemoryStore`] for tests and for images that need not outlive the process, [`FileStore`] for those that must.
//!
//! # What is promised
//! - Saving is *atomic*: after a crash at any time there is the image saved before, or the new one, never half of one.
//! - An image whose `save` has returned is there after a crash ([`FileStore`]: also of the machine, as far as its disk
//!   keeps what it says it has written).
//! - A damaged image is never given out, and never hides silently: it is set aside and named in what `load` returns, and
//!   the one before it is given instead. If there is none left, that is an error, and not "nothing was saved".
//!
//! What is built on that, and what it promises at each failure, is in [the guide](crate::guide::moving#when-something-fails).

mod error;
mod file;
mod memory;

use std::fmt;

use crate::image::{DecodeError, Image};

pub use error::StoreError;
pub use file::FileStore;
pub use memory::MemoryStore;

/// Keeps images by name. See the [module](self) for what an implementation promises.
///
/// May be called from microthreads, whose worker it must not hold for long (see
/// [`blocking`](crate::microthread::blocking)), and from threads, several at a time.
pub trait Store: Send + Sync + 'static {
    /// Keeps `image` under `name`, in the place of the one before.
    ///
    /// # Errors
    /// [`StoreError`]: then the last image is the one before or this one, whole in either case.
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError>;

    /// The last image under `name` that is not damaged.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] if there are images and all are damaged.
    fn load(&self, name: &str) -> Result<Loaded, StoreError>;

    /// Forgets what is kept under `name`. Whether there was anything.
    ///
    /// # Errors
    /// [`StoreError`]: then it may still be there.
    fn remove(&self, name: &str) -> Result<bool, StoreError>;

    /// The names under which there is something, sorted.
    ///
    /// # Errors
    /// [`StoreError`].
    fn names(&self) -> Result<Vec<String>, StoreError>;
}

/// What was found under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The image; `None` if there never was one.
    pub image: Option<Image>,
    /// Later ones that are damaged, and were set aside.
    pub damaged: Vec<Damaged>,
}

/// A damaged image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged {
    /// Where it is now: a path, for one from a file.
    pub place: String,
    /// What is wrong with it.
    pub error: DecodeError,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.error)
    }
}

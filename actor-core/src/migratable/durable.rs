//! Functions that survive their process: saved as they go, continued where they were.
//!
//! # How
//! A microthread drives the function ([`Suspended`]) and saves an image of it to a [`Store`] at its suspension points:
//! 1. The function goes on, as far as it can without waiting.
//! 2. If it has gone on since its last image, and one is due, its wait is given up and an image is made. The image is
//!    saved; a store that writes files does that off the worker. Then 1 again, as what it waits for may have come.
//! 3. Otherwise it waits, at most until an image is due.
//! 4. When it has ended, its images are removed, and then its result is there.
//!
//! # What is promised
//! - **After a crash at any time it continues from the last image whose save had returned**, or from a later one; from its start, if
//!   there is none yet.
//! - **At least once**: what it did after that image (values sent, calls made) it does again. Saved at each suspension point, that is at
//!   most what lies between two of them. Whoever must not see something twice is given a number to tell it by.
//! - A crash between the end and the removal of the images has it continue from the last one, and end again.
//! - Killed, and when its system shuts down, it ends, and its images stay. If it panics they stay too: the next
//!   [`spawn_durable`](crate::System::spawn_durable) continues before the panic. [Remove](Store::remove) them to begin anew.
//! - The other sides of its channels are not in its images. A function that is to survive alone has none, or none whose other side
//!   matters; its ends of channels come back [disconnected](crate::channel).

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::image::Image;
use crate::microthread::{JoinError, JoinHandle, SpawnError};
use crate::observe::Event;
use crate::rt::block_on::Poller;
use crate::rt::core::Core;
use crate::rt::task;
use crate::rt::wait;
use crate::store::{Store, StoreError};

use super::{FreezeError, Migratable, Start, Suspended, ThawError, thaw};

/// When a durable function is saved, and what becomes of it if that fails.
///
/// ```
/// use actor_core::migratable::Saving;
/// use std::time::Duration;
///
/// let careful = Saving::new(); // at each suspension point
/// let relaxed = Saving::new().every(1000).or_after(Duration::from_secs(1)).go_on_unsaved();
/// assert_ne!(careful, relaxed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it is to be given to `spawn_durable_with`"]
pub struct Saving {
    points: u64,
    after: Option<Duration>,
    goes_on: bool,
}

impl Default for Saving {
    fn default() -> Self {
        Saving {
            points: 1,
            after: None,
            goes_on: false,
        }
    }
}

impl Saving {
    /// At each suspension point; what cannot be saved does not go on.
    pub fn new() -> Self {
        Self::default()
    }

    /// At every `points`th suspension point that it gets to. 0 counts as 1.
    pub fn every(mut self, points: u64) -> Self {
        self.points = points.max(1);
        self
    }

    /// Also when it has gone on, and its last image is so old: at its next suspension point, or where it waits.
    pub fn or_after(mut self, time: Duration) -> Self {
        self.after = Some(time);
        self
    }

    /// If the store fails, it goes on and the image is tried again at the next suspension point. By default it ends, and gives
    /// [`DurableError::NotSaved`].
    pub fn go_on_unsaved(mut self) -> Self {
        self.goes_on = true;
        self
    }
}

/// A function that is saved as it goes: wait for its result, or kill it. [`spawn_durable`](crate::System::spawn_durable) makes it.
///
/// Dropping the handle detaches it.
#[must_use = "dropping the handle detaches the function"]
pub struct Durable<M: Migratable> {
    handle: JoinHandle<Result<M::Output, DurableError<M::Output>>>,
    continued: bool,
}

impl<M: Migratable> Durable<M> {
    /// The id of what runs it, unique in its runtime.
    pub fn id(&self) -> u64 {
        self.handle.id()
    }

    /// Whether it continues from an image, and not from its start.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Ends it at its next suspension point. Its images stay.
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// Waits for it to end and returns its result. Its images are gone then.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn join(self) -> Result<M::Output, DurableError<M::Output>> {
        self.handle.join().map_err(DurableError::Ended)?
    }
}

impl<M: Migratable> fmt::Debug for Durable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("function", &M::NAME)
            .field("handle", &self.handle)
            .field("continued", &self.continued)
            .finish()
    }
}

/// Why a durable function gave no result, or left something behind.
#[non_exhaustive]
pub enum DurableError<T> {
    /// It panicked, or was killed. Its images are still there.
    Ended(JoinError),
    /// It keeps something that cannot be written. The image before is still there.
    NotFrozen(FreezeError),
    /// Its image could not be saved, and it was not to go on. The image before is still there, or this one.
    NotSaved(StoreError),
    /// It has ended, and its images could not be removed: another [`spawn_durable`](crate::System::spawn_durable) would
    /// continue from the last one.
    NotRemoved {
        /// What it ended with.
        output: T,
        /// Why not.
        error: StoreError,
    },
}

impl<T> fmt::Debug for DurableError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(error) => f.debug_tuple("Ended").field(error).finish(),
            Self::NotFrozen(error) => f.debug_tuple("NotFrozen").field(error).finish(),
            Self::NotSaved(error) => f.debug_tuple("NotSaved").field(error).finish(),
            Self::NotRemoved { error, .. } => f.debug_tuple("NotRemoved").field(error).finish(),
        }
    }
}

impl<T> fmt::Display for DurableError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(error) => write!(f, "{error}; its last image is still there"),
            Self::NotFrozen(error) => write!(f, "the function could not be frozen: {error}"),
            Self::NotSaved(error) => write!(f, "its image could not be saved: {error}"),
            Self::NotRemoved { error, .. } => {
                write!(
                    f,
                    "it has ended, but its images could not be removed: {error}"
                )
            }
        }
    }
}

impl<T> Error for DurableError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Ended(error) => Some(error),
            Self::NotFrozen(error) => Some(error),
            Self::NotSaved(error) | Self::NotRemoved { error, .. } => Some(error),
        }
    }
}

/// Why a durable function could not be spawned. What is in the store stays as it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotDurable {
    /// The store could not be asked whether there is an image.
    NotLoaded(StoreError),
    /// There is one that is not of this function as it is now.
    NotThawed(ThawError),
    /// The runtime takes nothing new.
    Refused(SpawnError),
}

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded(error) => write!(f, "its image could not be loaded: {error}"),
            Self::NotThawed(error) => write!(f, "its image cannot be continued: {error}"),
            Self::Refused(error) => write!(f, "it could not be spawned: {error}"),
        }
    }
}

impl Error for NotDurable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotLoaded(error) => Some(error),
            Self::NotThawed(error) => Some(error),
            Self::Refused(error) => Some(error),
        }
    }
}

/// Starts or continues a durable function in `core`.
pub(crate) fn spawn<M: Migratable, S: Store>(
    core: &Arc<Core>,
    store: &Arc<S>,
    name: Arc<str>,
    saving: Saving,
    start: Start<M>,
) -> Result<Durable<M>, NotDurable> {
    let loaded = store.load(&name).map_err(NotDurable::NotLoaded)?;
    for damaged in &loaded.damaged {
        tracing::warn!(target: "actor_core::lifecycle", %name, %damaged, "a damaged image was set aside");
    }
    let continued = loaded.image.is_some();
    let suspended = match loaded.image {
        Some(image) => thaw(&image).map_err(NotDurable::NotThawed)?,
        None => Suspended::new(start),
    };
    let options = task::Options {
        name: Some(name.clone()),
        ..task::Options::default()
    };
    let driver = Driver {
        core: core.clone(),
        store: store.clone(),
        name,
        saving,
        points: 0,
        saved: wait::now(),
    };
    let handle = task::spawn(core, options, move || driver.run(suspended));
    let handle = handle.map_err(NotDurable::Refused)?;
    Ok(Durable { handle, continued })
}

struct Driver<S> {
    core: Arc<Core>,
    store: Arc<S>,
    name: Arc<str>,
    saving: Saving,
    /// Suspension points since the last image.
    points: u64,
    /// When that was.
    saved: Instant,
}

impl<S: Store> Driver<S> {
    fn run<M: Migratable>(
        mut self,
        mut suspended: Suspended<M>,
    ) -> Result<M::Output, DurableError<M::Output>> {
        let poller = Poller::new();
        // It has, from nothing to its first suspension point; and behind a yield it always does.
        let mut goes_on = true;
        loop {
            let pending = match suspended.step(poller.waker()) {
                Err(pending) => pending,
                Ok(output) => return self.ended(output),
            };
            if goes_on || pending.went_on {
                self.points += 1;
            }
            goes_on = pending.again;
            if self.is_due() {
                self.save(&suspended)?;
                if !pending.again {
                    // Its wait has been given up: it begins another.
                    continue;
                }
            }
            pending.wait(&poller, self.due());
            if !pending.again && self.is_due() {
                self.save(&suspended)?;
            }
        }
    }

    /// When an image is due, if something is to be saved.
    fn due(&self) -> Option<Instant> {
        let after = self.saving.after.filter(|_| self.points > 0)?;
        self.saved.checked_add(after)
    }

    fn is_due(&self) -> bool {
        self.points >= self.saving.points || self.due().is_some_and(|due| wait::now() >= due)
    }

    fn save<M: Migratable>(
        &mut self,
        suspended: &Suspended<M>,
    ) -> Result<(), DurableError<M::Output>> {
        let image: Image = suspended.freeze().map_err(DurableError::NotFrozen)?;
        match self.store.save(&self.name, &image) {
            Ok(()) => {
                self.points = 0;
                self.saved = wait::now();
                Ok(())
            }
            Err(error) => {
                self.core.events.emit(Level::WARN, || Event::NotSaved {
                    name: self.name.clone(),
                    error: error.to_string().into(),
                });
                if !self.saving.goes_on {
                    return Err(DurableError::NotSaved(error));
                }
                // Not again before it has got to another.
                self.points = self.saving.points.saturating_sub(1);
                self.saved = wait::now();
                Ok(())
            }
        }
    }

    fn ended<T>(self, output: T) -> Result<T, DurableError<T>> {
        match self.store.remove(&self.name) {
            Ok(_) => Ok(output),
            Err(error) => Err(DurableError::NotRemoved { output, error }),
        }
    }
}

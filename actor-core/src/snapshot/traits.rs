//! What makes an actor one that can be frozen: [`Snapshot`], usually written by `#[actor(snapshot)]`.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use super::error::UpgradeError;
use super::payload::name_of;
use crate::actor::Actor;
use crate::image::{DecodeError, Image};

/// An actor whose state can be written down, and made from what was written. `#[actor(snapshot)]` on its type writes this.
///
/// By hand, for a state that is written in another form than that of its fields:
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::snapshot::Snapshot;
/// use serde::{Serialize, Serializer};
/// use std::collections::BTreeSet;
///
/// #[actor]
/// struct Primes { known: BTreeSet<u64> }
///
/// #[actor]
/// impl Primes {
///     pub fn found(&mut self, n: u64) { self.known.insert(n); }
///     pub fn count(&self) -> usize { self.known.len() }
/// }
///
/// impl Snapshot for Primes {
///     type State = Vec<u64>;
///
///     fn save<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
///         to.collect_seq(&self.known)
///     }
///     fn load(known: Vec<u64>) -> Self {
///         Primes { known: known.into_iter().collect() }
///     }
/// }
///
/// let sys = System::new()?;
/// let primes = sys.spawn(Primes { known: [2, 3].into() })?;
/// let image = primes.snapshot()?;
/// assert_eq!(sys.restore::<Primes>(&image)?.ask().count()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "no snapshot can be taken of `{Self}`",
    label = "has no snapshot",
    note = "write `#[actor(snapshot)]` on the definition of `{Self}`"
)]
pub trait Snapshot: Actor<Msg: Serialize + DeserializeOwned> {
    /// What is read of an image.
    type State: DeserializeOwned;

    /// The version of [`State`](Self::State)'s fields.
    const VERSION: u32 = 1;

    /// Writes the state, in a form from which [`State`](Self::State) is read. Called at a message boundary, as part of the actor.
    ///
    /// # Errors
    /// Those of the serializer: there is no snapshot then, and the actor goes on.
    fn save<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Makes the actor.
    fn load(state: Self::State) -> Self;

    /// Makes the present state of that of an older version.
    ///
    /// # Errors
    /// [`UpgradeError`]: there is no way from that version. By default there is none from any.
    fn upgrade(old: OldState<'_>) -> Result<Self::State, UpgradeError> {
        Err(old.unknown())
    }
}

/// The state in an image of an older version, for an upgrade.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::snapshot::{OldState, UpgradeError};
///
/// #[actor(snapshot(version = 2, upgrade = upgrade))]
/// struct Account {
///     cents: i64,
///     owner: String,
/// }
/// # #[actor]
/// # impl Account { pub fn owner(&self) -> String { self.owner.clone() } }
///
/// /// What version 1 had.
/// #[derive(serde::Deserialize)]
/// struct Account1 {
///     euros: i64,
/// }
///
/// fn upgrade(old: OldState<'_>) -> Result<AccountSnapshot, UpgradeError> {
///     match old.version() {
///         1 => {
///             let Account1 { euros } = old.read()?;
///             Ok(AccountSnapshot { cents: euros * 100, owner: "unknown".into() })
///         }
///         _ => Err(old.unknown()),
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct OldState<'a> {
    pub(super) image: &'a Image,
    pub(super) known: u32,
}

impl OldState<'_> {
    /// Its version, which is below that of the type.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.image.head().schema_version()
    }

    /// The state, as what it was then: the snapshot type of that version, or a type with the same fields.
    ///
    /// # Errors
    /// [`UpgradeError`]: it is not that.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, UpgradeError> {
        #[derive(Deserialize)]
        struct Only<T> {
            state: T,
        }
        let only: Only<T> = self.image.value().map_err(UpgradeError::new)?;
        Ok(only.state)
    }

    /// The error for a version from which there is no way.
    #[must_use]
    pub fn unknown(&self) -> UpgradeError {
        UpgradeError::new(format_args!(
            "there is no way from version {} to {}",
            self.version(),
            self.known
        ))
    }
}

impl fmt::Debug for OldState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldState")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// Whether an image is one of an `A`.
pub(super) fn check<A: Snapshot>(image: &Image) -> Result<(), DecodeError> {
    use crate::image::{Head, Kind};
    image.head().expect(&Head::new(Kind::Actor, name_of::<A>()))
}

//! What a node has to know of a thing, whatever it is.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::calls::{Asked, Call, Route};
use super::error::{MoveError, SaveError};
use super::wire::{Name, Packed};
use super::{Inner, Refusal};
use crate::image::Image;

/// A type of things that a node can continue.
pub(super) trait Kind: Send + Sync {
    /// Makes the thing of this name from its image. It does not run yet, as it may have to be given up.
    fn thaw(&self, node: &Inner, name: &Name, image: &Image) -> Result<Box<dyn Ready>, Refusal>;
}

/// A thing that has been thawed.
pub(super) trait Ready: Send {
    /// Runs it. `asked`: where the answers go to messages of the image that somebody waits for.
    fn start(
        self: Box<Self>,
        node: &Arc<Inner>,
        name: &Name,
        asked: Option<Asked>,
    ) -> Result<Arc<dyn Running>, Refusal>;
}

/// A thing that lives here. It does not keep its node, which has it.
pub(super) trait Running: Send + Sync {
    /// Stops it where it is, to go to the node `to`. If that fails it goes on.
    fn freeze(&self, to: &Name, within: Duration) -> Result<Box<dyn Frozen>, Unfrozen>;

    /// What it is now: taken where it can be, within this time. It goes on.
    fn image(&self, node: &Arc<Inner>, within: Duration) -> Result<Image, SaveError>;

    /// Takes a message that was meant for it elsewhere. `false`: it takes none.
    fn take(&self, node: &Arc<Inner>, message: &Packed, call: Option<Call>) -> bool;

    /// Whether it may still do something. An actor may have ended, and its node does not hear of it.
    fn is_alive(&self) -> bool;

    /// It is the node's no more, and its end is nothing to it.
    fn released(&self);

    /// The `Addr` of an actor.
    fn addr(&self) -> Box<dyn Any>;
}

/// A thing that has been stopped, and stays so until one of these is called.
pub(super) trait Frozen: Send {
    /// What it is.
    fn image(&self) -> &Image;

    /// It goes on as if nothing had been; if that is `None`, it has to be made from its image.
    fn stay(self: Box<Self>, node: &Arc<Inner>) -> Option<Arc<dyn Running>>;

    /// It has gone: what comes for it goes by `route`. Who waits for an answer to a message in the image waits for that of the
    /// call `first`, and those after it, in the order of the image.
    fn gone(self: Box<Self>, route: Route, first: u128);
}

/// Why a thing was not frozen.
pub(super) struct Unfrozen {
    pub(super) why: MoveError,
    /// It has stopped all the same, and has to be started again.
    pub(super) again: Option<Box<dyn Ready>>,
}

impl From<MoveError> for Unfrozen {
    fn from(why: MoveError) -> Self {
        Unfrozen { why, again: None }
    }
}

//! Snapshots of actors: what is in them, what comes of them, when they are saved.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

use actor_core::image::{Image, Limits};

mod captured;
mod golden;
mod policies;
mod random;
mod timers;
mod versions;

/// As another process would have it.
fn through_bytes(image: &Image) -> Image {
    Image::decode(&image.encode(), &Limits::default()).expect("an image")
}

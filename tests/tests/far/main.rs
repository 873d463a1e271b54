//! The way to another node over TCP: whoever is at the other end, and whatever is between.

mod bounds;
mod frames;
mod greeting;
mod hostile;
mod messages;
mod peer;
mod said;
mod storm;
mod wire;

use tests::heap::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

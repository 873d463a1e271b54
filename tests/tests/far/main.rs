//! The way to another node over TCP: whoever is at the other end, and whatever is between.

mod frames;
mod greeting;
mod hostile;
mod wire;

use tests::heap::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

//! Tests of the module as a whole. Those that end a process, or count its memory and mappings, run in a child.

mod process;
mod unit;

use super::*;

/// A body that has nothing to do.
fn idle_body() {
    while !retiring() {
        suspend();
    }
}

/// Recurses until `stop` says so, or for ever; each frame holds a little memory.
#[inline(never)]
fn recurse(depth: usize, stop: &dyn Fn(usize) -> bool) -> usize {
    let mut frame = [depth; 16];
    std::hint::black_box(&mut frame);
    if stop(depth) {
        return depth;
    }
    recurse(depth + 1, stop) + usize::from(frame[3] == usize::MAX)
}

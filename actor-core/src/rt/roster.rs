//! The tasks of a runtime that own no stack: while one waits it is in no queue and on no worker, so a runtime that ends finds it here.
//!
//! A list in parts, each under a lock of its own. Each task knows its place in its part, so that it is taken out at once; the last
//! of the part then has its place.

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::machine::Base;

const PARTS: usize = 16;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Roster([Mutex<Vec<Entry>>; PARTS]);

struct Entry(NonNull<Base>);

// SAFETY: an entry is used under its part's lock, and what it points to is taken out, under that lock, before it is freed. What is
// touched of it is made for all threads.
unsafe impl Send for Entry {}

impl Roster {
    fn part(&self, task: &Base) -> MutexGuard<'_, Vec<Entry>> {
        let part = &self.0[task.header.id() as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a task in, once. It is taken out before it is freed.
    pub(super) fn add(&self, task: &Base) {
        let mut part = self.part(task);
        let place = u32::try_from(part.len()).expect("fewer tasks than memory holds");
        task.place.set(place);
        part.push(Entry(NonNull::from(task)));
    }

    /// Takes a task out that has been put in.
    pub(super) fn remove(&self, task: &Base) {
        let mut part = self.part(task);
        let place = task.place.get() as usize;
        part.swap_remove(place);
        if let Some(moved) = part.get(place) {
            // SAFETY: what is in the list is alive.
            unsafe { moved.0.as_ref() }.place.set(place as u32);
        }
        // Most come and go together: half of the room stays.
        if part.len() < part.capacity() / 4 {
            let keep = part.len() * 2;
            part.shrink_to(keep);
        }
    }

    /// Tells all that are in to end.
    pub(super) fn kill_all(&self) {
        for part in &self.0 {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: what is in the list is alive.
            let keep = |entry: &Entry| unsafe { entry.0.as_ref() }.keep();
            let tasks: Vec<_> = part.iter().map(keep).collect();
            drop(part);
            tasks.iter().for_each(|task| task.kill());
        }
    }
}

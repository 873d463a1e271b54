//! The table of a crowd, as a protocol between the driver, the ends of the children, and the end of the supervisor. What a
//! child has here is of no interest to it.
//!
//! Steps, each a section under the lock; what they call there neither blocks nor is the user's.
//! ```text
//!   start      B  the child comes to life, and is in its place
//!   driver     H  empties the place: a tie, in the roster and among the risen; or takes what an end has left for it
//!              F  forgets one that has risen
//!   an end     E  empties the place: a tie, in the roster and among the risen, with what was in the place.
//!                 The roster is closed → nobody decides. The place is empty → the tie of the risen is told
//!   the supervisor's end, which has closed the roster:
//!              A  whom it finds in a place is killed
//! ```
//! Of H and E one empties a place, and the other then finds a tie: so the driver is handed each child once that it has asked
//! for or been told of, and each end reaches the one tie there is. B is one section, or an end could find no place. If E comes
//! before A it finds the roster open, and leaves a tie there, or closed; else A finds the child in its place.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `crowd_start_unplaced` | B is two sections | `loom_an_end_finds_its_place` |
//! | `crowd_rise_in_two` | H is two sections | `loom_an_end_meets_what_is_asked` |
//! | `crowd_rise_unentered` | H tells the roster nothing | `loom_an_end_meets_what_is_asked` |
//! | `crowd_end_unentered` | E tells the roster nothing | `loom_an_end_meets_what_is_asked` |
//! | `crowd_end_keeps_nothing` | E leaves nothing for H | `loom_an_end_meets_what_is_asked` |
//! | `crowd_end_unmoved` | E leaves the place as it is | `loom_an_end_meets_what_is_asked` |
//! | `crowd_abandon_nobody` | A kills nobody | `loom_an_end_meets_the_end_of_the_supervisor` |

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, PoisonError};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

use crate::supervision::child::Tied;
use crate::supervision::roster::Roster;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::sys::fault::fault;

/// `Own` is what a child has in its place, `T` the tie of one that has risen.
pub(super) struct Places<Own, T> {
    /// Places that are, or will be, filled, and entries in `risen`.
    left: AtomicUsize,
    table: Mutex<Table<Own, T>>,
}

struct Table<Own, T> {
    resting: Vec<Option<Own>>,
    risen: BTreeMap<usize, Risen<Own, T>>,
}

struct Risen<Own, T> {
    tie: Arc<T>,
    /// Until it is handed over.
    waits: Option<Own>,
}

/// Who decides over a child that has ended.
pub(super) enum Ended<Own, T> {
    /// Its tie is to be told.
    Tied(Arc<T>),
    /// Nobody: the supervisor is gone.
    Alone(Own),
    /// It is none of these, or has been forgotten.
    Unknown,
}

impl<Own, T: Tied + 'static> Places<Own, T> {
    pub(super) fn new(places: usize) -> Self {
        Places {
            left: AtomicUsize::new(places),
            table: Mutex::new(Table {
                resting: Vec::with_capacity(places),
                risen: BTreeMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table<Own, T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the next place, with a child that `start` starts. (B)
    pub(super) fn fill<R>(&self, start: impl FnOnce() -> (Own, R)) -> R {
        let mut table = self.lock();
        if fault!("crowd_start_unplaced") {
            drop(table);
            let (own, result) = start();
            self.lock().resting.push(Some(own));
            return result;
        }
        let (own, result) = start();
        table.resting.push(Some(own));
        result
    }

    /// So many places will not be filled.
    pub(super) fn give_up(&self, places: usize) {
        self.left.fetch_sub(places, Ordering::Relaxed);
    }

    /// A child rises, or has risen by its end. By the driver. (H)
    pub(super) fn hand_over(
        &self,
        place: usize,
        roster: &Roster,
        tie: impl FnOnce(&Own) -> Arc<T>,
    ) -> Option<(Arc<T>, Own)> {
        let mut table = self.lock();
        if let Some(risen) = table.risen.get_mut(&place) {
            return Some((risen.tie.clone(), risen.waits.take()?));
        }
        let own = table.resting.get_mut(place)?.take()?;
        let tie = tie(&own);
        if !fault!("crowd_rise_unentered") {
            // It is the driver that calls, so the supervisor is there.
            let _ = roster.enter(tie.clone());
        }
        if fault!("crowd_rise_in_two") {
            drop(table);
            table = self.lock();
        }
        let risen = Risen {
            tie: tie.clone(),
            waits: None,
        };
        table.risen.insert(place, risen);
        Some((tie, own))
    }

    /// A child has ended. (E)
    pub(super) fn ended(
        &self,
        place: usize,
        roster: &Roster,
        tie: impl FnOnce(&Own) -> Arc<T>,
    ) -> Ended<Own, T> {
        let mut table = self.lock();
        let Some(own) = table.resting.get_mut(place).and_then(Option::take) else {
            let risen = table.risen.get(&place);
            return risen.map_or(Ended::Unknown, |it| Ended::Tied(it.tie.clone()));
        };
        let tie = tie(&own);
        if fault!("crowd_end_unmoved") {
            table.resting[place] = Some(own);
            return Ended::Tied(tie);
        }
        if !fault!("crowd_end_unentered") && !roster.enter(tie.clone()) {
            drop(table);
            self.give_up(1);
            return Ended::Alone(own);
        }
        let waits = match fault!("crowd_end_keeps_nothing") {
            true => None,
            false => Some(own),
        };
        let risen = Risen {
            tie: tie.clone(),
            waits,
        };
        table.risen.insert(place, risen);
        Ended::Tied(tie)
    }

    /// The tie of one that has risen.
    pub(super) fn risen(&self, place: usize) -> Option<Arc<T>> {
        self.lock().risen.get(&place).map(|it| it.tie.clone())
    }

    pub(super) fn rests(&self, place: usize) -> bool {
        matches!(self.lock().resting.get(place), Some(Some(_)))
    }

    /// Those that rest, in the order of their places.
    pub(super) fn each(&self, mut f: impl FnMut(usize, &Own)) {
        for (place, own) in self.lock().resting.iter().enumerate() {
            if let Some(own) = own {
                f(place, own);
            }
        }
    }

    /// One that has risen is forgotten. (F)
    pub(super) fn forget(&self, place: usize) {
        let gone = self.lock().risen.remove(&place);
        if gone.is_some() {
            self.give_up(1);
        }
        drop(gone); // after the lock
    }

    /// Whether nobody rests, and nobody that has risen is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Those that rest, the last first: what is to be killed, as `whom` gives it, since the roster is closed. (A)
    pub(super) fn abandon<A>(&self, whom: impl Fn(&Own) -> A) -> Vec<A> {
        if fault!("crowd_abandon_nobody") {
            return Vec::new();
        }
        let table = self.lock();
        table.resting.iter().rev().flatten().map(whom).collect()
    }

    /// What is left in the places, when nobody else has the table any more.
    pub(super) fn take_rest(&mut self) -> impl Iterator<Item = Own> + use<Own, T> {
        let mut table = self.lock();
        let resting = mem::take(&mut table.resting);
        let risen = mem::take(&mut table.risen);
        drop(table);
        let waiting = risen.into_values().filter_map(|it| it.waits);
        resting.into_iter().flatten().chain(waiting)
    }
}

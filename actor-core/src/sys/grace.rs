//! Looking at memory without holding it: whoever frees it waits for those who look.
//!
//! A *reader* follows pointers to things it has no reference to, and knows only afterwards, from elsewhere, whether they were
//! still there. What it reads must be atomic, and the memory must stay: so before memory that a reader might reach is given back,
//! when nothing leads to it any more, comes a *grace period*, [`wait`], which lasts until every reader that was reading when it
//! began has ended. Reading costs a fence, waiting a look at each thread that ever read.
//!
//! # Protocol
//! Each thread that reads has a *seat*, a counter that is odd while it does.
//! - The reader: **R1** store the odd number; **R2** fence; read; **R3** store the even number (release).
//! - The freeing side, when nothing leads to the memory any more: **F1** fence; **F2** load each seat (acquire), and where it
//!   is odd wait until it has changed.
//!
//! The fences are in one order or the other. If R2 comes first, F2 sees the reader, and its waiting acquires R3: it frees after
//! the reader's last access. If F1 comes first, the reader sees that nothing leads to the memory. Waiting for a *change*, and
//! not for an even number, a thread that reads again and again keeps nobody waiting.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `grace_no_reader_fence` | no R2 | `loom_memory_stays_while_it_is_looked_at` |
//! | `grace_no_wait_fence` | no F1 | `loom_memory_stays_while_it_is_looked_at` |
//! | `grace_no_wait` | no F2 | `loom_memory_stays_while_it_is_looked_at`, `a_grace_period_lasts_until_the_readers_have_ended` |

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::atomic::{AtomicU64, Backoff, Ordering, fence};
use crate::sys::fault::fault;

/// Odd while its thread reads.
#[derive(Debug)]
#[repr(align(64))]
struct Seat(AtomicU64);

impl Seat {
    fn new() -> Self {
        Seat(AtomicU64::new(0))
    }

    fn enter(&self) {
        let count = self.0.load(Ordering::Relaxed);
        debug_assert!(
            count.is_multiple_of(2),
            "a reader does not read twice at once"
        );
        self.0.store(count + 1, Ordering::Relaxed); // R1
        if !fault!("grace_no_reader_fence") {
            fence(Ordering::SeqCst); // R2
        }
    }

    fn leave(&self) {
        let count = self.0.load(Ordering::Relaxed);
        self.0.store(count + 1, Ordering::Release); // R3
    }

    /// F2.
    fn wait(&self) {
        let found = self.0.load(Ordering::Acquire);
        let mut backoff = Backoff::new();
        while !found.is_multiple_of(2)
            && self.0.load(Ordering::Acquire) == found
            && !fault!("grace_no_wait")
        {
            backoff.wait();
        }
    }
}

fn wait_for<'a>(seats: impl IntoIterator<Item = &'a Seat>) {
    if !fault!("grace_no_wait_fence") {
        fence(Ordering::SeqCst); // F1
    }
    seats.into_iter().for_each(Seat::wait);
}

/// Every seat there is, and those that belong to no thread now. As many as there were threads that read at one time.
#[derive(Default)]
struct Seats {
    all: Vec<&'static Seat>,
    free: Vec<&'static Seat>,
}

static SEATS: Mutex<Option<Seats>> = Mutex::new(None);

fn seats() -> MutexGuard<'static, Option<Seats>> {
    SEATS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's seat, given back when the thread ends.
struct Mine(Cell<Option<&'static Seat>>);

impl Drop for Mine {
    fn drop(&mut self) {
        if let (Some(seat), Some(seats)) = (self.0.take(), seats().as_mut()) {
            seats.free.push(seat);
        }
    }
}

thread_local! {
    static MINE: Mine = const { Mine(Cell::new(None)) };
}

#[cold]
fn sit_down() -> &'static Seat {
    let mut seats = seats();
    let seats = seats.get_or_insert_default();
    seats.free.pop().filter(|_| !cfg!(loom)).unwrap_or_else(|| {
        let seat: &'static Seat = Box::leak(Box::new(Seat::new()));
        seats.all.push(seat);
        seat
    })
}

/// The calling thread reads; until this is dropped no grace period ends. It is a full fence.
#[derive(Debug)]
pub(crate) struct Reading {
    seat: &'static Seat,
    /// For this once: the thread is ending, and has given its own back.
    borrowed: bool,
    not_send: PhantomData<*const ()>,
}

/// Begins to read. Not to be nested, and nothing that may free, wait or call out is done meanwhile.
pub(crate) fn read() -> Reading {
    let mine = MINE.try_with(|mine| {
        // Loom's atomics do not outlive a model.
        let seat = mine.0.get().filter(|_| !cfg!(loom));
        let seat = seat.unwrap_or_else(sit_down);
        mine.0.set(Some(seat));
        seat
    });
    let seat = mine.unwrap_or_else(|_| sit_down());
    seat.enter();
    Reading {
        seat,
        borrowed: mine.is_err(),
        not_send: PhantomData,
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.seat.leave();
        if self.borrowed
            && let Some(seats) = seats().as_mut()
        {
            seats.free.push(self.seat);
        }
    }
}

/// A grace period: returns when every reader that may have found what nothing leads to any more has ended.
pub(crate) fn wait() {
    let all = match seats().as_ref() {
        Some(seats) => seats.all.clone(),
        // A first reader yet to come takes the lock after us, and so sees what we have done.
        None => return,
    };
    wait_for(all);
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sys::atomic::{AtomicPtr, UnsafeCell};
    use loom::sync::Arc;

    #[test]
    fn loom_memory_stays_while_it_is_looked_at() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(4);
        builder.check(|| {
            // Loom reports what is read and written, as by an allocator, at the same time.
            let memory = Arc::new(UnsafeCell::new(1));
            let way = Arc::new(AtomicPtr::new(&raw const *memory as *mut UnsafeCell<i32>));
            let seat = Arc::new(Seat::new());
            let reader = {
                let (memory, way, seat) = (memory.clone(), way.clone(), seat.clone());
                loom::thread::spawn(move || {
                    seat.enter();
                    if !way.load(Ordering::Relaxed).is_null() {
                        // SAFETY: what the model is to show.
                        memory.with(|it| assert_eq!(unsafe { *it }, 1));
                    }
                    seat.leave();
                })
            };
            way.store(std::ptr::null_mut(), Ordering::Relaxed);
            wait_for([&*seat]);
            // SAFETY: as above.
            memory.with_mut(|it| unsafe { *it = 2 });
            reader.join().unwrap();
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::channel;

    #[test]
    fn a_grace_period_lasts_until_the_readers_have_ended() {
        static ENDED: AtomicBool = AtomicBool::new(false);
        let (inside, is_inside) = channel();
        let (leave, may_leave) = channel();
        let reader = std::thread::spawn(move || {
            let reading = read();
            inside.send(()).unwrap();
            may_leave.recv().unwrap();
            // While the other waits, or is about to.
            for _ in 0..100 {
                std::thread::yield_now();
            }
            ENDED.store(true, Ordering::SeqCst);
            drop(reading);
        });
        is_inside.recv().unwrap();
        leave.send(()).unwrap();
        wait();
        assert!(ENDED.load(Ordering::SeqCst));
        reader.join().unwrap();
        wait();
    }

    #[test]
    fn a_destructor_of_an_ending_thread_can_read() {
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                assert!(MINE.try_with(|_| ()).is_err(), "its seat is gone");
                drop(read());
            }
        }
        thread_local! {
            static LATE: Late = const { Late };
        }
        // Destroyed in the opposite order of their first uses.
        let ends = std::thread::spawn(|| {
            LATE.with(|_| ());
            drop(read());
        });
        ends.join().unwrap();
    }
}

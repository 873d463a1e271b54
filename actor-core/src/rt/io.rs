//! Waiting for descriptors: one poller a worker, edge-triggered, descriptors registered where their stack lives.
//!
//! # Terms
//! - *source*: a descriptor and where it is registered.
//! - *entry*: what a worker keeps of one registration: who waits, by direction. Its index is the *key* the kernel gives
//!   back with each event.
//! - *edge*: the kernel's report that a descriptor has become ready; made once, not for as long as it is ready.
//!
//! # How a wait goes
//! 1. The operation is tried first; only when the kernel says "would block" is there a wait.
//! 2. The source is registered with the calling worker's poller, once, for both directions, edge-triggered; it stays so
//!    until it is closed. A source used by stacks of two workers is registered with both.
//! 3. The caller's parker goes into the entry's list for its direction, and the caller parks.
//! 4. The root of the same worker reads the poller's events between resumptions and unparks who waits.
//!
//! Nothing is lost between 1 and 4: the edge that ends the "would block" of step 1 comes after it, and events are read
//! by this very thread, which runs the caller until it has parked. A registration made in step 2 reports at once what
//! is ready already. An edge that finds nobody waiting may be dropped, as the next operation is tried before it waits.
//! Where a caller looks at the poller itself ([`take_turn`]) it does so before step 1, never between 1 and 3.
//!
//! An edge wakes everybody who waits for its direction, since no second one need follow: those who find nothing left
//! wait again.
//!
//! # A try that is spared
//! A read of a byte stream that takes less than it had room for has taken all there was; the next would find nothing, and
//! the system call that says so costs as much as a small read. So it is *noted* in the entry, and the next read begins
//! with step 2. The note is wiped out by the next edge for reading, whether somebody waits for it or not. That nothing is
//! lost follows as above: what comes after the read makes an edge that has not been read yet, since edges are read by this
//! very thread.
//!
//! Two things come with no edge of their own. The end of a stream that was there before the read, together with the last
//! bytes, and a read that stops short before an urgent byte: both show in the flags of the last edge (`EPOLLRDHUP`,
//! `EPOLLPRI`, which are asked for to this end), and then nothing is noted. Nor is it before the first edge, or if the last
//! came by way of `polling`, which does not give these flags.
//!
//! On a thread that is no worker's (or where a stack may not switch) the same call waits in `poll(2)`.
//!
//! # Who owns no stack
//! A task that waits for a descriptor puts its waker into the list in step 3, and rests; its turn is a call on the worker's thread, so
//! the argument is the same. It may go on at another worker, and is then in the lists of both. It is not taken out of a list when
//! it stops to wait: the next edge wakes it for nothing. Wakers are called when the lists are in nobody's hands, as what they do is
//! not known here.
//!
//! # Closing
//! A source is dropped before its descriptor is closed, and nobody waits for it then, as each wait borrows it. The
//! registrations are removed from the kernel first, wherever they are; only then is the key free to be used again. So
//! an event that carries a key was made by the source that has the key now, or was read before the key changed hands
//! and finds an empty entry. Were it otherwise, it would be a spurious wake-up.
//!
//! # Fair shares
//! A stack whose operations never have to wait never lets go of its worker, and a peer that sends fast enough could
//! keep it so. [`take_turn`] counts, and now and then lets the descriptors be read and the others run.
//!
//! # Cost
//! A wait is one `epoll_wait` or `epoll_pwait2`, on the descriptor of `polling`'s poller. `polling`'s own `wait` makes five
//! system calls, for its timer and notification descriptors; it is called only to re-arm the notification after one
//! was seen, and where the kernel has no `epoll_pwait2`.

use std::cell::Cell;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::park::{self, Parker};
use super::worker::{Shared, Worker};

mod blocking;
mod driver;

pub(crate) use driver::Driver;
use driver::Waiter;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

/// Where a descriptor is registered. Belongs beside the descriptor, and is dropped before it is closed.
#[derive(Debug)]
pub(crate) struct Source {
    fd: RawFd,
    /// The first one: almost always the only one, and looked for at each operation.
    first: OnceLock<Registration>,
    /// Those of other workers.
    more: Mutex<Vec<Registration>>,
}

struct Registration {
    home: Arc<Shared>,
    key: usize,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("worker", &self.home.index)
            .field("key", &self.key)
            .finish()
    }
}

impl Source {
    /// For the descriptor `fd`, which stays open until the source has been dropped, and whose operations are called in
    /// a way that does not block: by its mode, or by a flag of each call.
    pub(crate) fn new(fd: RawFd) -> Self {
        Source {
            fd,
            first: OnceLock::new(),
            more: Mutex::default(),
        }
    }

    /// The key at `worker`, if it is registered there.
    fn known_key(&self, worker: &Worker) -> Option<usize> {
        let first = self.first.get()?;
        if worker.is(&first.home) {
            return Some(first.key);
        }
        let more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        let found = more.iter().find(|r| worker.is(&r.home))?;
        Some(found.key)
    }

    /// A read of a byte stream took less than it had room for, hence all there was.
    pub(crate) fn drained(&self) {
        Worker::with(|worker| {
            if let Some(worker) = worker
                && let Some(key) = self.known_key(worker)
            {
                worker.io.borrow_mut().drained(key);
            }
        });
    }

    /// Whether there has been nothing to read since [`drained`](Self::drained), as far as this worker has seen: the wait
    /// may come before the first try.
    pub(crate) fn is_drained(&self) -> bool {
        Worker::with(|worker| {
            worker.is_some_and(|worker| {
                let key = self.known_key(worker);
                key.is_some_and(|key| worker.io.borrow().is_drained(key))
            })
        })
    }

    /// The key at `worker`, registering with it if need be. (step 2)
    fn key_at(&self, worker: &Worker) -> io::Result<usize> {
        if let Some(key) = self.known_key(worker) {
            return Ok(key);
        }
        let home = worker.shared();
        let key = worker.io.borrow_mut().insert();
        // SAFETY: `Source` is dropped, and with it the registration, before the descriptor is closed.
        let added = unsafe { Driver::register(&home.poller, self.fd, key) };
        if let Err(error) = added {
            worker.io.borrow_mut().remove(key);
            return Err(error);
        }
        let home = home.clone();
        if let Err(another) = self.first.set(Registration { home, key }) {
            let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
            more.push(another);
        }
        Ok(key)
    }

    /// Waits until the descriptor may be ready for `interest`, or `deadline`; may return without cause.
    ///
    /// # Errors
    /// `TimedOut` after `deadline`; what the kernel says to a registration.
    pub(crate) fn wait(&self, interest: Interest, deadline: Option<Instant>) -> io::Result<()> {
        match park::on_stack() {
            // On a local scheduler of a thread that is no worker's there is no poller.
            Some(parker) if !std::thread::panicking() && Worker::with(|w| w.is_some()) => {
                self.wait_parked(interest, deadline, parker)
            }
            _ => blocking::wait(self.fd, interest, deadline),
        }
    }

    fn wait_parked(
        &self,
        interest: Interest,
        deadline: Option<Instant>,
        parker: &'static Parker,
    ) -> io::Result<()> {
        /// Takes the parker out of the list again, however the wait ends. On the same worker: stacks do not move.
        struct Retract(usize, Interest, &'static Parker);
        impl Drop for Retract {
            fn drop(&mut self) {
                Worker::here(|worker| worker.io.borrow_mut().retract(self.0, self.1, self.2));
            }
        }
        let key = Worker::here(|worker| {
            let key = self.key_at(worker)?;
            let waiter = Waiter::Stack(parker);
            worker.io.borrow_mut().enlist(key, interest, waiter); // step 3
            io::Result::Ok(key)
        })?;
        let _retract = Retract(key, interest, parker);
        OPERATIONS.set(0);
        if park::park_until(deadline) {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    /// As [`wait`](Self::wait) for what owns no stack, which has just tried and now rests: `waker` is woken when the descriptor may
    /// be ready, as far as this worker sees. `false`: this is no worker, nobody would.
    ///
    /// # Errors
    /// What the kernel says to a registration.
    pub(crate) fn wake_when_ready(&self, interest: Interest, waker: &Waker) -> io::Result<bool> {
        Worker::with(|worker| {
            let Some(worker) = worker else {
                return Ok(false);
            };
            let key = self.key_at(worker)?;
            let waiter = Waiter::Task(waker.clone());
            worker.io.borrow_mut().enlist(key, interest, waiter); // step 3
            OPERATIONS.set(0);
            Ok(true)
        })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let more = self.more.get_mut().unwrap_or_else(PoisonError::into_inner);
        for Registration { home, key } in self.first.take().into_iter().chain(more.drain(..)) {
            // Not left to the close that follows: a duplicate of the descriptor would keep the registration alive.
            // SAFETY: the descriptor is open, see `new`.
            let _ = home
                .poller
                .delete(unsafe { BorrowedFd::borrow_raw(self.fd) });
            let here = Worker::with(|worker| match worker {
                Some(worker) if worker.is(&home) => {
                    worker.io.borrow_mut().remove(key);
                    true
                }
                _ => false,
            });
            if !here {
                home.closed_elsewhere(key);
            }
        }
    }
}

impl Worker {
    /// Frees the entries of sources that were dropped on other threads.
    pub(super) fn reap_closed(&self, keys: Vec<usize>) {
        let mut io = self.io.borrow_mut();
        keys.into_iter().for_each(|key| io.remove(key));
    }

    /// Reads the poller, waiting for at most `timeout`, and wakes who waits for what has come. Whether anything has.
    pub(super) fn read_events(&self, timeout: Option<Duration>) -> bool {
        let mut wakers = Vec::new();
        let wake = |waiter| match waiter {
            Waiter::Stack(parker) => parker.unpark(),
            Waiter::Task(waker) => wakers.push(waker),
        };
        let poller = &self.shared().poller;
        let any = self.io.borrow_mut().poll(poller, timeout, wake);
        wakers.into_iter().for_each(Waker::wake);
        any
    }
}

/// After so many operations on a worker of which none had to wait, the others have a turn.
const TURN: u32 = 32;

thread_local! {
    /// Operations since one last had to wait.
    static OPERATIONS: Cell<u32> = const { Cell::new(0) };
}

/// To be called before each operation: lets others run if this worker's stacks have gone on without a wait for long.
///
/// Before, and not after: it raises a kill, which must not lose what an operation has done.
#[inline]
pub(crate) fn take_turn() {
    let operations = OPERATIONS.get() + 1;
    if operations < TURN {
        OPERATIONS.set(operations);
    } else {
        give_way();
    }
}

#[cold]
fn give_way() {
    OPERATIONS.set(0);
    if park::may_suspend() {
        Worker::with(|worker| worker.map(|worker| worker.read_events(Some(Duration::ZERO))));
        park::yield_now();
    }
}

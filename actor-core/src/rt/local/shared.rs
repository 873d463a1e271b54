//! What other threads see of a local scheduler: where to put wake-ups and orders, and whom to wake.
//!
//! # Steps
//! The scheduler's thread finds nobody ready, and waits:
//! 1. It says where it waits ([`Outer::begin`]): the parker of the code that drives it.
//! 2. It looks once more for wake-ups and orders. If there are some: step 4.
//! 3. It parks there.
//! 4. It waits there no more ([`Outer::end`]).
//!
//! Whoever has something for it (a) puts it in, (b) fences, (c) looks where the scheduler waits, and unparks that
//! ([`Outer::find`]). 1 and (a) are writes, 2 and (c) the reads after them, with a full fence in between on either side: one
//! of the two sees the other. An unpark before step 3 makes the park return at once. One that comes late wakes without
//! cause whoever has the parker then, which parkers allow.
//!
//! # Seeded faults
//! | fault                  | what it breaks              | caught by                                   |
//! |------------------------|-----------------------------|---------------------------------------------|
//! | `outer_no_begin_fence` | no fence between 1 and 2    | `loom_a_local_scheduler_that_waits_is_woken` |
//! | `outer_no_find_fence`  | no (b)                      | `loom_a_local_scheduler_that_waits_is_woken` |

use std::error::Error;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::rt::inbox::{Inbox, Taken};
use crate::rt::park::Parker;
use crate::sys::atomic::{AtomicBool, AtomicPtr, Ordering, fence};
use crate::sys::fault::fault;

/// Where a scheduler's thread waits, while it does. `P` is what it parks at.
#[derive(Debug)]
pub(in crate::rt) struct Outer<P: 'static>(AtomicPtr<P>);

impl<P: 'static> Outer<P> {
    pub(in crate::rt) fn nowhere() -> Self {
        Outer(AtomicPtr::new(ptr::null_mut()))
    }

    /// Step 1.
    pub(in crate::rt) fn begin(&self, place: &'static P) {
        let place = ptr::from_ref(place).cast_mut();
        // Released for whoever finds it: what it points to has been made.
        self.0.store(place, Ordering::Release);
        if !fault!("outer_no_begin_fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Step 4.
    pub(in crate::rt) fn end(&self) {
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// (b) and (c).
    pub(in crate::rt) fn find(&self) -> Option<&'static P> {
        if !fault!("outer_no_find_fence") {
            fence(Ordering::SeqCst);
        }
        // SAFETY: null, or put there by `begin` from a `&'static P`.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}

/// What another thread wants done with a microthread.
#[derive(Debug)]
pub(super) enum Order {
    Insert,
    Remove,
    RunNext,
    Kill,
    Throw(Box<dyn Error + Send + Sync>),
    /// The last handle on another thread is gone.
    Forget,
}

#[derive(Debug, Default)]
struct Orders {
    /// For the microthread under this number.
    list: Vec<(u64, Order)>,
    /// Nobody will look any more.
    closed: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Shared {
    inbox: Inbox<Parker>,
    orders: Mutex<Orders>,
    any_orders: AtomicBool,
    outer: Outer<Parker>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Shared {
            inbox: Inbox::new(),
            orders: Mutex::default(),
            any_orders: AtomicBool::new(false),
            outer: Outer::nowhere(),
        }
    }

    /// Hands a woken stack back. From any thread.
    pub(super) fn wake(&self, parker: &'static Parker) {
        self.inbox.push(parker); // (a)
        self.rouse();
    }

    /// `false`: the scheduler is gone.
    pub(super) fn order(&self, number: u64, order: Order) -> bool {
        {
            let mut orders = self.orders();
            if orders.closed {
                return false;
            }
            orders.list.push((number, order));
            self.any_orders.store(true, Ordering::Release); // (a)
        }
        self.rouse();
        true
    }

    /// (b) and (c).
    pub(super) fn rouse(&self) {
        if let Some(outer) = self.outer.find() {
            outer.unpark();
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Step 2. On the scheduler's thread, like all that follows.
    pub(super) fn has_news(&self) -> bool {
        !self.inbox.is_empty() || self.any_orders.load(Ordering::Relaxed)
    }

    pub(super) fn woken(&self) -> Taken<Parker> {
        self.inbox.take_all()
    }

    pub(super) fn take_orders(&self) -> Vec<(u64, Order)> {
        if !self.any_orders.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut orders = self.orders();
        self.any_orders.store(false, Ordering::Relaxed);
        std::mem::take(&mut orders.list)
    }

    /// Nobody will look for orders any more. Gives those that are left.
    pub(super) fn close(&self) -> Vec<(u64, Order)> {
        let mut orders = self.orders();
        orders.closed = true;
        std::mem::take(&mut orders.list)
    }

    /// Where the scheduler's thread waits.
    pub(super) fn outer(&self) -> &Outer<Parker> {
        &self.outer
    }
}

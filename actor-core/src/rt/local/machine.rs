//! Microthreads of a local scheduler that own no stack: a state machine that is run from one suspension point to the next.
//!
//! Such a one is a member of the ring like any other. When it is its turn it is run as a function call, on a stack of the pool that it
//! leaves where it is suspended; what it calls may block, and then it keeps that stack for so long, as any microthread does.
//!
//! # A turn
//! 1. Killed, or an error was thrown into it: it ends, and the machine is dropped there.
//! 2. The machine goes on. A panic is caught, and is the end. While it does, nobody finds its frame ([`Task::frame`] is empty).
//! 3. What belongs to the turn is given up: microthread-locals.
//! 4. It yields: it goes to the end of the ring. Alone in the ring it goes on at once, as `schedule` does. Or it waits: it is blocked,
//!    parked at a parker of its *own*, which no stack belongs to. What it waits for has a waker that unparks that, and a moment is
//!    a timer of it; if it has been unparked already it goes to the end of the ring.
//!
//! So a wake-up takes the way that it takes for a stack (`local`, "Waiting"). An own parker is given back when it is not parked, and
//! nobody is about to hand it over: then a late wake-up is a spurious one, of whoever has the parker then.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::Instant;

use crate::rt::cx::{Cx, Waiting};
use crate::rt::error::JoinError;
use crate::rt::header::{KILLED, THROWN};
use crate::rt::locals;
use crate::rt::machine::{Held, Machine};
use crate::rt::park::{Home, Parker};
use crate::rt::task::{drop_quietly, reason};

use super::inner::{Inner, on_stack};
use super::task::{End, Status, Task};
use super::tasklet::{Slot, Tasklet, conclude};

/// What owns no stack: a machine and its wait, with the place for its result.
pub(super) trait Turns {
    /// Step 2.
    fn turn(&mut self, waker: &Waker) -> Turned;
    /// It ends where it is suspended. Its destructors run here.
    fn end(&mut self, error: JoinError) -> End;
    /// Whether it waits for something that comes from outside the scheduler.
    fn waits_for_outside(&self) -> bool;
    /// A pair of what it is off the scheduler, and its wait.
    fn moved(self: Box<Self>) -> Box<dyn Any>;
}

/// How a turn ended.
pub(super) enum Turned {
    Yields,
    Waits(Option<Instant>),
    Ends(End),
}

struct Frame<S: Machine> {
    /// None once it has ended.
    machine: Option<S>,
    waiting: Waiting,
    result: Slot<S::Output>,
}

impl<S: Machine> Frame<S> {
    fn ends(&mut self, result: Result<S::Output, JoinError>) -> End {
        // Before the end shows.
        drop_quietly((self.machine.take(), std::mem::take(&mut self.waiting)));
        conclude(result, &self.result)
    }
}

impl<S: Machine> Turns for Frame<S> {
    fn turn(&mut self, waker: &Waker) -> Turned {
        let Some(machine) = &mut self.machine else {
            unreachable!("what has ended has no turn");
        };
        let mut cx = Cx::sharing(waker, &mut self.waiting);
        match panic::catch_unwind(AssertUnwindSafe(|| machine.resume(&mut cx))) {
            Ok(Poll::Pending) if cx.wants_again() => Turned::Yields,
            Ok(Poll::Pending) => Turned::Waits(cx.deadline()),
            Ok(Poll::Ready(output)) => Turned::Ends(self.ends(Ok(output))),
            Err(payload) => Turned::Ends(self.ends(Err(reason(payload)))),
        }
    }

    fn end(&mut self, error: JoinError) -> End {
        self.ends(Err(error))
    }

    fn waits_for_outside(&self) -> bool {
        self.waiting.is_for_outside()
    }

    fn moved(self: Box<Self>) -> Box<dyn Any> {
        let Some(machine) = self.machine else {
            unreachable!("what has ended is not taken");
        };
        Box::new((machine.moved(), self.waiting))
    }
}

/// Wakes what is parked at a parker, which is never freed.
static WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| RawWaker::new(data, &WAKER),
    |data| parker_of(data).unpark(),
    |data| parker_of(data).unpark(),
    |_| (),
);

fn parker_of(data: *const ()) -> &'static Parker {
    // SAFETY: a waker's data is made of a `&'static Parker`.
    unsafe { &*data.cast::<Parker>() }
}

fn waker_of(parker: &'static Parker) -> Waker {
    let data = std::ptr::from_ref(parker).cast();
    // SAFETY: the table keeps to its contract: a parker has no references to count, and is unparked from any thread.
    unsafe { Waker::from_raw(RawWaker::new(data, &WAKER)) }
}

/// Puts a machine, and the wait that it is in, at the end of the ring.
pub(crate) fn spawn<S: Machine>(
    scheduler: &super::Scheduler,
    machine: S,
    waiting: Waiting,
) -> Tasklet<S::Output> {
    let inner = scheduler.inner();
    let tasklet = Tasklet::<S::Output>::unbound(inner.unbound(Some(S::name().into()), 0));
    let task = tasklet.task();
    *task.frame.borrow_mut() = Some(Box::new(Frame {
        machine: Some(machine),
        waiting,
        result: tasklet.result().clone(),
    }));
    inner.adopt(task);
    inner.make_scheduled(task);
    tasklet
}

/// A turn of `task`, whose frame that is, on a stack of the pool, which is to be left then. What it ended with, if it did.
pub(super) fn turn(task: &Rc<Task>, mut frame: Box<dyn Turns>) -> Option<End> {
    let own = on_stack(|inner| inner.own_parker(task));
    let waker = waker_of(own);
    loop {
        // The permit that it was woken by, if it was.
        own.go_on_in_place();
        let due = match task.header.has(KILLED) {
            true => Some(JoinError::Killed),
            false => task.take_thrown().map(JoinError::Thrown), // step 1
        };
        let turned = match due {
            Some(error) => Turned::Ends(frame.end(error)),
            None => frame.turn(&waker),
        };
        locals::end_of_task(); // step 3
        match turned {
            Turned::Ends(end) => return Some(end),
            Turned::Waits(deadline) => {
                on_stack(|inner| inner.waits_without_stack(task, frame, deadline));
                return None;
            }
            Turned::Yields if on_stack(|inner| inner.goes_on_alone(task)) => {}
            Turned::Yields => {
                *task.frame.borrow_mut() = Some(frame);
                return None;
            }
        }
    }
}

impl Inner {
    /// That of `task`, which owns no stack and has a turn.
    fn own_parker(&self, task: &Task) -> &'static Parker {
        if let Some(timer) = task.timer.take() {
            let _ = self.timers.borrow_mut().cancel(timer);
        }
        if task.waits_for_outside.replace(false) {
            self.foreign.set(self.foreign.get() - 1);
        }
        task.own.get().unwrap_or_else(|| {
            let own = Parker::for_stack(Home::Local(self.shared.clone()));
            own.local().index.set(task.slot.get() as usize);
            task.own.set(Some(own));
            own
        })
    }

    /// Step 4: the current one waits, and leaves its stack. Nothing of the user's runs up to then.
    fn waits_without_stack(
        &self,
        task: &Rc<Task>,
        frame: Box<dyn Turns>,
        deadline: Option<Instant>,
    ) {
        let outside = deadline.is_none() && frame.waits_for_outside();
        *task.frame.borrow_mut() = Some(frame);
        let Some(own) = task.own.get() else {
            unreachable!("it has had a turn");
        };
        if task.header.has(KILLED | THROWN) || !own.rest_in_place() {
            return self.ring.borrow_mut().rotate();
        }
        let timer = deadline.map(|at| self.timers.borrow_mut().insert(at, own));
        task.timer.set(timer);
        task.waits_for_outside.set(outside);
        self.foreign.set(self.foreign.get() + usize::from(outside));
        self.ring.borrow_mut().remove(task.slot.get());
        task.status.set(Status::Blocked);
    }

    /// Takes what owns no stack off the scheduler, where it is suspended: gives what [`Turns::moved`] does.
    pub(super) fn take_off(&self, task: &Rc<Task>) -> Result<Box<dyn Any>, Held> {
        if self.is_current(task) {
            return Err(Held::Caller);
        }
        // Another thread may have unparked it, and be about to hand it over.
        if let Some(own) = task.own.get() {
            let mut is_coming = false;
            while task.frame.borrow().is_some() && task.is(Status::Blocked) {
                is_coming |= own.go_on_in_place();
                if !is_coming {
                    break;
                }
                if !self.arrivals() {
                    thread::yield_now();
                }
            }
        }
        if task.is(Status::Dead) || task.header.has(KILLED | THROWN) {
            // What is parked no more goes on, and ends.
            if task.is(Status::Blocked) && task.frame.borrow().is_some() {
                self.make_scheduled(task);
            }
            return Err(Held::Ended);
        }
        let Some(frame) = task.frame.borrow_mut().take() else {
            return Err(Held::Running);
        };
        self.own_parker(task); // gives its timer up
        self.disown(task);
        Ok(frame.moved())
    }
}

impl<T: 'static> Tasklet<T> {
    /// Takes what [`spawn`] has made of a machine that is a `V` off its scheduler.
    pub(crate) fn suspend<V: 'static>(self) -> Result<(V, Waiting), (Self, Held)> {
        let Ok(inner) = self.inner() else {
            return Err((self, Held::Ended));
        };
        match inner.take_off(self.task()) {
            Ok(moved) => match moved.downcast::<(V, Waiting)>() {
                Ok(moved) => Ok(*moved),
                Err(_) => unreachable!("it was spawned as that"),
            },
            Err(held) => Err((self, held)),
        }
    }
}

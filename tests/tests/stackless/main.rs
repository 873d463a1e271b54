//! Stackless Python's semantics under the local scheduler: one test for each behaviour that maps to Rust, named after it.
//!
//! A tasklet there is a microthread of a local scheduler here; an exception that `raise` gives there is an error that a call
//! returns, or a panic, here.
//!
//! # What does not map, and why
//! | there | here |
//! |---|---|
//! | frames, `recursion_depth`, trace and profile functions, code objects, weak references, subclassing | Python's object model |
//! | `nesting_level`, `ignore_nesting` | native frames are what a stack is made of: they neither hinder a switch nor an interrupt |
//! | `bind(None)` discards a tasklet without its cleanup | destructors always run: dropping the last handle kills |
//! | "setup", "bound without arguments" | a closure comes with its arguments, so what is bound can run |
//! | `raise_exception` needs a class | what is thrown is typed: it is an error, or does not compile |
//! | `SystemExit` ends the process | library code never exits |
//! | a killed tasklet may catch `TaskletExit` and live on | it is killed again at each later suspension point |
//! | the exception being handled is per tasklet | Rust has no such state; that a panic unwinds forbids a switch |
//! | `schedule(value)` and `tempval` | a value goes through a cell, a channel, or the result; a call returns its own result |
//! | hooks are process-global, exceptions in them are printed | they are the scheduler's; panics in them are dropped |
//! | `restorable`, pickling, context variables | sections 9 and 10, which are no part of the scheduler |
//! | a budget counts VM instructions | it counts scheduling points and time |
//! | a thread's death revives nothing, `thread_id` is -1 | a scheduler's end kills; its handles then say `NoScheduler` |
//! | `threads`, `get_thread_info(id)` | schedulers are values: whoever has one asks it |
//! | a preference is any integer, clamped to its sign | it is an enum |
//! | `channel.queue`, `next` and `prev` of waiters | only the length of the queue is shown: the balance |
//! | a dropped channel leaves its waiters paused | the other side is gone: `Disconnected` |
//! | atomic keeps threads from switching, too | nothing here can |
//!
//! Section 5, channels, is in `channel` and `preference`.

mod atomic;
mod channel;
mod edges;
mod errors;
mod hooks;
mod preference;
mod ring;
mod storm;
mod tasklet;
mod threads;
mod waits;
mod watchdog;

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use actor_core::local::{Scheduler, StateError, Tasklet};
use actor_core::microthread::{Interrupt, JoinError};
use actor_core::sync::{AcquireError, Semaphore};

const LIMIT: u64 = 30;

/// What happened, in order.
#[derive(Clone, Default, Debug)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn new() -> Self {
        Self::default()
    }

    fn add(&self, what: impl ToString) {
        self.0.borrow_mut().push(what.to_string());
    }

    #[track_caller]
    fn is(&self, expected: &str) {
        assert_eq!(self.0.borrow().join(" "), expected);
    }

    fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// What can be waited for by a call that can fail: a semaphore with no permits.
#[derive(Clone)]
struct Signal(Rc<Semaphore>);

impl Signal {
    fn new() -> Self {
        Signal(Rc::new(Semaphore::new(0)))
    }

    fn wait(&self) -> Result<(), Interrupt> {
        match self.0.acquire() {
            Ok(permit) => {
                permit.forget();
                Ok(())
            }
            Err(AcquireError::Interrupted(interrupt)) => Err(interrupt),
            Err(other) => panic!("{other}"),
        }
    }

    fn send(&self) {
        self.0.add_permits(1);
    }
}

/// A microthread that logs `name0`, lets others run, and logs `name1`.
fn stepper(sched: &Scheduler, log: &Log, name: &'static str) -> Tasklet<()> {
    let log = log.clone();
    sched.tasklet().name(name).spawn(move || {
        log.add(format!("{name}0"));
        actor_core::local::schedule().unwrap();
        log.add(format!("{name}1"));
    })
}

/// Logs when it is dropped.
struct OnDrop(Log, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

#[track_caller]
fn assert_thrown(result: Result<(), impl Into<Refusal>>, message: &str) {
    match result.err().map(Into::into) {
        Some(Refusal(Interrupt::Thrown(thrown))) => assert_eq!(thrown.get().to_string(), message),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug)]
struct Refusal(Interrupt);

impl From<Interrupt> for Refusal {
    fn from(interrupt: Interrupt) -> Self {
        Refusal(interrupt)
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Refused(interrupt) => Refusal(interrupt),
            other => panic!("{other}"),
        }
    }
}

#[track_caller]
fn assert_killed<T: Debug>(result: Result<T, JoinError>) {
    assert!(matches!(result, Err(JoinError::Killed)), "{result:?}");
}

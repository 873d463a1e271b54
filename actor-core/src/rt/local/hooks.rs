//! What the owner of a scheduler is told, and asked: of switches, of channels, of panics.
//!
//! Code of the user's that is called from here must leave the scheduler as it is: nothing in it may switch, wait or use a
//! channel. What can say so gives [`Interrupt::SwitchTrap`]; a wait that has no error to give panics. What a hook panics with
//! is dropped.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use crate::rt::error::panic_message;
use crate::rt::park;
use crate::rt::task::drop_quietly;
use crate::rt::wait::{ChannelUse, Interrupt};

use super::budget::{RunError, Uncaught};
use super::handle::TaskletRef;
use super::inner::{Inner, here};
use super::task::Task;

/// See [`Scheduler::set_schedule_hook`](super::Scheduler::set_schedule_hook).
pub type ScheduleHook = Rc<dyn Fn(Option<&TaskletRef>, Option<&TaskletRef>)>;
/// See [`Scheduler::set_channel_hook`](super::Scheduler::set_channel_hook).
pub type ChannelHook = Rc<dyn Fn(&ChannelEvent)>;
/// See [`Scheduler::set_error_handler`](super::Scheduler::set_error_handler).
pub type ErrorHandler = Rc<dyn Fn(&Uncaught)>;

/// A microthread is about to send or receive.
#[derive(Debug, Clone)]
pub struct ChannelEvent {
    tasklet: TaskletRef,
    channel: usize,
    sending: bool,
    will_block: bool,
}

impl ChannelEvent {
    /// Who sends or receives.
    pub fn tasklet(&self) -> &TaskletRef {
        &self.tasklet
    }

    /// A number that tells channels apart which exist at the same time.
    pub fn channel(&self) -> usize {
        self.channel
    }

    /// Whether it sends.
    pub fn is_sending(&self) -> bool {
        self.sending
    }

    /// Whether it will have to wait, as no partner does.
    pub fn will_block(&self) -> bool {
        self.will_block
    }
}

#[derive(Default)]
pub(super) struct Hooks {
    pub(super) schedule: RefCell<Option<ScheduleHook>>,
    pub(super) channel: RefCell<Option<ChannelHook>>,
    pub(super) error: RefCell<Option<ErrorHandler>>,
    /// Who ran last.
    previous: RefCell<Option<TaskletRef>>,
}

impl Hooks {
    pub(super) fn clear(&self) {
        // Code of the user's, whose panic must not keep the scheduler from ending.
        drop_quietly(self.schedule.take());
        drop_quietly(self.channel.take());
        drop_quietly(self.error.take());
        drop(self.previous.take());
    }
}

thread_local! {
    /// Depth of hooks that run on this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether the caller runs in a hook of a scheduler of this thread's.
#[inline]
pub(crate) fn in_hook() -> bool {
    DEPTH.get() > 0
}

/// Calls `f`, in which hooks that run on this thread do not count: it resumes a stack of another scheduler, which one of them
/// drives.
#[inline]
pub(super) fn outside_hooks<R>(f: impl FnOnce() -> R) -> R {
    let depth = DEPTH.replace(0);
    let result = f();
    DEPTH.set(depth);
    result
}

impl Inner {
    /// Calls a hook. `Err`: it panicked with this message.
    fn in_hook(&self, f: impl FnOnce()) -> Result<(), String> {
        self.switch_trap.set(self.switch_trap.get() + 1);
        DEPTH.set(DEPTH.get() + 1);
        let result = park::no_suspend(|| panic::catch_unwind(AssertUnwindSafe(f)));
        DEPTH.set(DEPTH.get() - 1);
        self.switch_trap.set(self.switch_trap.get() - 1);
        result.map_err(|payload| {
            let message = panic_message(&*payload).to_owned();
            drop_quietly(payload);
            message
        })
    }

    /// On the root, before `next` goes on, or, if that is `None`, the root.
    #[inline]
    pub(super) fn call_schedule_hook(&self, next: Option<&Rc<Task>>) {
        if self.hooks.schedule.borrow().is_some() {
            self.tell_of_switch(next);
        }
    }

    /// Notes who goes on, for the next call of the hook.
    #[cold]
    pub(super) fn note_switch(&self, next: Option<&Rc<Task>>) {
        let before = self.hooks.previous.replace(next.map(TaskletRef::of));
        drop(before);
    }

    #[cold]
    fn tell_of_switch(&self, next: Option<&Rc<Task>>) {
        let Some(hook) = self.hooks.schedule.borrow().clone() else {
            return;
        };
        let next = next.map(TaskletRef::of);
        let previous = self.hooks.previous.borrow().clone();
        if previous == next {
            return;
        }
        // What it panics with is nobody's.
        let _ = self.in_hook(|| hook(previous.as_ref(), next.as_ref()));
        if next.is_none() {
            self.note_switch(None);
        }
    }

    /// `task`, which is current, has ended with something that nobody caught. Gives what the handler leaves of it.
    #[cold]
    pub(super) fn ask_error_handler(&self, task: &Task, message: String) -> Option<Uncaught> {
        let mut uncaught = Uncaught::new(task, message);
        let Some(handler) = self.hooks.error.borrow().clone() else {
            return Some(uncaught);
        };
        let handled = self.in_hook(|| handler(&uncaught));
        uncaught.message = handled.err()?;
        Some(uncaught)
    }

    /// Tells whoever is to know: the innermost run, else the main microthread.
    #[cold]
    pub(super) fn surface(&self, uncaught: Uncaught) {
        if self.watch.depth() > 0 {
            return self.end_innermost(Err(RunError::Uncaught(uncaught)));
        }
        let main = self.main.borrow().clone();
        match main {
            Some(main) if main.header.id() != uncaught.id => {
                main.pending.push(
                    &main.header,
                    crate::rt::throw::Thrown::new(Box::new(uncaught)),
                );
                self.unpark(&main);
            }
            _ => tracing::warn!(target: "actor_core::local", %uncaught, "nobody waits in a run"),
        }
    }
}

/// See `rt::wait::watches_channels`.
#[inline]
pub(crate) fn watches_channels() -> bool {
    in_hook() || here(|inner| inner.is_some_and(|inner| inner.hooks.channel.borrow().is_some()))
}

/// See `rt::wait::channel_event`.
pub(crate) fn channel_event(of: Option<ChannelUse>) -> Result<(), Interrupt> {
    if in_hook() {
        return Err(Interrupt::SwitchTrap);
    }
    here(|inner| {
        if let (Some(inner), Some(of)) = (inner, of) {
            inner.tell_of_channel(of);
        }
    });
    Ok(())
}

impl Inner {
    fn tell_of_channel(&self, of: ChannelUse) {
        let hook = self.hooks.channel.borrow().clone();
        let current = self.current.borrow().clone();
        if let (Some(hook), Some(current)) = (hook, current) {
            let event = ChannelEvent {
                tasklet: TaskletRef::of(&current),
                channel: of.channel,
                sending: of.sending,
                will_block: of.will_block,
            };
            let _ = self.in_hook(|| hook(&event));
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("schedule", &self.schedule.borrow().is_some())
            .field("channel", &self.channel.borrow().is_some())
            .field("error", &self.error.borrow().is_some())
            .finish()
    }
}

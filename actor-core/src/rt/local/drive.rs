//! The loop that resumes stacks, what arrives from outside, and the end.

use std::rc::Rc;
use std::thread;

use crate::rt::error::JoinError;
use crate::rt::header::{KILLED, THROWN};
use crate::rt::locals;
use crate::rt::park::{self, Home, Parker};
use crate::rt::preempt;
use crate::rt::runner;
use crate::stack::{self, LimitReached, Pool, Resumed, Stack};

use super::budget::{Outcome, RunError, RunResult, Uncaught};
use super::hooks;
use super::inner::{self, Handoff, Inner, here, on_stack};
use super::machine;
use super::task::{End, Status, Task, Work};

/// After so many switches the loop looks for wake-ups from other threads and for due timers, though others are ready.
const LOOK_EVERY: u32 = 64;
/// After so many it lets others run where it is driven, if they are ready there.
const TURN: u32 = preempt::TURN;

/// When the loop ends.
pub(super) enum Until {
    /// With the run that began it.
    RunEnds,
    /// When this has ended.
    Ended(Rc<Task>),
}

/// How it has ended.
pub(super) enum Driven {
    Run(RunResult),
    /// What it was driven for has ended.
    Ended,
    /// Nobody can run, and nobody ever will.
    Stuck,
    NoStack(String),
}

/// Ends a drive, also when a kill of the microthread that drives unwinds out of a wait in the loop.
struct Driving<'a>(&'a Inner, usize);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let inner = self.0;
        inner.release_watchers(self.1);
        inner.driver.set(None);
        inner.outer.set(std::ptr::null());
        inner.driving.set(false);
        if inner.abandoned.get() {
            inner.end();
        }
    }
}

impl Inner {
    fn begin_drive(&self, watchers: usize) -> Driving<'_> {
        debug_assert!(!self.driving.get(), "the callers have looked");
        self.driving.set(true);
        self.driver.set(park::on_stack());
        self.outer.set(inner::here_raw());
        // Of a drive that was unwound.
        drop(self.watch.take_root_result());
        Driving(self, watchers)
    }

    /// Resumes whoever is at the head of the ring, again and again. On the caller's own stack, and not while it is driven.
    pub(super) fn drive(&self, until: Until) -> Driven {
        let own_watcher = usize::from(matches!(until, Until::RunEnds));
        let _driving = self.begin_drive(self.watch.depth() - own_watcher);
        self.arrivals();
        loop {
            if let Some(result) = self.watch.take_root_result() {
                self.call_schedule_hook(None);
                return Driven::Run(result);
            }
            if let Until::Ended(task) = &until
                && task.is(Status::Dead)
            {
                self.call_schedule_hook(None);
                return Driven::Ended;
            }
            let head = self.ring.borrow().head();
            let Some(slot) = head else {
                if self.nobody_is_ready(&until) {
                    continue;
                }
                return Driven::Stuck;
            };
            if self.watch.has_budget() && self.budget_ends(slot) {
                continue;
            }
            if let Err(limit) = self.resume_head(slot) {
                if self.watch.depth() == 0 {
                    return Driven::NoStack(limit.to_string());
                }
                self.end_innermost(Err(RunError::NoStack(limit.to_string())));
            }
            let switches = self.switches.get().wrapping_add(1);
            self.switches.set(switches);
            if switches.is_multiple_of(LOOK_EVERY) || self.attention.get() {
                self.look_outside();
            }
        }
    }

    /// The ring is empty: whoever is to go on then, does. `false`: nobody ever will.
    fn nobody_is_ready(&self, until: &Until) -> bool {
        self.arrivals();
        // Not whether there were any: orders that make nobody ready must not keep the loop going.
        let is_over = matches!(until, Until::Ended(task) if task.is(Status::Dead));
        if is_over || self.ring.borrow().len() > 0 || self.shared.has_woken() {
            return true;
        }
        let may_come = self.may_be_woken();
        if self.watch.depth() > 0 {
            let waits = self.watch.innermost_waits() || self.waits_for_threads;
            match waits && may_come {
                true => self.wait_outside(),
                false => self.end_innermost(Ok(Outcome::Done)),
            }
            return true;
        }
        let main = self.main.borrow().clone();
        match main {
            // It has taken itself off the ring, and nobody is left to put it back.
            Some(main) if main.is(Status::Paused) => self.make_scheduled(&main),
            _ if may_come => self.wait_outside(),
            Some(main) if main.is(Status::Blocked) => {
                main.deadlocked.set(true);
                self.unpark(&main);
            }
            _ => return false,
        }
        true
    }

    /// Waits for the next timer or for something from another thread.
    fn wait_outside(&self) {
        struct Stay<'a>(&'a Inner);
        impl Drop for Stay<'_> {
            fn drop(&mut self) {
                self.0.waits_outside.set(false);
                self.0.shared.outer().end(); // step 4
            }
        }
        let deadline = self.timers.borrow_mut().next_deadline();
        if self.moves_clock
            && let (Some(hands), Some(deadline)) = (self.clock.as_virtual(), deadline)
        {
            return hands.advance_to(deadline);
        }
        self.shared.outer().begin(park::current()); // step 1
        let _stay = Stay(self);
        self.waits_outside.set(true);
        // step 2
        if !self.shared.has_news() {
            park::park_until(deadline); // step 3
        }
    }

    /// Takes in who was woken by other threads or by time, and their orders. Whether there was anything.
    pub(super) fn arrivals(&self) -> bool {
        let mut any = false;
        if self.shared.has_news() {
            for parker in self.shared.woken() {
                self.make_ready(parker);
                any = true;
            }
            for (number, order) in self.shared.take_orders() {
                self.carry_out(number, order);
                any = true;
            }
        }
        if !self.timers.borrow().is_empty() {
            let now = self.clock.now();
            let mut due = Vec::new();
            let mut timers = self.timers.borrow_mut();
            timers.expire(now, |parker| due.push(parker));
            drop(timers);
            for parker in due {
                any = true;
                parker.time_out_in_place();
                if parker.unpark_in_place() {
                    self.make_ready(parker);
                }
            }
        }
        any
    }

    /// Between two resumptions: what has arrived, what is due on the code that drives, and whether others should run there.
    #[cold]
    fn look_outside(&self) {
        self.arrivals();
        if self.driver.get().is_some() {
            let turn = self.attention.get() || self.switches.get().is_multiple_of(TURN);
            self.attention.set(false);
            park::checkpoint();
            if turn {
                preempt::give_way();
            }
        }
        self.attention.set(false);
    }

    /// Resumes the microthread in `slot`, the head of the ring, or, if a hook changes that, whoever is the head then.
    #[inline(always)]
    fn resume_head(&self, slot: u32) -> Result<(), LimitReached> {
        let mut task = self.member(slot);
        if self.hooks.schedule.borrow().is_some() {
            self.call_schedule_hook(Some(&task));
            let head = self.ring.borrow().head();
            let Some(head) = head else { return Ok(()) };
            task = self.member(head);
            // Kept until that one has run: if it is the last handle, destructors run, which may end whoever is the head.
            let before = self.note_switch(Some(&task));
            let resumed = self.resume(task);
            drop(before);
            return resumed;
        }
        self.resume(task)
    }

    fn member(&self, slot: u32) -> Rc<Task> {
        let tasks = self.tasks.borrow();
        let task = tasks[slot as usize].clone();
        task.expect("a member of the ring is alive")
    }

    fn resume(&self, task: Rc<Task>) -> Result<(), LimitReached> {
        let (mut stack, parker) = match task.parker.get() {
            Some(parker) => {
                let stack = parker.local().stack.take();
                (stack.expect("a started task is suspended"), parker)
            }
            None => self.start(&task)?,
        };
        self.handing_over.set(false);
        preempt::begin_turn();
        let header = &raw const task.header;
        *self.current.borrow_mut() = Some(task);
        // SAFETY: `current` keeps it alive until the stack has come back.
        let resumed = runner::noted(unsafe { &*header }, || {
            hooks::outside_hooks(|| self.entered(|| stack.resume()))
        });
        let task = self.current.borrow_mut().take();
        match resumed {
            Resumed::Suspended => match self.handoff.take() {
                Some(Handoff::Suspended) => parker.local().stack.set(Some(stack)),
                Some(Handoff::Idle) => self.pool().give(stack),
                None => unreachable!("a stack of ours came back without saying why"),
            },
            Resumed::Finished => unreachable!("a stack ended that was not told to"),
            Resumed::Overflowed => {
                drop(stack); // leaks it
                task.iter().for_each(|task| self.overflowed(task));
            }
        }
        if self.watch.has_budget()
            && let Some(task) = &task
        {
            self.charge_switch(task);
        }
        Ok(())
    }

    pub(super) fn pool(&self) -> std::cell::RefMut<'_, Pool> {
        std::cell::RefMut::map(self.pool.borrow_mut(), |pool| {
            pool.as_mut().expect("there until the scheduler is dropped")
        })
    }

    /// A stack for a task that is on none.
    fn start(&self, task: &Rc<Task>) -> Result<(Stack, &'static Parker), LimitReached> {
        let mut stack = self.pool().take(task.header.stack_size())?;
        // SAFETY: the only data attached to a stack of this pool is its parker, and parkers are never freed.
        let parker = match unsafe { stack.data().cast::<Parker>().as_ref() } {
            Some(parker) => parker,
            None => {
                let parker = Parker::for_stack(Home::Local(self.shared.clone()));
                let bounds = stack.bounds();
                parker.local().size.set(bounds.end - bounds.start);
                stack.set_data(std::ptr::from_ref(parker).cast_mut().cast());
                parker
            }
        };
        let work = match task.frame.borrow_mut().take() {
            Some(frame) => Work::Turn(frame),
            None => {
                let body = task.body.borrow_mut().take();
                Work::Body(body.expect("a task that has not started has its body"))
            }
        };
        parker.local().index.set(task.slot.get() as usize);
        parker.begin(&raw const task.header);
        task.parker.set(Some(parker));
        *self.first.borrow_mut() = Some((task.clone(), work));
        Ok((stack, parker))
    }

    /// The stack of `task` was abandoned with everything on it.
    #[cold]
    fn overflowed(&self, task: &Rc<Task>) {
        // Nobody is left through a trap, so those that were set were its own, and will not be taken back.
        self.switch_trap.set(0);
        // Its frames are never dropped, and they may refer to it.
        std::mem::forget(task.clone());
        task.parker.set(None);
        *task.fate.borrow_mut() = Some(JoinError::Overflowed);
        self.disown(task);
        // Not the handler, which is called on the stack of who panicked.
        self.surface(Uncaught::new(task, "stack overflow".to_owned()));
    }

    /// The current one, on whose stack this runs, has come to its end.
    fn ended(&self, task: &Rc<Task>, end: End) {
        let uncaught = match end {
            End::Quietly => None,
            End::Uncaught(message) => self.ask_error_handler(task, message),
        };
        // After the handler, which may use locals and throw, as may the destructors of either: the next one on this stack is
        // not to find them, and nothing is to be dropped with the task.
        loop {
            task.drop_pending();
            locals::end_of_task();
            if !task.header.has(THROWN) {
                break;
            }
        }
        // From here on it is nobody, and no code of the user's runs until its stack is left.
        self.disown(task);
        if let Some(uncaught) = uncaught {
            self.surface(uncaught);
        }
    }

    // ---- the end ---------------------------------------------------------------------------------------------------

    /// Ends everybody. Those who will not end, or cannot as a panic unwinds, are leaked with their stacks.
    #[cold]
    pub(super) fn end(&self) {
        /// Kills that a body may swallow.
        const TRIES: usize = 10;
        self.hooks.clear();
        let _driving = self.begin_end();
        // From here on orders change nothing, and whoever gives them faster than they are carried out must not hold this up.
        crate::rt::task::drop_quietly(self.shared.close());
        for _ in 0..TRIES {
            let everybody = self.everybody();
            if everybody.is_empty() {
                break;
            }
            for task in &everybody {
                self.kill_pending(task);
            }
            if thread::panicking() || self.pool.borrow().is_none() {
                break;
            }
            self.run_out(2 * everybody.len());
        }
        let remotes = std::mem::take(&mut *self.remotes.borrow_mut());
        drop(remotes);
        for task in self.everybody() {
            self.leak(&task);
        }
    }

    /// Marks it as driven, though not by [`drive`](Self::drive): nobody is to drive it any more.
    fn begin_end(&self) -> impl Drop + '_ {
        struct End<'a>(&'a Inner);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.driver.set(None);
                self.0.outer.set(std::ptr::null());
                self.0.driving.set(false);
            }
        }
        self.abandoned.set(false);
        self.driving.set(true);
        // A destructor that is called here is to find that it is where the scheduler is driven.
        self.driver.set(park::on_stack());
        self.outer.set(inner::here_raw());
        End(self)
    }

    /// Resumes those who are ready, at most so often. Waits for the deadline of somebody who is shielded, once.
    fn run_out(&self, mut times: usize) {
        let mut waited = false;
        while times > 0 {
            self.arrivals();
            let head = self.ring.borrow().head();
            if let Some(slot) = head {
                times -= 1;
                // A started one needs no stack, so this fails only for what is new.
                if self.resume(self.member(slot)).is_err() {
                    return;
                }
                continue;
            }
            let everybody = self.everybody();
            // Another thread has unparked it, and is about to hand it over: it can neither be woken again nor be given up.
            let is_coming = |task: &Rc<Task>| {
                task.is(Status::Blocked) && task.parked_at().is_some_and(Parker::has_permit)
            };
            if everybody.iter().any(is_coming) {
                thread::yield_now();
                continue;
            }
            let shielded = |task: &Rc<Task>| task.parker.get().is_some_and(Parker::is_shielded);
            let waits = !self.timers.borrow().is_empty() && everybody.iter().any(shielded);
            if !waits || std::mem::replace(&mut waited, true) {
                return;
            }
            self.wait_outside();
        }
    }

    fn leak(&self, task: &Rc<Task>) {
        let who = task.header.who();
        tracing::warn!(target: "actor_core::local", %who, "did not end with its scheduler, and is leaked");
        if let Some(parker) = task.parker.take() {
            drop(parker.local().stack.take());
        }
        // It may be parked there, and stays so.
        task.own.set(None);
        *task.fate.borrow_mut() = Some(JoinError::Shutdown);
        self.disown(task);
        std::mem::forget(task.clone());
    }

    /// Tells `task` to end: at once if it has not started, else when it is its turn.
    pub(super) fn kill_pending(&self, task: &Rc<Task>) {
        match task.status.get() {
            Status::Dead => return,
            _ if task.has_started() => {
                task.header.set(KILLED);
            }
            _ => return self.discard(task, JoinError::Killed),
        }
        match task.status.get() {
            Status::Paused => self.make_scheduled(task),
            Status::Blocked => self.unpark(task),
            Status::Running => self.leave_run(task),
            Status::Scheduled | Status::Dead => {}
        }
    }

    /// `task` has not started, and never will.
    pub(super) fn discard(&self, task: &Rc<Task>, fate: JoinError) {
        let work = (
            task.body.borrow_mut().take(),
            task.frame.borrow_mut().take(),
        );
        *task.fate.borrow_mut() = Some(fate);
        self.disown(task);
        crate::rt::task::drop_quietly(work);
    }
}

/// What runs on each of the scheduler's stacks.
pub(super) fn body() {
    let me = park::on_stack().expect("a pooled stack has its parker");
    loop {
        let first = here(|inner| inner.and_then(|inner| inner.first.borrow_mut().take()));
        if let Some((task, work)) = first {
            let end = match work {
                Work::Body(run) => Some(run()),
                Work::Turn(frame) => machine::turn(&task, frame),
            };
            if let Some(end) = end {
                on_stack(|inner| inner.ended(&task, end));
            }
            task.parker.set(None);
            me.begin(std::ptr::null());
        }
        if !stack::retiring() {
            on_stack(|inner| inner.handoff.set(Some(Handoff::Idle)));
            stack::suspend();
        }
        if stack::retiring() {
            me.recycle();
            return;
        }
    }
}

//! The root's side: which stack is resumed next, what becomes of one that comes back, and the end.

use std::cell::RefMut;
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::rt::header::Runnable;
use crate::rt::park::{self, Home, Parker};
use crate::rt::runner;
use crate::stack::{LimitReached, Pool, Resumed, Stack};
use crate::sys::fault::fault;

use super::{CURRENT, DUTY_EVERY, Handoff, READY_RUN, STEP, TRIM_PORTION, Worker};

impl Worker {
    /// Whether `runnable` may run on the stack of `parker`.
    #[inline]
    pub(in crate::rt) fn fits(&self, parker: &Parker, runnable: &Runnable) -> bool {
        let (has, wants) = (parker.local().size.get(), runnable.header().stack_size());
        if wants == 0 {
            has == self.default_size.get()
        } else {
            has >= wants
        }
    }

    /// The stack of `parker` is about to end.
    pub(in crate::rt) fn retire(&self, parker: &'static Parker) {
        self.forget(parker);
        parker.recycle();
    }

    /// The root: runs until the runtime ends.
    pub(crate) fn run(self) {
        CURRENT.set(&raw const self);
        #[cfg(feature = "testing")]
        if self.is_driven() {
            self.run_driven();
        } else {
            self.run_free();
        }
        #[cfg(not(feature = "testing"))]
        self.run_free();
        self.end();
        // Idle stacks return from their runners, which ask for their worker.
        let pool = self.pool.take();
        drop(pool);
        self.core.about_to_sleep(self.shared.index);
        CURRENT.set(ptr::null());
    }

    pub(super) fn run_free(&self) {
        loop {
            self.steps.set(self.steps.get() + STEP);
            if self.steps.get() > DUTY_EVERY {
                self.steps.set(0);
                self.duties();
                if self.core.is_stopping() && !self.go_on_while_stopping() {
                    break;
                }
            }
            if !self.turn() && !self.idle() {
                break;
            }
        }
    }

    pub(super) fn pool(&self) -> RefMut<'_, Pool> {
        RefMut::map(self.pool.borrow_mut(), |pool| {
            pool.as_mut().expect("a worker has its pool until the end")
        })
    }

    /// One step: resumes a ready stack, or starts a runner. `false`: there is nothing to do.
    #[inline(always)]
    pub(super) fn turn(&self) -> bool {
        self.take_inbox();
        self.take_yielded();
        self.give_spare();
        // A runner that finds nothing it may take resets nothing: then it is the ready stacks' turn again.
        if self.ready_run.get() < READY_RUN || !self.has_runnable() {
            let parker = self.ready.borrow_mut().pop_front();
            if let Some(parker) = parker {
                self.ready_run.set(self.ready_run.get() + 1);
                let stack = parker.local().stack.take();
                self.resume(stack.expect("a ready stack is suspended"), parker);
                return true;
            }
        }
        if self.has_runnable() && self.start_runner(0) {
            return true;
        }
        // What the others let go first may be gone to another worker since this looked, or there is no stack for it, which only
        // they can give back: they go on, and are not left behind when the worker goes to sleep.
        self.ready_run.set(0);
        let mut ready = self.ready.borrow_mut();
        ready.extend(
            self.yielded
                .borrow_mut()
                .drain(..)
                .map(|(_, parker)| parker),
        );
        self.yielded_due.set(u64::MAX);
        !ready.is_empty()
    }

    /// Those that have yielded and have let enough others go first are ready again.
    #[inline(always)]
    pub(super) fn take_yielded(&self) {
        if self.yielded.borrow().is_empty() {
            return;
        }
        let mut yielded = self.yielded.borrow_mut();
        while let Some((after, parker)) = yielded.front().copied() {
            if after > self.taken.get() && self.has_runnable() {
                break;
            }
            yielded.pop_front();
            self.ready(parker);
        }
        let due = yielded.front().map_or(u64::MAX, |(after, _)| *after);
        self.yielded_due.set(due);
    }

    /// A stack has yielded.
    pub(super) fn put_behind_the_others(&self, parker: &'static Parker) {
        #[cfg(feature = "testing")]
        if self.is_driven() {
            return self.driven_yielded(parker);
        }
        let waiting = self.shared.queue.len()
            + self.shared.mail_len.load(Ordering::Relaxed)
            + self.core.injector.len();
        if waiting == 0 || fault!("yield_to_nobody") {
            self.take_yielded();
            self.ready(parker);
        } else {
            self.lets_runnable_go_first();
            let after = self.taken.get() + waiting as u64;
            let mut yielded = self.yielded.borrow_mut();
            if yielded.is_empty() {
                self.yielded_due.set(after);
            }
            yielded.push_back((after, parker));
        }
    }

    pub(super) fn has_runnable(&self) -> bool {
        !self.shared.queue.is_empty() || self.shared.has_mail() || !self.core.injector.is_empty()
    }

    #[inline(always)]
    pub(super) fn take_inbox(&self) {
        if !self.shared.inbox.is_empty() {
            let mut ready = self.ready.borrow_mut();
            ready.extend(self.shared.inbox.take_all());
        }
    }

    /// Resumes an idle stack of at least `size` bytes (0: the default) as a runner. `false`: there is none to be had
    /// now.
    pub(super) fn start_runner(&self, size: usize) -> bool {
        match self.take_runner(size) {
            Ok((stack, parker)) => {
                self.resume(stack, parker);
                true
            }
            Err(limit) => {
                self.out_of_stacks(&limit);
                false
            }
        }
    }

    /// An idle stack of at least `size` bytes (0: the default), and its parker.
    #[inline]
    pub(super) fn take_runner(
        &self,
        size: usize,
    ) -> Result<(Stack, &'static Parker), LimitReached> {
        let mut stack = self.pool().take(size)?;
        self.count_stacks(1);
        // SAFETY: the only data attached to a stack here is its parker, and parkers are never freed.
        let parker = match unsafe { stack.data().cast::<Parker>().as_ref() } {
            Some(parker) => parker,
            None => self.adopt(&mut stack, size),
        };
        Ok((stack, parker))
    }

    #[cold]
    pub(super) fn adopt(&self, stack: &mut Stack, wanted: usize) -> &'static Parker {
        let parker = Parker::for_stack(Home::Worker(self.shared.clone()));
        let bounds = stack.bounds();
        parker.local().size.set(bounds.end - bounds.start);
        if wanted == 0 {
            self.default_size.set(bounds.end - bounds.start);
        }
        stack.set_data(ptr::from_ref(parker).cast_mut().cast());
        let mut stacks = self.stacks.borrow_mut();
        parker.local().index.set(stacks.len());
        stacks.push(parker);
        parker
    }

    #[cold]
    pub(super) fn out_of_stacks(&self, limit: &crate::stack::LimitReached) {
        tracing::warn!(target: "actor_core::scheduler", %limit, "no stack to run on");
        self.pool().trim_some(TRIM_PORTION);
        // Something suspended must end first. Wait for a wake-up, but not for ever: another worker may have given
        // memory back meanwhile.
        self.poll(Some(Duration::from_millis(1)));
    }

    #[inline(always)]
    pub(super) fn resume(&self, mut stack: Stack, parker: &'static Parker) {
        self.starts(parker.edge().task());
        let resumed = stack.resume();
        self.came_back(resumed, stack, parker);
        self.shared
            .running
            .store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// A stack that was resumed, by the root or in a call, is here again.
    #[inline(always)]
    pub(super) fn came_back(&self, resumed: Resumed, stack: Stack, parker: &'static Parker) {
        match resumed {
            Resumed::Suspended => match self.handoff.take() {
                Some(Handoff::Idle) => self.give(stack),
                Some(Handoff::Parked) => parker.local().stack.set(Some(stack)),
                Some(Handoff::Yielded) => {
                    parker.local().stack.set(Some(stack));
                    self.put_behind_the_others(parker);
                }
                Some(Handoff::Resize) => self.start_resized(stack),
                None => unreachable!("a stack of ours came back without saying why"),
            },
            // A stack ends only when the pool retires it, and then the pool resumes it.
            Resumed::Finished => unreachable!("a runner ended that was not told to"),
            Resumed::Overflowed => {
                // The parker stays with the abandoned frames for ever, as they may still be known to wakers.
                self.forget(parker);
                // Leaks it, and counts it as abandoned: before its task ends, so that who has seen that sees the count.
                drop(stack);
                self.count_stacks(-1);
                self.lost(parker);
            }
        }
    }

    /// A runner has popped what wants a stack of another size.
    #[cold]
    fn start_resized(&self, stack: Stack) {
        self.give(stack);
        let wants = self.first.take().expect("what is wanted is known");
        let size = wants.header().stack_size();
        self.first.set(Some(wants));
        if !self.start_runner(size)
            && let Some(runnable) = self.first.take()
        {
            self.push(runnable);
        }
    }

    /// A stack has been abandoned: what was on it ends, on the root.
    #[cold]
    fn lost(&self, parker: &'static Parker) {
        if park::on_stack().is_some() {
            // In a call. The root is due.
            if !fault!("call_forget_lost") {
                self.lost.borrow_mut().push(parker);
            }
            self.steps.set(DUTY_EVERY);
        } else {
            runner::overflowed(self, parker);
        }
    }

    /// Sees to the stacks that were abandoned in calls.
    pub(super) fn bury_lost(&self) {
        while let Some(parker) = { self.lost.borrow_mut().pop() } {
            runner::overflowed(self, parker);
        }
    }

    pub(super) fn count_stacks(&self, by: isize) {
        let count = &self.shared.stacks_in_use;
        let now = count.load(Ordering::Relaxed).wrapping_add_signed(by);
        count.store(now, Ordering::Relaxed);
    }

    pub(super) fn give(&self, stack: Stack) {
        self.count_stacks(-1);
        self.pool().give(stack);
    }

    /// Gives back the runner that was kept for calls.
    #[inline(always)]
    pub(super) fn give_spare(&self) {
        if let Some((stack, _)) = self.spare.take() {
            self.give(stack);
        }
    }

    pub(super) fn forget(&self, parker: &'static Parker) {
        let mut stacks = self.stacks.borrow_mut();
        let index = parker.local().index.get();
        stacks.swap_remove(index);
        if let Some(moved) = stacks.get(index) {
            moved.local().index.set(index);
        }
    }

    /// The runtime is ending: tells everything here to end, once. `false`: the worker shall leave what has not.
    #[cold]
    pub(super) fn go_on_while_stopping(&self) -> bool {
        if !self.killed_all.replace(true) {
            self.kill_all();
        }
        !self.core.is_abandoned()
    }

    /// Tells everything that is suspended here to end.
    pub(super) fn kill_all(&self) {
        for parker in self.stacks.borrow().iter() {
            // SAFETY: while a task is on the stack its frames hold a reference; else the pointer is null.
            if let Some(task) = unsafe { parker.edge().task().as_ref() } {
                task.kill();
            }
        }
    }

    pub(super) fn has_live_stack(&self) -> bool {
        let live = |parker: &&'static Parker| !parker.edge().task().is_null();
        self.stacks.borrow().iter().any(live)
    }

    /// Ends the worker: idle stacks are retired, and what could not be ended is named and leaked.
    pub(super) fn end(&self) {
        self.give_spare();
        while let Some(runnable) = pop_own(self).or_else(|| self.shared.pop_mail()) {
            drop(runnable);
        }
        let mut leaked = Vec::new();
        for parker in self.stacks.borrow().iter() {
            // SAFETY: as in `kill_all`.
            if let Some(task) = unsafe { parker.edge().task().as_ref() } {
                leaked.push(task.who().to_string());
                // Leaks it, and counts it: unwinding code that did not end when told to is not tried again.
                drop(parker.local().stack.take());
            }
        }
        *self
            .shared
            .leaked
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = leaked;
    }
}

fn pop_own(worker: &Worker) -> Option<Runnable> {
    // SAFETY: on the owner's thread.
    unsafe { worker.shared.queue.pop() }
}

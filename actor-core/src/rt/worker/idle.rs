//! What the root does beside running stacks: descriptors and timers, stealing, sleep, giving memory back.

use std::hint::spin_loop;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::rt::alarm::Alarm;
use crate::rt::patience::PATIENCE;
use crate::rt::spin;
use crate::sys::seam::Choice;

use super::{
    DUTY_EVERY, STARVED, STEAL_MAX, STEP, TRIM_AFTER, TRIM_AT_LATEST, TRIM_PORTION, Worker,
};

/// What came of looking at what others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theft {
    Done,
    /// There is something, but so far its owner seems about to run it. To be looked at again soon.
    Early,
    Nothing,
}

impl Worker {
    /// What the root does now and then while there is work: descriptors, timers, shared queues.
    pub(super) fn duties(&self) {
        self.bury_lost();
        self.poll(Some(Duration::ZERO));
        // A share of what nobody owns, lest it waits until this worker's own queue is empty.
        let share = self.core.injector.len().div_ceil(self.core.config.workers);
        for _ in 0..share.min((DUTY_EVERY / STEP) as usize) {
            let Some(runnable) = self.core.injector.pop() else {
                break;
            };
            self.push(runnable);
        }
        if let Some(runnable) = self.shared.pop_mail() {
            self.push(runnable);
        }
        // SAFETY: on the owner's thread.
        unsafe { self.shared.queue.trim() };
    }

    /// Looks at descriptors, waiting at most `timeout` for one, and at timers. Whether anything became ready.
    pub(super) fn poll(&self, timeout: Option<Duration>) -> bool {
        if self.shared.closed_any.load(Ordering::Relaxed)
            && self.shared.closed_any.swap(false, Ordering::Acquire)
        {
            let mut closed = self
                .shared
                .closed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.reap_closed(std::mem::take(&mut closed));
        }
        if self.shared.withdrawn_any.load(Ordering::Relaxed)
            && self.shared.withdrawn_any.swap(false, Ordering::Acquire)
        {
            let mut withdrawn =
                (self.shared.withdrawn.lock()).unwrap_or_else(PoisonError::into_inner);
            let keys = std::mem::take(&mut *withdrawn);
            drop(withdrawn);
            keys.into_iter().for_each(|key| self.cancel_alarm(key));
        }
        let mut any = self.read_events(timeout);
        if !self.timers.borrow().is_empty() {
            let now = self.core.seam.clock().now();
            // Collected first: firing a timer must not find the wheel borrowed.
            let mut due = Vec::new();
            self.timers
                .borrow_mut()
                .expire(now, |alarm| due.push(alarm));
            any |= !due.is_empty();
            due.into_iter().for_each(Alarm::go_off);
        }
        any
    }

    /// Nothing to do here: look further, then sleep. `false`: the worker shall end.
    pub(super) fn idle(&self) -> bool {
        if self.poll(Some(Duration::ZERO)) {
            return true;
        }
        if self.core.is_stopping() {
            let first = !self.killed_all.get();
            if !self.go_on_while_stopping() {
                return false;
            }
            if first {
                return true;
            }
            if !self.has_live_stack() {
                return false;
            }
        }
        let found = match self.steal() {
            Theft::Done => true,
            Theft::Early => self.look_longer(),
            Theft::Nothing => self.spin.pays() && self.look_longer(),
        };
        if found {
            return true;
        }
        // Once it has said that it sleeps, a worker runs nothing before `work_begins`: not left in between.
        loop {
            let trim = self.trim_wait();
            // There was no stack for it. Nobody says when memory is given back elsewhere.
            let starved = !self.shared.queue.is_empty();
            let longest = match starved {
                true => Some(trim.map_or(STARVED, |trim| trim.min(STARVED))),
                false => trim,
            };
            let nothing = match longest {
                Some(Duration::ZERO) => true,
                _ => self.sleep(longest),
            };
            if !nothing || starved || (trim.is_some() && self.trim()) {
                self.core.monitor.work_begins();
                return true;
            }
        }
    }

    /// Looks for something to do for as long as [`spin`](super::spin) says. `true`: there is something.
    pub(super) fn look_longer(&self) -> bool {
        /// Looks at memory for each look at the descriptors, which is a system call.
        const GLANCES: u32 = 8;
        /// How often to look at what others have: each time takes from its owner's core the line where that is written, which
        /// costs the owner 100 to 250 ns.
        const OTHERS_EVERY: Duration = PATIENCE.checked_div(4).expect("4 is not 0");
        let clock = self.core.seam.clock();
        let begun = clock.now();
        let (mut at_others, end) = (begun + OTHERS_EVERY, begun + spin::LOOK);
        let found = loop {
            let mut glances = 0..GLANCES;
            let news = glances.any(|_| {
                spin_loop();
                self.has_news()
            });
            if news || self.poll(Some(Duration::ZERO)) {
                break true;
            }
            let now = clock.now();
            if now >= at_others {
                if self.steal() == Theft::Done {
                    break true;
                }
                at_others = now + OTHERS_EVERY;
            }
            if now >= end {
                break false;
            }
        };
        self.spin.looked(found);
        found
    }

    /// Sleeps until there is something to do, at most until the next timer or for `longest`. `true`: nothing has come.
    pub(super) fn sleep(&self, longest: Option<Duration>) -> bool {
        let timer = self.timers.borrow_mut().next_deadline();
        self.shared.sleep.begin(); // step 1
        self.core.sleepers.fetch_add(1, Ordering::Relaxed);
        let mut nothing = false;
        // step 2
        if !self.has_news() {
            let clock = self.core.seam.clock();
            let begun = clock.now();
            let timer = timer.map(|t| t.saturating_duration_since(begun));
            let timeout = match (timer, longest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            nothing = !self.poll(timeout); // step 3
            self.spin.slept(clock.now() - begun);
        }
        self.core.sleepers.fetch_sub(1, Ordering::Relaxed);
        let nudged = self.shared.sleep.end(); // step 4
        nothing && !nudged && longest.is_some() && !self.has_news()
    }

    /// How long to sleep before giving memory back. `None`: there is none to give.
    pub(super) fn trim_wait(&self) -> Option<Duration> {
        if !self.pool().wants_trim() {
            self.trim_due.set(None);
            return None;
        }
        let now = self.core.seam.clock().now();
        let due = self.trim_due.get().unwrap_or(now + TRIM_AT_LATEST);
        self.trim_due.set(Some(due));
        Some(TRIM_AFTER.min(due.saturating_duration_since(now)))
    }

    /// Gives memory back, in portions: a big burst takes long, and work may come meanwhile. `true`: it has, and the rest
    /// is left for the next time.
    pub(super) fn trim(&self) -> bool {
        while self.pool().trim_some(TRIM_PORTION) {
            if self.has_news() || self.poll(Some(Duration::ZERO)) {
                return true;
            }
        }
        self.trim_due.set(None);
        self.core.about_to_sleep(self.shared.index);
        false
    }

    /// Step 2 of going to sleep.
    pub(super) fn has_news(&self) -> bool {
        !self.shared.inbox.is_empty()
            || self.shared.has_mail()
            || !self.core.injector.is_empty()
            || (self.core.is_stopping() && !self.killed_all.get())
            || self.core.is_abandoned()
    }

    /// Takes ready work from others, if it is worth that.
    pub(super) fn steal(&self) -> Theft {
        let mut theft = Theft::Nothing;
        let count = self.core.worker_count();
        let start = self.seam.choose(Choice::Victim, count);
        let mut loot = self.loot.borrow_mut();
        let mut thief = self.thief.borrow_mut();
        let (now, own) = (self.core.seam.clock().now(), self.shared.progress());
        thief.looks(now, own);
        let others = self.core.workers().skip(start);
        for victim in others.chain(self.core.workers().take(start)) {
            if self.is(victim) {
                continue;
            }
            let waiting = victim.queue.waiting();
            if thief.is_worth_taking(now, victim.index, waiting, || victim.progress()) {
                let theirs = victim.progress();
                let taken = victim.queue.steal(STEAL_MAX, &mut loot);
                if taken.is_ok_and(|taken| taken > 0) {
                    thief.takes(now, victim.index, own, theirs);
                }
            }
            if waiting.len > 0 && thief.patience() <= spin::LOOK {
                theft = Theft::Early;
            }
            // Mail is there to spread stacks: to take back what has just been assigned would undo that.
            if loot.is_empty()
                && self.shared.load() < victim.load()
                && let Some(runnable) = victim.pop_mail()
            {
                loot.push(runnable);
            }
            if !loot.is_empty() {
                loot.drain(..).for_each(|runnable| self.push(runnable));
                return Theft::Done;
            }
        }
        theft
    }
}

//! The root of a driven worker: one thread, virtual time, and every step a choice of somebody else's.
//!
//! A driven runtime (`Seam::is_driven`) has one worker, no spare ones and no monitor. What its worker does next is decided
//! by the runtime's [`Conductor`], out of everything that could go on:
//!
//! ```text
//!   1  collect: woken stacks, stacks that gave way and queued runnables become *candidates*, in that order of arrival
//!   2  a timer is due and there are candidates?   Choice::Deadline: one of them (0), or the timer (1). The timer, if all of them
//!      gave way: one of them may be polling for what it brings
//!   3  the timer's turn: of those due at the same instant, Choice::Timer says which fires; its stack becomes a candidate
//!   4  a candidate's turn: the conductor names it; it runs until it parks, gives way or ends; from 1
//!   5  no candidate, no timer due: the clock jumps to the next deadline; from 2
//!   6  nor any deadline: a *deadlock*, unless the run is over. The conductor is told who waits, and the runtime stops
//! ```
//! Runners come back to the root after each runnable, as `steps` is kept where it asks for the root's duties. So step 4 runs
//! one activation (of one message: see `life`), or one microthread up to its first wait.
//!
//! A stack that gave way goes behind all other candidates; one that was switched away from at a switch point
//! ([`switch_point`](crate::rt::park::switch_point)) goes before them. Hence whoever always takes the first candidate runs
//! the program fairly, with as few switches as there can be.
//!
//! # Faults
//! Before a candidate runs the conductor may have it killed, made to panic, or held back for a while. A kill is the ordinary
//! one. A panic has a flag of its own in the header, and is raised where a kill would be; a kill that comes too is pending after
//! that. Both are raised at a suspension point or, in an actor, at the beginning of a handler
//! ([`fault_point`](crate::rt::park::fault_point)); in code that reaches neither, not at all.
//!
//! # Seeded faults
//! | fault                | what it breaks                                           | caught by                                          |
//! |----------------------|----------------------------------------------------------|----------------------------------------------------|
//! | `driven_timers_last` | step 2: the timer waits until nothing else is ready      | `a_wake_up_and_its_deadline_come_in_either_order`  |
//! | `driven_timers_tie`  | step 3: the first of several timers due fires            | `timers_due_together_fire_in_any_order`            |
//! | `driven_yield_first` | one that gives way goes before the others                | `the_first_candidate_always_is_a_fair_schedule`    |
//! | `driven_switch_last` | one that is switched away from goes behind the others    | `the_first_candidate_always_switches_where_it_must` |
//! | `driven_no_kill`     | a fault is noted, but not raised                         | `a_fault_is_raised_where_its_target_waits`         |

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::observe::Who;
use crate::rt::header::{FAULT, Header, KILLED, PANICS, Runnable};
use crate::rt::park::Parker;
use crate::sys::fault::fault;
use crate::sys::seam::Choice;

use super::{DUTY_EVERY, Handoff, Worker};

#[cfg(all(test, not(loom)))]
mod tests;

/// The message of a panic that was chosen by the conductor.
pub(crate) const INJECTED: &str = "a fault injected by the seeded scheduler";

/// A worker that is stopping and waits for what cannot be made to end looks again after so long.
const LINGER: Duration = Duration::from_millis(5);

/// Something that could run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The id of the actor or microthread.
    pub(crate) id: u64,
    /// It gave way by itself when it last ran.
    pub(crate) yielded: bool,
}

/// What is to be done with the candidate that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Run,
    /// It runs, killed.
    Kill,
    /// It runs, and panics.
    Panic,
    /// It does not run before so much virtual time has passed.
    Hold(Duration),
}

/// Decides over the steps of a driven runtime, and is told what becomes of them. Called on the worker's thread.
pub(crate) trait Conductor: Send + Sync {
    /// Which of the candidates (at least one) is to run. `None`: the run has taken too long; everything is to end.
    fn next(&self, candidates: &[Candidate]) -> Option<usize>;
    /// `who` is about to run.
    fn before(&self, who: &Who) -> Verdict;
    /// The deadline of a wait of `who` has passed.
    fn fired(&self, who: Option<Who>);
    /// Nothing was ready; the clock has jumped by so much.
    fn advanced(&self, by: Duration);
    /// Nothing is ready, and nothing will be; these wait.
    fn deadlock(&self, waiting: Vec<Who>);
    /// Whether the run is over, and what is left is to come to its end.
    fn is_over(&self) -> bool;
    /// Whether sends and spawns are switch points.
    fn switches_everywhere(&self) -> bool;
}

enum Ready {
    Stack(&'static Parker),
    Runnable(Runnable),
}

impl Ready {
    fn header(&self) -> Option<&Header> {
        match self {
            // SAFETY: what is on a stack keeps its header alive, and stacks are looked at on their own thread.
            Ready::Stack(parker) => unsafe { parker.edge().task().as_ref() },
            Ready::Runnable(runnable) => Some(runnable.header()),
        }
    }
}

struct Waiting {
    ready: Ready,
    yielded: bool,
}

impl Waiting {
    fn candidate(&self) -> Candidate {
        Candidate {
            id: self.ready.header().map_or(0, Header::id),
            yielded: self.yielded,
        }
    }
}

/// A driven worker's part of the state.
#[derive(Default)]
pub(super) struct Driven {
    candidates: RefCell<VecDeque<Waiting>>,
    /// Held back until then.
    held: RefCell<Vec<(Instant, Waiting)>>,
    /// The stack that comes back now does so from a switch point.
    switched: Cell<bool>,
}

thread_local! {
    /// This is a driven worker's thread: all that other threads pay for the feature is a look at this.
    static DRIVEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is a driven worker's.
#[inline]
pub(crate) fn is_driven_here() -> bool {
    DRIVEN.get()
}

impl Worker {
    /// Whether a conductor decides what this worker does.
    pub(crate) fn is_driven(&self) -> bool {
        self.core.seam.is_driven()
    }

    /// Whether the code on the stack of `parker`, which is one of this worker's own, may be switched away from anywhere.
    pub(crate) fn switches_away(&self, parker: &Parker) -> bool {
        let stacks = self.stacks.borrow();
        let own = stacks.get(parker.local().index.get());
        own.is_some_and(|it| std::ptr::eq(*it, parker))
            && !self.core.is_stopping()
            && (self.core.conductor.get()).is_some_and(|it| it.switches_everywhere())
    }

    /// As `suspend_yielded`, for code that could as well go on.
    pub(crate) fn suspend_switched(&self) {
        self.driven.switched.set(true);
        self.handoff.set(Some(Handoff::Yielded));
        crate::stack::suspend();
    }

    /// Moves the clock on to `time`.
    pub(crate) fn skip_to(&self, time: Instant) {
        let clock = self.core.seam.clock();
        let before = clock.now();
        let hands = clock.as_virtual().expect("a driven runtime's clock");
        hands.advance_to(time);
        if let Some(conductor) = self.core.conductor.get() {
            conductor.advanced(time.saturating_duration_since(before));
        }
    }

    /// The stack of `parker` has given way.
    pub(super) fn driven_yielded(&self, parker: &'static Parker) {
        let yielded = !self.driven.switched.replace(false);
        // What became ready while it ran comes before it.
        self.collect();
        let waiting = Waiting {
            ready: Ready::Stack(parker),
            yielded,
        };
        let mut candidates = self.driven.candidates.borrow_mut();
        let back = match yielded {
            true => !fault!("driven_yield_first"),
            false => fault!("driven_switch_last"),
        };
        if back {
            candidates.push_back(waiting);
        } else {
            candidates.push_front(waiting);
        }
    }

    pub(super) fn run_driven(&self) {
        DRIVEN.set(true);
        // The conductor is known before the first runnable comes.
        while self.core.injector.is_empty() && !self.core.is_stopping() {
            self.sleep(None);
        }
        while self.driven_step() {}
        self.driven.candidates.take();
        self.driven.held.take();
    }

    /// One step; see the module. `false`: the worker shall end.
    fn driven_step(&self) -> bool {
        let clock = self.core.seam.clock();
        self.collect(); // step 1
        if self.core.is_stopping() && !self.go_on_while_stopping() {
            return false;
        }
        let (ready, eager) = {
            let candidates = self.driven.candidates.borrow();
            (
                !candidates.is_empty(),
                candidates.iter().any(|it| !it.yielded),
            )
        };
        let due = self.timers.borrow_mut().is_due(clock.now());
        let timer_goes = || match fault!("driven_timers_last") {
            true => !ready,
            false => !eager || self.seam.choose(Choice::Deadline, 2) == 1,
        };
        if due && timer_goes() {
            self.fire_one(); // step 3
            return true;
        }
        if ready {
            self.run_one(); // step 4
            return true;
        }
        let timer = self.timers.borrow_mut().next_deadline();
        let held = self.driven.held.borrow().iter().map(|(at, _)| *at).min();
        if let Some(next) = [timer, held].into_iter().flatten().min() {
            self.skip_to(next); // step 5
            return true;
        }
        if self.core.is_stopping() {
            if !self.has_live_stack() {
                return false;
            }
            self.poll(Some(LINGER));
        } else if let Some(conductor) = self.core.conductor.get()
            && !conductor.is_over()
        {
            conductor.deadlock(self.who_waits()); // step 6
            self.core.stop();
        } else {
            self.sleep(None);
        }
        true
    }

    /// What has become ready joins the candidates.
    fn collect(&self) {
        self.take_inbox();
        let mut candidates = self.driven.candidates.borrow_mut();
        let mut add = |ready| {
            candidates.push_back(Waiting {
                ready,
                yielded: false,
            });
        };
        self.ready
            .borrow_mut()
            .drain(..)
            .for_each(|parker| add(Ready::Stack(parker)));
        // SAFETY: on the owner's thread.
        while let Some(runnable) = unsafe { self.shared.queue.pop() }
            .or_else(|| self.shared.pop_mail())
            .or_else(|| self.core.injector.pop())
        {
            add(Ready::Runnable(runnable));
        }
        let mut held = self.driven.held.borrow_mut();
        if !held.is_empty() {
            let now = self.core.seam.clock().now();
            let stopping = self.core.is_stopping();
            let due = held.extract_if(.., |(at, _)| *at <= now || stopping);
            candidates.extend(due.map(|(_, waiting)| waiting));
        }
    }

    fn fire_one(&self) {
        let now = self.core.seam.clock().now();
        let fired = {
            let mut timers = self.timers.borrow_mut();
            timers.expire_one(now, |n| match fault!("driven_timers_tie") {
                true => 0,
                false => self.seam.choose(Choice::Timer, n),
            })
        };
        let Some(alarm) = fired else { return };
        if let Some(conductor) = self.core.conductor.get() {
            conductor.fired(alarm.header().map(Header::who));
        }
        alarm.go_off();
    }

    fn run_one(&self) {
        let chosen = {
            let candidates = self.driven.candidates.borrow();
            let list: Vec<_> = candidates.iter().map(Waiting::candidate).collect();
            match self.core.conductor.get() {
                Some(conductor) => conductor.next(&list),
                None => Some(0),
            }
        };
        let Some(chosen) = chosen else {
            return self.core.stop();
        };
        let waiting = self.driven.candidates.borrow_mut().remove(chosen);
        let waiting = waiting.expect("the conductor names a candidate");
        let verdict = match (waiting.ready.header(), self.core.conductor.get()) {
            (Some(header), Some(conductor)) => conductor.before(&header.who()),
            _ => Verdict::Run,
        };
        match verdict {
            Verdict::Run => {}
            Verdict::Hold(by) => {
                let until = self.core.seam.clock().now() + by;
                return self.driven.held.borrow_mut().push((until, waiting));
            }
            Verdict::Kill | Verdict::Panic => {
                if let Some(header) = waiting.ready.header()
                    && !fault!("driven_no_kill")
                {
                    let how = match verdict {
                        Verdict::Panic => PANICS,
                        _ => KILLED,
                    };
                    // It is ready, so there is nobody to wake.
                    header.set(how | FAULT);
                }
            }
        }
        // A runner that has run one comes back.
        self.steps.set(DUTY_EVERY);
        match waiting.ready {
            Ready::Stack(parker) => {
                let stack = parker.local().stack.take();
                self.resume(stack.expect("a ready stack is suspended"), parker);
            }
            Ready::Runnable(runnable) => {
                self.first.set(Some(runnable));
                if !self.start_runner(0)
                    && let Some(runnable) = self.first.take()
                {
                    self.push(runnable);
                }
            }
        }
    }

    /// Those that have a stack and are not ready, in the order of their ids.
    fn who_waits(&self) -> Vec<Who> {
        let stacks = self.stacks.borrow();
        let waiting = stacks.iter().filter_map(|parker| {
            let ready = Ready::Stack(parker);
            ready.header().map(Header::who)
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|who| who.id);
        waiting
    }
}

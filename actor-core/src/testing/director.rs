//! What stands behind a seeded run: makes its choices, keeps its trace, and knows when it is over.
//!
//! One for each run. The worker's thread calls it at each step (`rt::worker::driven`), the test's thread only waits for its end.
//! A run is *over* when its body has returned or something has failed: from then on nothing is recorded and the first candidate
//! is always taken, while what is left is stopped, or killed and unwound.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::observe::{Event, Who};
use crate::rt::error::panic_message;
use crate::rt::park::Killed;
use crate::rt::worker::{Candidate, Conductor, Verdict};
use crate::sys::clock::Clock;
use crate::sys::seam::{Choice, Driver};

use super::failure::Reason;
use super::faults::{Armed, Fault};
use super::policy::Decider;
use super::trace::{Happening, Trace};

/// See the [module](self).
pub(super) struct Director {
    state: Mutex<State>,
    clock: Clock,
    max_steps: u64,
    switch_points: bool,
    over: AtomicBool,
    /// Counts calls of the worker, for the thread that watches it.
    progress: AtomicU64,
    ended: Condvar,
}

struct State {
    decider: Decider,
    faults: Armed,
    trace: Trace,
    events: Option<Receiver<Event>>,
    reason: Option<Reason>,
    /// Steps since the run is over.
    after: u64,
    /// Nothing of the body is left.
    ended: bool,
}

impl fmt::Debug for Director {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Director")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) reason: Option<Reason>,
    pub(super) trace: Trace,
    pub(super) decider: Decider,
}

fn name(choice: Choice) -> &'static str {
    match choice {
        Choice::Next => "next",
        Choice::Timer => "timer",
        Choice::Deadline => "deadline",
        Choice::Select => "select",
        Choice::Victim => "victim",
    }
}

impl Director {
    pub(super) fn new(
        decider: Decider,
        faults: Armed,
        clock: Clock,
        max_steps: u64,
        switch_points: bool,
    ) -> Arc<Self> {
        Arc::new(Director {
            state: Mutex::new(State {
                decider,
                faults,
                trace: Trace::default(),
                events: None,
                reason: None,
                after: 0,
                ended: false,
            }),
            clock,
            max_steps,
            switch_points,
            over: AtomicBool::new(false),
            progress: AtomicU64::new(0),
            ended: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self) -> Duration {
        self.clock
            .as_virtual()
            .map_or(Duration::ZERO, |c| c.elapsed())
    }

    /// The events of the system to record.
    pub(super) fn listen(&self, events: Receiver<Event>) {
        self.state().events = Some(events);
    }

    fn is_recording(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn record(&self, state: &mut State, what: Happening) {
        if self.is_recording() {
            self.take_events(state);
            state.trace.add(self.at(), what);
        }
    }

    fn take_events(&self, state: &mut State) {
        let at = self.at();
        if let Some(events) = &state.events {
            for event in events.try_iter() {
                state.trace.add(at, Happening::Event(event));
            }
        }
    }

    /// The run is over. The first reason stands.
    pub(super) fn close(&self, reason: Option<Reason>) {
        let mut state = self.state();
        if self.is_recording() {
            self.take_events(&mut state);
            state.events = None;
            state.reason = reason;
            self.over.store(true, Ordering::Relaxed);
        }
    }

    /// The body has returned, or unwound.
    pub(super) fn body_ended(&self, result: Result<(), Box<dyn Any + Send>>) {
        let reason = result.err().map(|payload| Reason::Panic {
            message: if payload.is::<Killed>() {
                "the body of the test was killed".into()
            } else {
                panic_message(&*payload).into()
            },
        });
        self.close(reason);
    }

    /// Nothing of the body is left, and its actors have ended.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.ended.notify_all();
    }

    /// Waits for the end; no longer than `limit` without a step. `false`: so long there was none.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        const LOOK: Duration = Duration::from_millis(50);
        let (mut seen, mut since) = (self.progress.load(Ordering::Relaxed), Instant::now());
        let mut state = self.state();
        while !state.ended {
            state = match self.ended.wait_timeout(state, LOOK) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            let now = self.progress.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() >= limit && !state.ended {
                return false;
            }
        }
        true
    }

    pub(super) fn outcome(&self) -> Outcome {
        let state = self.state();
        Outcome {
            reason: state.reason.clone(),
            trace: state.trace.clone(),
            decider: state.decider.clone(),
        }
    }

    fn step(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// A director in a seam.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<Director>);

impl Driver for Handle {
    fn choose(&self, choice: Choice, n: usize) -> usize {
        let director = &*self.0;
        if !director.is_recording() {
            return 0;
        }
        let mut state = director.state();
        let taken = state.decider.choose(n);
        let what = name(choice);
        director.record(&mut state, Happening::Chose { what, taken, of: n });
        taken
    }
}

impl Conductor for Director {
    fn next(&self, candidates: &[Candidate]) -> Option<usize> {
        let mut state = self.state();
        if !self.is_recording() {
            // What is left may have no end of its own.
            state.after += 1;
            let goes_on = state.after <= self.max_steps;
            drop(state);
            if goes_on {
                self.step();
            }
            return goes_on.then_some(0);
        }
        self.step();
        // They are of the step before.
        self.take_events(&mut state);
        state.trace.steps += 1;
        if state.trace.steps > self.max_steps {
            drop(state);
            self.close(Some(Reason::StepLimit {
                limit: self.max_steps,
            }));
            return None;
        }
        let (taken, of) = (state.decider.next(candidates), candidates.len());
        if of > 1 {
            let what = name(Choice::Next);
            self.record(&mut state, Happening::Chose { what, taken, of });
        }
        Some(taken)
    }

    fn before(&self, who: &Who) -> Verdict {
        if !self.is_recording() {
            return Verdict::Run;
        }
        let mut state = self.state();
        let step = state.trace.steps;
        let fault = state.faults.strike(who, step);
        if let Some(fault) = fault {
            let target = (!matches!(fault, Fault::ClockJump(_))).then(|| who.clone());
            self.record(&mut state, Happening::Injected(fault, target));
            if let (Fault::ClockJump(by), Some(hands)) = (fault, self.clock.as_virtual()) {
                hands.advance(by);
            }
        }
        let verdict = fault.map_or(Verdict::Run, Fault::verdict);
        if !matches!(verdict, Verdict::Hold(_)) {
            self.record(&mut state, Happening::Ran(who.clone()));
        }
        verdict
    }

    fn fired(&self, who: Option<Who>) {
        self.step();
        self.record(&mut self.state(), Happening::TimedOut(who));
    }

    fn advanced(&self, by: Duration) {
        self.step();
        self.record(&mut self.state(), Happening::Advanced(by));
    }

    fn deadlock(&self, waiting: Vec<Who>) {
        self.close(Some(Reason::Deadlock { waiting }));
    }

    fn is_over(&self) -> bool {
        !self.is_recording()
    }

    fn switches_everywhere(&self) -> bool {
        self.switch_points && self.is_recording()
    }
}

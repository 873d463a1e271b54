//! How a system ends: in phases.
//!
//! # Steps
//! 1. Each phase runs its *hooks*: each in a microthread of its own, so that they may wait and ask actors, all at once.
//!    What has not returned by the phase's deadline is overdue and killed; nobody waits for it any more.
//! 2. In [`Phase::StopActors`], after its hooks, the actors that nobody supervises are asked to stop, all at once. Then the
//!    trees (supervisors that have none) stop one after another, the one started last first; inside a tree its supervisors
//!    keep to their own order. Then all are waited for, and so are those that were started meanwhile.
//! 3. After the last phase the runtime ends: what is left is killed, and what does not unwind by the deadline is leaked.
//!
//! # Deadlines
//! A phase takes at most half of the time that is left when it begins, so that there is some for those behind it, and at most
//! its own limit, if it has one. A phase with nothing to do takes none.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::actor::Host;
use crate::rt::report::{Phase, PhaseReport};
use crate::rt::task;

type Body = Box<dyn FnOnce(Duration) + Send>;

/// What a system does when it ends, beyond stopping its actors.
#[derive(Default)]
pub(crate) struct Hooks(Mutex<Registered>);

#[derive(Default)]
struct Registered {
    hooks: [Vec<(Arc<str>, Body)>; Phase::ALL.len()],
    limits: [Option<Duration>; Phase::ALL.len()],
}

impl Hooks {
    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, phase: Phase, name: Arc<str>, body: Body) {
        self.lock().hooks[phase.index()].push((name, body));
    }

    pub(super) fn limit(&self, phase: Phase, limit: Duration) {
        self.lock().limits[phase.index()] = Some(limit);
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registered = self.lock();
        let counts = registered.hooks.each_ref().map(Vec::len);
        f.debug_struct("Hooks")
            .field("registered", &counts)
            .field("limits", &registered.limits)
            .finish()
    }
}

/// Runs all phases, within `total`. Not on one of the system's own threads.
pub(super) fn run(host: &Arc<Host>, total: Duration) -> Vec<PhaseReport> {
    let clock = || host.core.seam.clock().now();
    let start = clock();
    let phases = Phase::ALL.map(|phase| {
        let mut report = PhaseReport::new(phase);
        let (hooks, limit) = {
            let mut registered = host.hooks.lock();
            let index = phase.index();
            let hooks = std::mem::take(&mut registered.hooks[index]);
            (hooks, registered.limits[index])
        };
        let began = clock();
        let left = total.saturating_sub(began - start) / 2;
        let within = limit.map_or(left, |limit| limit.min(left));
        // Beyond the end of time there is no deadline; a year is as good.
        let deadline = began.checked_add(within);
        let deadline = deadline.unwrap_or(began + Duration::from_secs(365 * 24 * 3600));
        run_hooks(host, hooks, deadline, within, &mut report); // step 1
        if phase == Phase::StopActors {
            report.overdue.extend(host.stop_all(deadline)); // step 2
            report.killed.extend(host.living());
        }
        report.took = clock() - began;
        report
    });
    phases.into()
}

fn run_hooks(
    host: &Arc<Host>,
    hooks: Vec<(Arc<str>, Body)>,
    deadline: Instant,
    within: Duration,
    report: &mut PhaseReport,
) {
    let started = hooks.into_iter().map(|(name, body)| {
        let options = task::Options {
            name: Some(name.clone()),
            ..task::Options::default()
        };
        (name, task::spawn(&host.core, options, move || body(within)))
    });
    let started: Vec<_> = started.collect();
    for (name, handle) in started {
        let name = name.to_string();
        let handle = match handle {
            Ok(handle) => handle,
            Err(error) => {
                report.failed.push((name, error.to_string()));
                continue;
            }
        };
        let left = deadline.saturating_duration_since(host.core.seam.clock().now());
        match handle.join_timeout(left) {
            Ok(Ok(())) => report.done.push(name),
            Ok(Err(error)) => report.failed.push((name, error.to_string())),
            Err(handle) => {
                handle.kill();
                report.overdue.push(name.clone());
                report.killed.push(name);
            }
        }
    }
}

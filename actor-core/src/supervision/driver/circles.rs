//! How a supervisor finds that it waits in a circle, and gets out of it.
//!
//! What such circles are, and why one that would last is found: `actor::waits`, of which the numbers P1 to P3 are. What the
//! supervisor waits for is a [`Step`] of the child's (the deciding half says which, in `awaited`): its start, or its end if it may
//! take as long as it likes. Of children that are stopped all at once it is the end of one of them, and when that has ended, of another: the others
//! end by themselves, or their turn comes.
//!
//! # Steps
//! 1. What is in the mailbox is taken first. So calls are in line before they are looked for, and who has begun to do something
//!    is not in a wait.
//! 2. The edge is published (P1), and walked from (P2, P3).
//! 3. If the walk comes back, the supervisor looks for the wait in the circle that leads to it among its callers. There is one at
//!    most, as each actor waits for one thing. The call fails, with the path; if it is in the line, it is taken out of it. What
//!    has been begun goes on: its child may end only now that the caller does not wait for it any more.
//! 4. If it is none of the callers (one that joins the supervisor, or is starting it), the child is killed. A start has failed
//!    then, for the path.
//! 5. It waits for a message, and the edge ends with that.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `driver_skip_walk` | no P2 and P3 | `a_step_that_closes_a_circle_fails_the_call` (does not end) |
//! | `driver_keep_in_line` | a call that has failed stays in the line | `what_is_refused_in_line_changes_nothing` |
//! | `driver_kill_first` | the child is killed though there is a call to fail | `a_step_that_closes_a_circle_fails_the_call` |

#[cfg(all(test, not(loom)))]
mod tests;

use super::{Caller, Driver, answer};
use crate::actor::{ExitReason, Inbox, Port, Step, TryRecvError, WaitCycle, breaks_circle_of};
use crate::supervision::decide::{Awaits, ChildKey, Incarnation, Input};
use crate::supervision::error::ChildError;
use crate::supervision::msg::Msg;
use crate::supervision::roster::Ticket;
use crate::sys::fault::fault;

/// What the supervisor waits for.
pub(super) struct Waits {
    of: (ChildKey, Incarnation, Awaits),
    /// `None` once it is over.
    step: Option<Step>,
}

impl Driver {
    /// Waits for the next message, as long as there is nothing else to do.
    pub(super) fn next(&mut self, inbox: &Inbox<Self>) -> Result<(Msg, Port), TryRecvError> {
        loop {
            let Some(of) = self.decider.awaited() else {
                self.waits = None;
                return inbox.next(self.next_due());
            };
            match inbox.try_next() {
                Err(TryRecvError::Empty) => {} // step 1
                next => return next,
            }
            let waiting = self.step(of).and_then(Step::begin); // step 2
            let circle = waiting
                .as_ref()
                .and_then(|it| match fault!("driver_skip_walk") {
                    true => None,
                    false => it.circle(),
                });
            let Some(path) = circle else {
                return inbox.next(self.next_due()); // step 5
            };
            // While the edge is there.
            let caller = match fault!("driver_kill_first") {
                true => None,
                false => self.site().roster.find_caller(breaks_circle_of),
            };
            drop(waiting);
            match caller {
                Some((ticket, port, path)) => self.turn_away(ticket, port, path), // step 3
                None => {
                    let (child, incarnation, _) = of;
                    let reason = ExitReason::failed(path);
                    self.feed(Input::Endless {
                        child,
                        incarnation,
                        reason,
                    }); // step 4
                }
            }
        }
    }

    fn step(&mut self, of: (ChildKey, Incarnation, Awaits)) -> Option<&mut Step> {
        if self.waits.as_ref().is_none_or(|it| it.of != of) {
            let (child, _, awaits) = of;
            let child = self.children.get(&child);
            let step = child.and_then(|it| it.step(awaits));
            self.waits = Some(Waits { of, step });
        }
        self.waits.as_mut()?.step.as_mut()
    }

    fn turn_away(&mut self, ticket: Ticket, port: Port, path: WaitCycle) {
        let mut actions = Vec::new();
        if !fault!("driver_keep_in_line") {
            let is = |it: &Caller| matches!(it, Caller::Asked(of) if *of == ticket);
            self.decider.withdraw(is, &mut actions);
        }
        for action in actions {
            self.perform(action);
        }
        answer(port, Err(ChildError::Deadlock { path }));
    }
}

//! When a child is started again, and what that costs.

use super::*;

#[test]
fn rule_4_every_attempt_is_charged_and_exactly_n_are_allowed() {
    for limit in 0..4 {
        let mut rig = Rig::new(limit);
        let mut life = rig.child(policy("a", Permanent));
        for _ in 0..limit {
            assert_eq!(rig.exited(life, crash()), [start(next(life))]);
            life = next(life);
            rig.started(life);
        }
        assert_eq!(
            rig.exited(life, crash()),
            [Action::GiveUp {
                reason: ExitReason::Shutdown
            }],
            "limit {limit}"
        );
    }
}

#[test]
fn rule_4_retries_are_charged_too() {
    let mut rig = Rig::new(2);
    let first = rig.child(policy("a", Permanent));
    let sibling = rig.child(policy("b", Permanent));
    rig.exited(first, crash());
    let (child, incarnation) = next(first);
    assert_eq!(
        rig.start_failed((child, incarnation)),
        [Action::Requeue {
            child,
            incarnation,
            at: None
        }]
    );
    assert_eq!(
        rig.tell(Input::Retry { child, incarnation }),
        [start(next(next(first)))]
    );
    let (child, incarnation) = next(next(first));
    assert_eq!(
        rig.start_failed((child, incarnation)),
        [Action::Requeue {
            child,
            incarnation,
            at: None
        }]
    );
    // The third attempt in the period is one too many.
    assert_eq!(
        rig.tell(Input::Retry { child, incarnation }),
        [rig.ask_stop(sibling)]
    );
    assert_eq!(
        rig.exited(sibling, ExitReason::Shutdown),
        [Action::GiveUp {
            reason: ExitReason::Shutdown
        }]
    );
}

#[test]
fn rule_4_the_window_slides_and_manual_starts_are_free() {
    let mut rig = Rig::new(1);
    let mut life = rig.child(policy("a", Permanent));
    for _ in 0..5 {
        rig.now += 10 * SECOND + Duration::from_nanos(1);
        assert_eq!(rig.exited(life, crash()), [start(next(life))]);
        life = next(life);
        rig.started(life);
    }
    for call in 0..20 {
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: call,
        });
        assert_eq!(
            rig.exited(life, ExitReason::Shutdown),
            [reply(call, Ok(Outcome::Terminated))]
        );
        life = next(life);
        assert_eq!(
            rig.tell(Input::RestartChild {
                target: id("a"),
                to: call
            }),
            [start(life)]
        );
        rig.started(life);
    }
    rig.now += 11 * SECOND;
    assert_eq!(rig.exited(life, crash()), [start(next(life))]);
}

/// A child whose automatic restart has failed once, so that it waits for its retry.
fn restarting(rig: &mut Rig) -> (ChildKey, Incarnation) {
    let first = rig.child(policy("a", Permanent));
    rig.exited(first, crash());
    rig.start_failed(next(first));
    assert_eq!(rig.phase(first.0), Some(Phase::Restarting));
    next(first)
}

#[test]
fn rule_6_a_retry_waits_behind_calls_already_queued() {
    let mut rig = Rig::new(9);
    let (child, incarnation) = restarting(&mut rig);
    // Requeue was ordered; these calls were in the mailbox before it.
    assert_eq!(
        rig.tell(Input::RestartChild {
            target: id("a"),
            to: 1
        }),
        [reply(1, Err(ChildError::Restarting))]
    );
    assert_eq!(
        rig.tell(Input::DeleteChild {
            target: id("a"),
            to: 2
        }),
        [reply(2, Err(ChildError::Restarting))]
    );
    assert_eq!(
        rig.request(policy("a", Permanent), 3).1.pop(),
        Some(reply(3, Err(ChildError::AlreadyStarted)))
    );
    // A call that is under way when the retry comes back keeps it waiting in line.
    let (other, _) = rig.request(policy("b", Permanent), 4);
    assert_eq!(rig.tell(Input::Retry { child, incarnation }), []);
    let out = rig.started((other, Incarnation(1)));
    assert_eq!(
        out,
        [
            reply(
                4,
                Ok(Outcome::Started {
                    child: other,
                    incarnation: Incarnation(1)
                })
            ),
            start((child, incarnation.next()))
        ]
    );
}

#[test]
fn rule_6_terminate_cancels_a_retry() {
    let mut rig = Rig::new(9);
    let (child, incarnation) = restarting(&mut rig);
    let done = reply(1, Ok(Outcome::Terminated));
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: 1
        }),
        [done]
    );
    assert_eq!(rig.tell(Input::Retry { child, incarnation }), []);
    assert_eq!(rig.phase(child), Some(Phase::Stopped));
    // Not even a later wait for a retry is mistaken for the one that was cancelled.
    let again = (child, incarnation.next());
    assert_eq!(
        rig.tell(Input::RestartChild {
            target: id("a"),
            to: 2
        }),
        [start(again)]
    );
    rig.started(again);
    rig.exited(again, crash());
    rig.start_failed(next(again));
    assert_eq!(rig.phase(child), Some(Phase::Restarting));
    assert_eq!(rig.tell(Input::Retry { child, incarnation }), []);
    assert_eq!(rig.phase(child), Some(Phase::Restarting));
}

#[test]
fn rule_9_two_deaths_at_once_cost_two_restarts() {
    for (limit, survives) in [(2, true), (1, false)] {
        let mut rig = Rig::new(limit);
        let [a, b] = ["a", "b"].map(|name| rig.child(policy(name, Permanent)));
        assert_eq!(rig.exited(a, crash()), [start(next(a))]);
        assert_eq!(rig.exited(b, crash()), [], "waits in line while `a` starts");
        let out = rig.started(next(a));
        let expected = if survives {
            start(next(b))
        } else {
            rig.ask_stop(next(a))
        };
        assert_eq!(out, [expected]);
    }
}

#[test]
fn rule_9_exits_are_matched_by_incarnation() {
    let mut rig = Rig::new(9);
    let first = rig.child(policy("a", Permanent));
    rig.exited(first, crash());
    assert_eq!(rig.exited(first, crash()), [], "while the next one starts");
    rig.started(next(first));
    assert_eq!(rig.exited(first, crash()), [], "while the next one runs");
    assert_eq!(
        rig.exited((ChildKey(77), Incarnation(1)), crash()),
        [],
        "of a stranger"
    );
    assert_eq!(rig.phase(first.0), Some(Phase::Running));
    rig.tell(Input::TerminateChild {
        target: id("a"),
        to: 1,
    });
    assert_eq!(rig.exited(first, crash()), [], "while the next one stops");
    assert_eq!(rig.phase(first.0), Some(Phase::Stopping));
    assert_eq!(
        rig.exited(next(first), ExitReason::Shutdown),
        [reply(1, Ok(Outcome::Terminated))]
    );
}

#[test]
fn rule_11_which_ends_are_normal() {
    let failure = || ExitReason::Failed("no disk".into());
    let reasons = [
        (ExitReason::Normal, true),
        (ExitReason::Shutdown, true),
        (ExitReason::Killed, false),
        (crash(), false),
        (ExitReason::Overflow, false),
        (failure(), false),
    ];
    for (reason, normal) in reasons {
        for restart in [Permanent, Transient, Temporary] {
            let mut rig = Rig::new(9);
            let life = rig.child(policy("a", restart));
            let expected = match restart {
                Permanent => vec![start(next(life))],
                Transient if normal => vec![],
                Transient => vec![start(next(life))],
                Temporary => vec![Action::Forget { child: life.0 }],
            };
            assert_eq!(
                rig.exited(life, reason.clone()),
                expected,
                "{restart:?}, {reason}"
            );
            if restart == Transient && normal {
                assert_eq!(rig.phase(life.0), Some(Phase::Stopped), "the spec stays");
            }
        }
    }
}

#[test]
fn rule_11_an_inner_supervisor_that_gives_up_is_not_restarted_if_transient() {
    let mut inner = Rig::new(0);
    let child = inner.child(policy("a", Permanent));
    let out = inner.exited(child, crash());
    let [Action::GiveUp { reason }] = &out[..] else {
        panic!("{out:?}")
    };
    let mut outer = Rig::new(9);
    let life = outer.child(policy("inner", Transient));
    assert_eq!(outer.exited(life, reason.clone()), []);
    assert_eq!(outer.phase(life.0), Some(Phase::Stopped));
}

#[test]
fn rule_17_a_restart_that_is_ignored_is_charged_and_leaves_the_child_stopped() {
    let mut rig = Rig::new(1);
    let [a, b] = ["a", "b"].map(|name| rig.child(policy(name, Permanent)));
    rig.exited(a, crash());
    let (child, incarnation) = next(a);
    assert_eq!(
        rig.tell(Input::Ignored { child, incarnation }),
        [],
        "done, no retry"
    );
    assert_eq!(rig.phase(child), Some(Phase::Stopped));
    assert_eq!(
        rig.exited(b, crash()),
        [Action::GiveUp {
            reason: ExitReason::Shutdown
        }],
        "it was charged"
    );
}

#[test]
fn an_exit_before_started_is_a_failed_start() {
    let mut rig = Rig::new(9);
    let (child, _) = rig.request(policy("a", Permanent), 1);
    let out = rig.exited((child, Incarnation(1)), crash());
    assert_eq!(
        out,
        [
            Action::Forget { child },
            reply(1, Err(failed("a", crash())))
        ]
    );
    assert_eq!(rig.started((child, Incarnation(1))), []);
}

#[test]
fn automatic_restarts_are_told_and_manual_ones_are_not() {
    let mut rig = Rig::new(1);
    let life = rig.child(policy("a", Transient));
    let (child, incarnation) = life;
    assert_eq!(
        rig.reports(Input::Exited {
            child,
            incarnation,
            reason: crash()
        }),
        [What::Ended { reason: crash() }]
    );
    let (child, incarnation) = next(life);
    assert_eq!(
        rig.reports(Input::Started { child, incarnation }),
        [What::Restarted]
    );
    assert_eq!(
        rig.reports(Input::Exited {
            child,
            incarnation,
            reason: ExitReason::Normal
        }),
        []
    );
    rig.tell(Input::RestartChild {
        target: id("a"),
        to: 1,
    });
    let incarnation = incarnation.next();
    assert_eq!(rig.reports(Input::Started { child, incarnation }), []);
    let reports = rig.reports(Input::Exited {
        child,
        incarnation,
        reason: crash(),
    });
    assert_eq!(reports, [What::Ended { reason: crash() }, What::GaveUp]);
}

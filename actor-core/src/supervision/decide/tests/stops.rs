//! Stopping, giving up, and starting a whole supervisor.

use super::*;

#[test]
fn rule_3_siblings_stop_one_at_a_time_in_reverse_start_order_and_a_restarted_child_keeps_its_place()
{
    let mut rig = Rig::new(9);
    let [a, b, c] = ["a", "b", "c"].map(|name| rig.child(policy(name, Permanent)));
    assert_eq!(rig.exited(a, crash()), [start(next(a))]);
    assert_eq!(rig.started(next(a)), []);
    assert_eq!(
        rig.tell(Input::Shutdown {
            reason: ExitReason::Shutdown
        }),
        [rig.ask_stop(c)]
    );
    assert_eq!(rig.exited(c, ExitReason::Shutdown), [rig.ask_stop(b)]);
    assert_eq!(rig.exited(b, ExitReason::Shutdown), [rig.ask_stop(next(a))]);
    let last = rig.exited(next(a), ExitReason::Shutdown);
    assert_eq!(
        last,
        [Action::Finish {
            reason: ExitReason::Shutdown
        }]
    );
}

#[test]
fn rule_10_a_terminate_ahead_of_an_exit_swallows_it_and_the_other_way_round_it_does_not() {
    // Ahead: the stop finds it dead, whether the call is acted upon at once ..
    let mut rig = Rig::new(9);
    let a = rig.child(policy("a", Permanent));
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: 1
        }),
        [rig.ask_stop(a)]
    );
    assert_eq!(rig.exited(a, crash()), [reply(1, Ok(Outcome::Terminated))]);
    assert_eq!(rig.phase(a.0), Some(Phase::Stopped));

    // .. or waits in line with the exit behind it.
    let b = rig.child(policy("b", Permanent));
    let (other, _) = rig.request(policy("c", Permanent), 2);
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("b"),
            to: 3
        }),
        []
    );
    assert_eq!(rig.exited(b, crash()), []);
    let out = rig.started((other, Incarnation(1)));
    assert_eq!(
        out[1..],
        [reply(3, Ok(Outcome::Terminated))],
        "no stop, no restart"
    );
    assert_eq!(rig.phase(b.0), Some(Phase::Stopped));

    // Behind: the exit is acted upon first, and the call stops the new incarnation.
    let d = rig.child(policy("d", Permanent));
    rig.exited(d, crash());
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("d"),
            to: 4
        }),
        []
    );
    assert_eq!(rig.started(next(d)), [rig.ask_stop(next(d))]);
}

#[test]
fn rule_13_a_first_start_that_fails_stops_the_earlier_in_reverse_and_wraps_reasons() {
    let mut rig = Rig::new(9);
    let names = ["a", "b", "c", "d"];
    let children: Vec<_> = names
        .map(|name| (rig.decider.new_key(), policy(name, Permanent)))
        .into();
    let [a, b, c, _] = [0, 1, 2, 3].map(|at| (children[at].0, Incarnation(1)));
    assert_eq!(rig.tell(Input::Boot { children, to: 1 }), [start(a)]);
    assert_eq!(rig.started(a), [start(b)]);
    assert_eq!(rig.started(b), [start(c)]);
    assert_eq!(rig.start_failed(c), [rig.ask_stop(b)]);
    assert_eq!(rig.exited(b, ExitReason::Shutdown), [rig.ask_stop(a)]);
    let out = rig.exited(a, ExitReason::Shutdown);
    let inner = ExitReason::Failed("child `c` did not start: panicked: boom".into());
    assert_eq!(
        out,
        [
            reply(1, Err(failed("c", crash()))),
            Action::GiveUp {
                reason: inner.clone()
            }
        ]
    );

    // The supervisor was itself somebody's first child.
    let mut outer = Rig::new(9);
    let child = outer.decider.new_key();
    outer.tell(Input::Boot {
        children: vec![(child, policy("inner", Permanent))],
        to: 2,
    });
    let out = outer.tell(Input::StartFailed {
        child,
        incarnation: Incarnation(1),
        reason: inner,
    });
    let whole = "child `inner` did not start: failed: child `c` did not start: panicked: boom";
    assert_eq!(
        out.last(),
        Some(&Action::GiveUp {
            reason: ExitReason::Failed(whole.into())
        })
    );
}

#[test]
fn a_boot_starts_in_order_skips_the_ignored_and_refuses_duplicates() {
    let mut rig = Rig::new(9);
    let children: Vec<_> = [("a", Temporary), ("b", Permanent)]
        .map(|(name, it)| (rig.decider.new_key(), policy(name, it)))
        .into();
    let [a, b] = [0, 1].map(|at| (children[at].0, Incarnation(1)));
    rig.tell(Input::Boot { children, to: 1 });
    let out = rig.tell(Input::Ignored {
        child: a.0,
        incarnation: a.1,
    });
    assert_eq!(out, [Action::Forget { child: a.0 }, start(b)]);
    assert_eq!(rig.started(b), [reply(1, Ok(Outcome::Booted))]);

    let mut rig = Rig::new(9);
    let children = ["a", "a"]
        .map(|name| (rig.decider.new_key(), policy(name, Permanent)))
        .into();
    let out = rig.tell(Input::Boot { children, to: 1 });
    assert!(
        matches!(
            out[..],
            [
                Action::Forget { .. },
                Action::Reply { .. },
                Action::GiveUp { .. }
            ]
        ),
        "{out:?}"
    );
}

#[test]
fn rule_14_each_shutdown_setting_stops_in_its_own_way() {
    let table = [
        (Shutdown::BrutalKill, How::Kill, None),
        (Shutdown::Timeout(SECOND), How::Ask, Some(SECOND)),
        (Shutdown::Infinity, How::Ask, None),
        (Shutdown::Timeout(Duration::MAX), How::Ask, None),
    ];
    for (shutdown, how, after) in table {
        let mut rig = Rig::new(9);
        let (child, incarnation) = rig.child(Policy {
            shutdown,
            ..policy("a", Permanent)
        });
        let stop = Action::Stop {
            child,
            incarnation,
            how,
            deadline: after.map(|after| rig.now + after),
        };
        assert_eq!(
            rig.tell(Input::TerminateChild {
                target: id("a"),
                to: 1
            }),
            [stop],
            "{shutdown:?}"
        );
    }
}

#[test]
fn rule_14_a_stop_that_times_out_is_asked_first_and_killed_then() {
    let mut rig = Rig::new(9);
    let (child, incarnation) = rig.child(policy("a", Permanent));
    rig.tell(Input::TerminateChild {
        target: id("a"),
        to: 1,
    });
    let kill = Action::Stop {
        child,
        incarnation,
        how: How::Kill,
        deadline: None,
    };
    assert_eq!(rig.tell(Input::Overdue { child, incarnation }), [kill]);
    assert_eq!(rig.tell(Input::Overdue { child, incarnation }), [], "once");
    let killed = Input::Exited {
        child,
        incarnation,
        reason: ExitReason::Killed,
    };
    assert_eq!(
        rig.all(killed),
        [reply(1, Ok(Outcome::Terminated))],
        "and that is no news"
    );
    // A deadline that passes after the exit is stale.
    assert_eq!(rig.tell(Input::Overdue { child, incarnation }), []);
}

#[test]
fn rule_14_what_a_stop_reports() {
    let table = [
        (ExitReason::Shutdown, false, vec![]),
        (ExitReason::Normal, false, vec![]),
        (crash(), false, vec![What::StoppedWith { reason: crash() }]),
        (
            ExitReason::Killed,
            false,
            vec![What::StoppedWith {
                reason: ExitReason::Killed,
            }],
        ),
        (ExitReason::Killed, true, vec![]),
        (crash(), true, vec![What::StoppedWith { reason: crash() }]),
    ];
    for (reason, overdue, expected) in table {
        let mut rig = Rig::new(9);
        let (child, incarnation) = rig.child(policy("a", Permanent));
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: 1,
        });
        if overdue {
            assert_eq!(
                rig.reports(Input::Overdue { child, incarnation }),
                [What::Overdue]
            );
        }
        assert_eq!(
            rig.reports(Input::Exited {
                child,
                incarnation,
                reason
            }),
            expected
        );
    }
}

#[test]
fn a_temporary_child_is_forgotten_when_terminated() {
    let mut rig = Rig::new(9);
    let life = rig.child(policy("a", Temporary));
    rig.tell(Input::TerminateChild {
        target: id("a"),
        to: 1,
    });
    let out = rig.exited(life, ExitReason::Shutdown);
    assert_eq!(
        out,
        [
            Action::Forget { child: life.0 },
            reply(1, Ok(Outcome::Terminated))
        ]
    );
}

#[test]
fn calls_are_refused_during_and_after_the_end() {
    let mut rig = Rig::new(9);
    let a = rig.child(policy("a", Permanent));
    let (b, _) = rig.request(policy("b", Permanent), 1);
    assert_eq!(
        rig.tell(Input::Shutdown {
            reason: ExitReason::Normal
        }),
        [],
        "in line behind the start"
    );
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: 2
        }),
        [],
        "in line behind the shutdown"
    );
    let b = (b, Incarnation(1));
    let out = rig.started(b);
    assert_eq!(out[1..], [rig.ask_stop(b)]);
    let refused = |to| reply(to, Err(ChildError::ShuttingDown));
    assert_eq!(
        rig.tell(Input::DeleteChild {
            target: id("a"),
            to: 3
        }),
        [refused(3)]
    );
    assert_eq!(rig.exited(b, ExitReason::Shutdown), [rig.ask_stop(a)]);
    let out = rig.exited(a, ExitReason::Shutdown);
    assert_eq!(
        out,
        [
            refused(2),
            Action::Finish {
                reason: ExitReason::Normal
            }
        ]
    );
    assert_eq!(
        rig.tell(Input::RestartChild {
            target: id("a"),
            to: 4
        }),
        [refused(4)]
    );
    assert_eq!(rig.exited(a, crash()), []);
}

fn endless((child, incarnation): (ChildKey, Incarnation)) -> Input<u32> {
    Input::Endless {
        child,
        incarnation,
        reason: crash(),
    }
}

fn kill((child, incarnation): (ChildKey, Incarnation)) -> Action<u32> {
    Action::Stop {
        child,
        incarnation,
        how: How::Kill,
        deadline: None,
    }
}

#[test]
fn what_is_awaited_is_a_start_or_a_stop_without_a_deadline() {
    let table = [
        (Shutdown::Infinity, true),
        (Shutdown::Timeout(SECOND), false),
        (Shutdown::BrutalKill, false),
    ];
    for (shutdown, is_awaited) in table {
        let mut rig = Rig::new(9);
        let mut policy = policy("a", Permanent);
        policy.shutdown = shutdown;
        let (child, _) = rig.request(policy, 0);
        let life @ (_, incarnation) = (child, Incarnation(1));
        let start = Some((child, incarnation, Awaits::Start));
        assert_eq!(rig.decider.awaited(), start);
        rig.started(life);
        assert_eq!(rig.decider.awaited(), None);
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: 1,
        });
        let end = is_awaited.then_some((child, incarnation, Awaits::End));
        assert_eq!(rig.decider.awaited(), end);
        let killed = if is_awaited { vec![kill(life)] } else { vec![] };
        if shutdown != Shutdown::BrutalKill && is_awaited {
            assert_eq!(rig.tell(endless(life)), killed);
            assert_eq!(rig.tell(endless(life)), [], "once");
            assert_eq!(rig.decider.awaited(), None, "a kill is not waited for");
        }
        assert_eq!(
            rig.exited(life, ExitReason::Killed),
            [reply(1, Ok(Outcome::Terminated))]
        );
    }
}

#[test]
fn a_start_that_would_be_endless_fails_for_that_reason() {
    let mut rig = Rig::new(9);
    let (child, _) = rig.request(policy("a", Permanent), 1);
    let life @ (_, incarnation) = (child, Incarnation(1));
    assert_eq!(rig.tell(endless(life)), [kill(life)]);
    assert_eq!(rig.decider.awaited(), None);
    let killed = Input::StartFailed {
        child,
        incarnation,
        reason: ExitReason::Killed,
    };
    assert_eq!(
        rig.tell(killed),
        [
            Action::Forget { child },
            reply(1, Err(failed("a", crash())))
        ]
    );
    // Of the next one it says nothing.
    let (next, _) = rig.request(policy("a", Permanent), 2);
    let failure = ExitReason::Failed("other".into());
    let input = Input::StartFailed {
        child: next,
        incarnation: Incarnation(1),
        reason: failure.clone(),
    };
    assert_eq!(
        rig.tell(input),
        [
            Action::Forget { child: next },
            reply(2, Err(failed("a", failure)))
        ]
    );
}

#[test]
fn of_a_crowd_one_is_awaited_after_another() {
    let settings = Settings {
        dynamic: true,
        ..Settings::default()
    };
    let mut rig = Rig {
        decider: Decider::new(settings),
        now: Instant::now(),
    };
    let lives = ["a", "b", "c"].map(|id| {
        let mut policy = policy(id, Permanent);
        policy.shutdown = Shutdown::Infinity;
        rig.child(policy)
    });
    rig.tell(Input::Shutdown {
        reason: ExitReason::Normal,
    });
    let end = |(child, incarnation)| Some((child, incarnation, Awaits::End));
    assert_eq!(rig.decider.awaited(), end(lives[2]));
    assert_eq!(rig.tell(endless(lives[2])), [kill(lives[2])]);
    assert_eq!(
        rig.decider.awaited(),
        end(lives[1]),
        "and only that is killed"
    );
    rig.exited(lives[1], ExitReason::Shutdown);
    assert_eq!(rig.decider.awaited(), end(lives[0]));
    rig.exited(lives[0], ExitReason::Shutdown);
    assert_eq!(rig.decider.awaited(), None);
    let reason = ExitReason::Normal;
    assert_eq!(
        rig.exited(lives[2], ExitReason::Killed),
        [Action::Finish { reason }]
    );
}

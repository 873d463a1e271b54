//! What callers ask for, and what they are refused.

use super::*;

#[test]
fn rule_7_a_manual_restart_that_fails_leaves_the_child_stopped_without_retry_or_charge() {
    let mut rig = Rig::new(1);
    let mut life = rig.child(policy("a", Permanent));
    rig.tell(Input::TerminateChild {
        target: id("a"),
        to: 1,
    });
    rig.exited(life, ExitReason::Shutdown);
    for call in 2..9 {
        life = next(life);
        assert_eq!(
            rig.tell(Input::RestartChild {
                target: id("a"),
                to: call
            }),
            [start(life)]
        );
        assert_eq!(
            rig.start_failed(life),
            [reply(call, Err(failed("a", crash())))]
        );
        assert_eq!(rig.phase(life.0), Some(Phase::Stopped));
    }
    life = next(life);
    rig.tell(Input::RestartChild {
        target: Target::Child(life.0),
        to: 9,
    });
    rig.started(life);
    assert_eq!(
        rig.exited(life, crash()),
        [start(next(life))],
        "nothing has been charged"
    );
}

#[test]
fn rule_7_restarting_or_deleting_what_runs_or_is_unknown_is_refused() {
    let mut rig = Rig::new(1);
    let life = rig.child(policy("a", Permanent));
    let table = [
        (id("a"), ChildError::Running),
        (id("z"), ChildError::NotFound),
    ];
    for (target, error) in table {
        let restart = rig.tell(Input::RestartChild {
            target: target.clone(),
            to: 1,
        });
        assert_eq!(restart, [reply(1, Err(error.clone()))]);
        assert_eq!(
            rig.tell(Input::DeleteChild { target, to: 2 }),
            [reply(2, Err(error))]
        );
    }
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("z"),
            to: 3
        }),
        [reply(3, Err(ChildError::NotFound))]
    );
    rig.tell(Input::TerminateChild {
        target: id("a"),
        to: 4,
    });
    rig.exited(life, ExitReason::Shutdown);
    // Terminating what is stopped already succeeds; then it can be deleted, and the id is free.
    assert_eq!(
        rig.tell(Input::TerminateChild {
            target: id("a"),
            to: 5
        }),
        [reply(5, Ok(Outcome::Terminated))]
    );
    assert_eq!(
        rig.request(policy("a", Permanent), 6).1.pop(),
        Some(reply(6, Err(ChildError::AlreadyPresent)))
    );
    let deleted = [
        Action::Forget { child: life.0 },
        reply(7, Ok(Outcome::Deleted)),
    ];
    assert_eq!(
        rig.tell(Input::DeleteChild {
            target: id("a"),
            to: 7
        }),
        deleted
    );
    rig.child(policy("a", Permanent));
}

#[test]
fn rule_8_a_start_that_fails_keeps_no_spec_and_ignore_keeps_it_unless_temporary() {
    for (restart, kept) in [(Permanent, true), (Transient, true), (Temporary, false)] {
        let mut rig = Rig::new(1);
        let (child, _) = rig.request(policy("a", restart), 1);
        let out = rig.start_failed((child, Incarnation(1)));
        assert_eq!(
            out,
            [
                Action::Forget { child },
                reply(1, Err(failed("a", crash())))
            ]
        );
        let (child, _) = rig.request(policy("a", restart), 2);
        let out = rig.tell(Input::Ignored {
            child,
            incarnation: Incarnation(1),
        });
        assert_eq!(out.last(), Some(&reply(2, Ok(Outcome::Ignored { child }))));
        assert_eq!(
            out.contains(&Action::Forget { child }),
            !kept,
            "{restart:?}"
        );
        assert_eq!(rig.phase(child), kept.then_some(Phase::Stopped));
    }
}

#[test]
fn rule_18_listed_in_reverse_start_order_and_the_dead_are_not_active() {
    let mut rig = Rig::new(9);
    let [a, b, c] = ["a", "b", "c"].map(|name| rig.child(policy(name, Transient)));
    rig.exited(b, ExitReason::Normal);
    let ids: Vec<_> = rig.decider.list().map(|it| it.id.to_string()).collect();
    assert_eq!(ids, ["c", "b", "a"]);
    assert_eq!(
        rig.decider.counts(|_, _| true),
        Counts {
            specs: 3,
            active: 2
        }
    );
    assert_eq!(
        rig.decider.counts(|child, _| child != a.0),
        Counts {
            specs: 3,
            active: 1
        },
        "dead, exit under way"
    );
    rig.request(policy("d", Permanent), 1);
    rig.exited(c, crash());
    assert_eq!(
        rig.decider.counts(|_, _| true),
        Counts {
            specs: 4,
            active: 2
        },
        "dead, exit in line"
    );
}

#[test]
fn a_call_that_is_withdrawn_from_the_line_changes_nothing() {
    let mut rig = Rig::new(1);
    let (busy, _) = rig.request(policy("a", Permanent), 1);
    let (refused, _) = rig.request(policy("b", Permanent), 2);
    let mut out = Vec::new();
    rig.decider.withdraw(|to| *to == 2, &mut out);
    assert_eq!(out, [Action::Forget { child: refused }]);
    // The one that is being carried out is not in the line, and goes on.
    out.clear();
    rig.decider.withdraw(|to| *to == 1, &mut out);
    assert_eq!(out, []);
    let started = Outcome::Started {
        child: busy,
        incarnation: Incarnation(1),
    };
    assert_eq!(
        rig.started((busy, Incarnation(1))),
        [reply(1, Ok(started))],
        "and nothing is started after it"
    );
}

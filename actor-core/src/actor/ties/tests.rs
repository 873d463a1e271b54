//! An end that is half done, step by step. The rest is in the models, and in what is promised to users.

use super::node::Node;
use super::*;

#[test]
fn an_end_tells_only_whoever_is_still_tied() {
    let (a, b) = (Node::new(1), Node::new(2));
    link(&b.any(), &a.any(), 1);
    monitor(&b.any(), &a.any(), 2);
    let ties = a.take_ties(); // E2
    unlink(&b.any(), &a.any());
    assert!(demonitor(&b.any(), MonitorId(2)));
    drop(announce(&a.any(), ties, &ExitReason::Killed));
    assert_eq!(b.signals(), []);
    b.clear();
}

#[test]
fn an_end_that_is_late_leaves_a_new_link_alone() {
    let (a, b) = (Node::new(1), Node::new(2));
    link(&b.any(), &a.any(), 1);
    let ties = a.take_ties(); // E2: it is down, and its supervisor has yet to hear of it
    unlink(&b.any(), &a.any());
    link(&b.any(), &a.any(), 2);
    drop(announce(&a.any(), ties, &ExitReason::Killed));
    assert_eq!(b.signals(), []);
    assert!(a.is_linked_to(&b) && b.is_linked_to(&a));
    // The link is with its next life.
    drop(announce(&a.any(), a.take_ties(), &ExitReason::Overflow));
    let exit = Signal::Exit {
        from: Some(a.any()),
        reason: ExitReason::Overflow,
    };
    assert_eq!(b.signals(), [exit]);
    b.clear();
}

#[test]
fn an_end_leaves_no_tie_behind_at_others() {
    let (a, b) = (Node::new(1), Node::new(2));
    link(&a.any(), &b.any(), 1);
    monitor(&a.any(), &b.any(), 2);
    monitor(&b.any(), &a.any(), 3);
    a.end();
    assert_eq!(b.signals().len(), 2);
    let left = b.take_ties();
    assert!(left.halves.is_empty() && left.watches.is_empty() && left.watchers.is_empty());
}

#[test]
fn what_ends_a_suspended_actor_is_found_among_what_waits() {
    let exit = |reason| Signal::Exit { from: None, reason };
    let mut ties = Ties {
        suspended: true,
        ..Ties::default()
    };
    ties.signals.push_back(exit(ExitReason::Normal));
    assert!(matches!(ties.next(), Next::Suspended));
    ties.signals.push_back(exit(ExitReason::Shutdown));
    assert!(matches!(ties.next(), Next::End(ExitReason::Shutdown)));
    ties.traps = true;
    assert!(matches!(ties.next(), Next::Suspended));
    ties.suspended = false;
    for reason in [ExitReason::Normal, ExitReason::Shutdown] {
        let Next::Signal(signal) = ties.next() else {
            panic!("it traps");
        };
        assert_eq!(*signal.reason(), reason);
    }
    assert!(matches!(ties.next(), Next::Nothing));
}

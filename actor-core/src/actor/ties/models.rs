//! Loom models: an end against what is tied and untied meanwhile.
//!
//! `ci/models.sh`

use std::sync::Arc;

use loom::thread;

use super::node::Node;
use super::*;

/// Runs `f` with two nodes in every interleaving.
fn model(f: impl Fn(&Arc<Node>, &Arc<Node>) + Sync + Send + 'static) {
    loom::model(move || {
        let (a, b) = (Node::new(1), Node::new(2));
        f(&a, &b);
        a.clear();
        b.clear();
    });
}

#[test]
fn loom_a_link_is_at_both_ends_or_at_none() {
    model(|a, b| {
        let (one, two) = (a.clone(), b.clone());
        let other = thread::spawn(move || link(&one.any(), &two.any(), 1));
        link(&b.any(), &a.any(), 2);
        unlink(&b.any(), &a.any());
        other.join().unwrap();
        assert_eq!(a.is_linked_to(b), b.is_linked_to(a));
    });
}

#[test]
fn loom_after_an_unlink_no_exit_comes() {
    model(|a, b| {
        link(&b.any(), &a.any(), 1);
        let ending = a.clone();
        let other = thread::spawn(move || ending.end());
        unlink(&b.any(), &a.any());
        assert_eq!(b.signals(), []);
        other.join().unwrap();
        assert_eq!(b.signals(), []);
        assert!(!b.is_linked_to(a));
    });
}

#[test]
fn loom_a_link_and_an_end_meet() {
    model(|a, b| {
        let ending = a.clone();
        let other = thread::spawn(move || ending.end());
        link(&b.any(), &a.any(), 1);
        other.join().unwrap();
        let signals = b.signals();
        assert_eq!(signals.len(), 1);
        assert_eq!(signals[0].from(), Some(&a.any()));
        assert!(!b.is_linked_to(a));
    });
}

#[test]
fn loom_a_monitor_and_an_end_meet() {
    model(|a, b| {
        let ending = a.clone();
        let other = thread::spawn(move || ending.end());
        monitor(&b.any(), &a.any(), 1);
        other.join().unwrap();
        let signals = b.signals();
        assert_eq!(signals.len(), 1);
        assert_eq!(signals[0].from(), Some(&a.any()));
    });
}

#[test]
fn loom_a_monitor_tells_once_or_not_at_all() {
    model(|a, b| {
        monitor(&b.any(), &a.any(), 1);
        let ending = a.clone();
        let other = thread::spawn(move || ending.end());
        let told = b.signals_by_now().len();
        let watched = demonitor(&b.any(), MonitorId(1));
        other.join().unwrap();
        assert_eq!(b.signals(), []);
        assert!(told == 0 || !watched);
    });
}

/// Both ends of a link and a monitor end at once: nobody is told, and no lock is waited for in a circle.
#[test]
fn loom_two_ends_meet() {
    model(|a, b| {
        link(&b.any(), &a.any(), 1);
        monitor(&b.any(), &a.any(), 2);
        let ending = a.clone();
        let other = thread::spawn(move || ending.end());
        b.end();
        other.join().unwrap();
        assert!(a.take_ties().watchers.is_empty());
    });
}

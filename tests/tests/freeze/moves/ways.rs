//! Ways over TCP that open again by themselves.

use std::net::SocketAddr;

use actor_core::migrate::{Calling, CallingState, FarError, Secret, TcpFarListener, TcpSettings};
use actor_core::{Backoff, Event};
use tests::{ms, until, within};

use super::nodes::{Ledger, World, adopted, world};

fn secret() -> Secret {
    Secret::new(b"sixteen bytes, or more").unwrap()
}

fn settings() -> TcpSettings {
    let mut settings = TcpSettings::default();
    settings.again = Backoff::new(ms(5), ms(20));
    settings
}

/// It answers at an address, and keeps doing so.
fn answers(at: &World, address: &str) -> SocketAddr {
    let own = at.node.name();
    let listener = TcpFarListener::bind(address, own, &secret(), settings()).unwrap();
    let address = listener.local_addr().unwrap();
    at.node.keep_answering(listener).unwrap();
    address
}

fn calls(at: &World, address: SocketAddr) -> Calling {
    at.node
        .keep_calling(address, &secret(), settings())
        .unwrap()
}

#[test]
fn a_node_that_ends_and_comes_again_is_called_again_and_things_move_to_it() {
    within(60, || {
        let a = world("a");
        // An address that nobody calls from: it is free when it is needed again.
        let first = world("b");
        let address = answers(&first, "127.0.9.1:0");
        let calling = calls(&a, address);
        until(|| a.node.has_way("b") && first.node.has_way("a"));
        until(|| matches!(calling.state(), CallingState::Open(node) if &*node == "b"));
        drop(first);
        until(|| matches!(calling.state(), CallingState::Waiting { last: Some(_), .. }));
        assert!(!a.node.has_way("b"));
        let second = world("b");
        until(|| {
            let again = TcpFarListener::bind(address, "b", &secret(), settings());
            again.is_ok_and(|it| second.node.keep_answering(it).is_ok())
        });
        until(|| a.node.has_way("b") && second.node.has_way("a"));
        let ledger = adopted(&a, Ledger::default());
        assert!(a.node.migrate("ledger", "b").unwrap().confirmed);
        assert_eq!(ledger.ask().add(1).unwrap(), 1);
    });
}

#[test]
fn a_node_that_is_closed_neither_calls_nor_answers() {
    within(60, || {
        let (a, b) = (world("a"), world("b"));
        let address = answers(&b, "127.0.0.1:0");
        let calling = calls(&a, address);
        until(|| a.node.has_way("b") && b.node.has_way("a"));
        a.node.close();
        assert!(matches!(calling.state(), CallingState::Closed));
        until(|| !a.node.has_way("b") && !b.node.has_way("a"));
        // The other one still answers.
        let c = world("c");
        let calling = calls(&c, address);
        until(|| c.node.has_way("b"));
        b.node.close();
        until(|| matches!(calling.state(), CallingState::Waiting { last: Some(_), .. }));
        calling.close();
        assert!(matches!(calling.state(), CallingState::Closed));
        // What is kept by a node that is closed already is closed.
        let late = calls(&a, address);
        assert!(matches!(late.state(), CallingState::Closed));
    });
}

#[test]
fn of_two_that_call_each_other_one_way_is_in_use_and_stays() {
    within(60, || {
        let (a, b) = (world("a"), world("b"));
        let (to_a, to_b) = (answers(&a, "127.0.0.1:0"), answers(&b, "127.0.0.1:0"));
        let events = [a.sys.events(), b.sys.events()];
        let opened = |events: &crossbeam_channel::Receiver<Event>| {
            let opened = |event: &Event| matches!(event, Event::WayOpened { .. });
            events.try_iter().filter(opened).count()
        };
        let callings = [calls(&a, to_b), calls(&b, to_a)];
        let ledger = adopted(&a, Ledger::default());
        // They may have ended each other's at first.
        let move_it = |from: &World, to: &str| until(|| from.node.migrate("ledger", to).is_ok());
        move_it(&a, "b");
        move_it(&b, "a");
        // No call is on its way: both have come to a way, and each way has been opened at either end. An ask may be lost with one that
        // is replaced.
        let mut ways = [0; 2];
        until(|| {
            for (ways, events) in ways.iter_mut().zip(&events) {
                *ways += opened(events);
            }
            let all = callings.iter().map(Calling::state);
            ways[0] >= 2
                && ways[0] == ways[1]
                && all
                    .into_iter()
                    .all(|it| matches!(it, CallingState::Open(_)))
        });
        until(|| a.node.has_way("b") && b.node.has_way("a"));
        for n in 0..40 {
            let (from, to) = if n % 2 == 0 { (&a, "b") } else { (&b, "a") };
            move_it(from, to);
            ledger.ask().add(n).unwrap();
        }
        // One that was on its way when the first was there may have come.
        let opened = events.each_ref().map(opened);
        assert!(opened.iter().all(|n| *n <= 3), "{opened:?}");
    });
}

#[test]
fn who_does_not_know_the_secret_gets_no_way_and_both_sides_say_so() {
    within(60, || {
        let (a, b) = (world("a"), world("b"));
        let events = b.sys.events();
        let address = answers(&b, "127.0.0.1:0");
        let other = Secret::new(b"another that is as long").unwrap();
        let calling = a.node.keep_calling(address, &other, settings()).unwrap();
        let denied = || match calling.state() {
            CallingState::Waiting { failures, last } => {
                failures >= 2 && matches!(last.as_deref(), Some(FarError::Denied))
            }
            _ => false,
        };
        until(denied);
        while !matches!(events.recv().unwrap(), Event::WayFailed { .. }) {}
        assert!(!a.node.has_way("b") && !b.node.has_way("a"));
    });
}

//! Every value is dropped once, whatever happens, and its destructor may do what it likes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use actor_core::channel::{Receiver, Sender, bounded, rendezvous, unbounded};
use actor_core::microthread::JoinError;
use tests::{Gate, Holder, ms, one_worker, until, within};

use super::{CAPACITIES, Drops, LIMIT, Stop, Value, channel, waiting_at};

type Ending = fn(&Drops, Option<usize>);

fn filled(drops: &Drops, capacity: Option<usize>) -> (Sender<Value>, Receiver<Value>) {
    let (tx, rx) = channel(capacity);
    let room = capacity.unwrap_or(3);
    (0..room).for_each(|_| tx.send(drops.value()).unwrap());
    (tx, rx)
}

/// Ways in which values of a channel may end.
const ENDINGS: [(&str, Ending); 11] = [
    ("received", |drops, capacity| {
        let rt = one_worker();
        let (tx, rx) = channel(capacity);
        let own = drops.clone();
        let sender = rt.spawn(move || (0..9).for_each(|_| tx.send(own.value()).unwrap()));
        assert_eq!(rx.iter().count(), 9);
        sender.unwrap().join().unwrap();
    }),
    ("left, senders gone first", |drops, capacity| {
        let (tx, rx) = filled(drops, capacity);
        drop(tx);
        drop(rx);
    }),
    ("left, receivers gone first", |drops, capacity| {
        let (tx, rx) = filled(drops, capacity);
        drop(rx);
        drop(tx.send(drops.value()));
    }),
    ("full, timed out, closed", |drops, capacity| {
        let (tx, _rx) = filled(drops, capacity);
        drop(tx.try_send(drops.value()));
        drop(tx.send_timeout(drops.value(), ms(1)));
        tx.close();
        drop(tx.send(drops.value()));
    }),
    ("a killed sender", |drops, capacity| {
        let rt = one_worker();
        let (tx, _rx) = filled(drops, capacity);
        let (own, value) = (tx.clone(), drops.value());
        let victim = rt.spawn(move || own.send(value)).unwrap();
        until(|| tx.balance() == 1 || victim.is_finished());
        victim.kill();
        drop(victim.join());
    }),
    ("a killed receiver, nobody else", |drops, capacity| {
        let rt = one_worker();
        let (tx, rx) = channel(capacity);
        let victim = waiting_at(&rt, &tx, -1, move || rx.recv());
        let holder = Holder::spawn(&rt, "holder");
        tx.send(drops.value()).unwrap();
        victim.kill();
        drop(holder);
        assert!(matches!(victim.join(), Err(JoinError::Killed)));
    }),
    ("an interrupted sender", |drops, capacity| {
        let rt = one_worker();
        let (tx, _rx) = filled(drops, capacity);
        let (own, value) = (tx.clone(), drops.value());
        let target = rt.spawn(move || drop(own.send(value))).unwrap();
        until(|| tx.balance() == 1 || target.is_finished());
        drop(target.throw(Stop(1)));
        target.join().unwrap();
    }),
    ("a dropped future of a send", |drops, capacity| {
        let (tx, _rx) = filled(drops, capacity);
        drop(tx.send_async(drops.value()));
        let mut send = pin!(tx.send_async(drops.value()));
        let mut context = Context::from_waker(Waker::noop());
        let pending = send.as_mut().poll(&mut context).is_pending();
        assert_eq!(pending, capacity.is_some());
    }),
    ("a dropped future of a receive", |drops, capacity| {
        let (tx, rx) = channel(capacity);
        {
            let mut recv = pin!(rx.recv_async());
            let mut context = Context::from_waker(Waker::noop());
            assert!(recv.as_mut().poll(&mut context).is_pending());
            tx.send(drops.value()).unwrap(); // given to it
        }
        assert_eq!(rx.len(), 1, "it is there again");
    }),
    ("senders that wait at the end", |drops, capacity| {
        let rt = one_worker();
        let (tx, rx) = filled(drops, capacity);
        let (own, value) = (tx.clone(), drops.value());
        let sender = rt.spawn(move || own.send(value)).unwrap();
        until(|| tx.balance() == 1 || sender.is_finished());
        drop(rx);
        drop(sender.join().unwrap());
    }),
    ("an error in between", |drops, _| {
        let (tx, rx) = unbounded();
        tx.send(drops.value()).unwrap();
        tx.send_error(Stop(1)).unwrap();
        tx.send(drops.value()).unwrap();
        drop(rx.recv());
        drop(rx);
    }),
];

#[test]
fn every_value_is_dropped_once_however_it_ends() {
    within(LIMIT, || {
        for (name, ending) in ENDINGS {
            for capacity in CAPACITIES {
                let drops = Drops::default();
                drop(drops.value()); // some channels have room for none
                ending(&drops, capacity);
                drops.assert_each_once(&format!("{name}, {capacity:?}"));
            }
        }
    });
}

/// Its destructor panics, once.
struct Bomb(#[expect(dead_code, reason = "counted")] Value, bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.1 {
            std::panic::resume_unwind(Box::new("boom"));
        }
    }
}

#[test]
fn a_destructor_that_panics_harms_nobody_else() {
    within(LIMIT, || {
        let drops = Drops::default();
        let rt = one_worker();
        let (tx, rx) = bounded(100);
        for n in 0..100 {
            tx.send(Bomb(drops.value(), n == 10)).unwrap();
        }
        let (own, value) = (tx.clone(), Bomb(drops.value(), false));
        let sender = waiting_at(&rt, &tx, 1, move || own.send(value).is_err());
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(rx)));
        assert!(dropped.is_err(), "the panic is whose receiver it was");
        assert!(sender.join().unwrap(), "the one that waited knows");
        assert!(tx.try_send(Bomb(drops.value(), false)).is_err());
        assert_eq!((tx.len(), tx.balance()), (0, 0));
        drops.assert_each_once("bombs");
    });
}

#[test]
fn a_destructor_may_use_the_channel_it_was_in() {
    struct Reports(Sender<Option<Reports>>);
    impl Drop for Reports {
        fn drop(&mut self) {
            // The receivers are gone: that is what drops it. No lock is held.
            assert!(self.0.try_send(None).is_err());
            assert_eq!(self.0.len(), 0);
        }
    }
    let (tx, rx) = unbounded();
    tx.send(Some(Reports(tx.clone()))).unwrap();
    drop(rx);
}

#[test]
fn a_gate_that_is_dropped_with_its_value_opens() {
    // A value that is received by nobody is dropped when the receivers go, not when the senders do.
    let (tx, rx) = rendezvous::<Gate>();
    drop(tx);
    assert!(rx.recv().is_err());
    let (tx, rx) = unbounded();
    let gate = Gate::new();
    tx.send(tests::OpenOnDrop(gate.clone())).unwrap();
    drop(tx.clone());
    assert!(!gate.is_open());
    drop(rx);
    assert!(gate.is_open());
}

//! Loom models of channels and selections. The waits are futures, which share every section of the protocol with the blocking
//! ones and need no parker; selections are those of the crate, with a waker in the place of the parker.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use loom::thread;

use super::core::{Item, Recv, Send as Sending};
use super::error::{RecvError, TrySendError};
use super::polled::{Bell, block_on};
use super::select::case::{Case, OpCase, Pending};
use super::select::selection::{Waited, once};
use super::{Receiver, bounded, rendezvous, unbounded};
use crate::rt::wake::Wake;

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn loom_a_rendezvous_hands_over() {
    model(3, || {
        let (tx, rx) = rendezvous();
        let sender = thread::spawn(move || {
            block_on(tx.send_async(Box::new(1))).unwrap();
            block_on(tx.send_async(Box::new(2))).unwrap();
        });
        assert_eq!(*block_on(rx.recv_async()).unwrap(), 1);
        assert_eq!(*block_on(rx.recv_async()).unwrap(), 2);
        sender.join().unwrap();
        assert_eq!(block_on(rx.recv_async()), Err(RecvError::Disconnected));
    });
}

/// Two receivers, of which one gives up at any moment: the one value is the other's.
#[test]
fn loom_a_receive_that_is_dropped_loses_no_value() {
    model(3, || {
        let (tx, rx) = rendezvous();
        let other = {
            let rx = rx.clone();
            thread::spawn(move || {
                let mut receive = pin!(rx.recv_async());
                poll_once(receive.as_mut()).is_ready()
            })
        };
        let sender = thread::spawn(move || {
            let mut send = pin!(tx.send_async(7));
            // Waits where nobody does, and then is received by whoever comes.
            match poll_once(send.as_mut()) {
                Poll::Ready(sent) => sent.unwrap(),
                Poll::Pending => block_on(send).unwrap(),
            }
        });
        if !other.join().unwrap() {
            assert_eq!(block_on(rx.recv_async()), Ok(7));
        }
        sender.join().unwrap();
    });
}

/// The receiver waits while there is an inbox: a sender that uses that alone must find the receiver.
#[test]
fn loom_a_receiver_that_waits_is_found() {
    model(3, || {
        let (tx, rx) = unbounded();
        tx.try_send(0).unwrap(); // makes the inbox, as loom counts every lock as contended
        tx.try_send(1).unwrap(); // finds the alert with which it is made, and lowers it
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(0), Ok(1)));
        let sender = {
            let tx = tx.clone();
            thread::spawn(move || tx.try_send(2).unwrap())
        };
        assert_eq!(block_on(rx.recv_async()), Ok(2));
        sender.join().unwrap();
    });
}

/// Without any further receive.
#[test]
fn loom_a_sender_that_waits_gets_the_room() {
    model(3, || {
        let (tx, rx) = bounded(1);
        tx.try_send(0).unwrap();
        let sender = thread::spawn(move || block_on(tx.send_async(1)).unwrap());
        assert_eq!(block_on(rx.recv_async()), Ok(0));
        sender.join().unwrap();
        assert_eq!(rx.try_recv(), Ok(1));
    });
}

/// Two that send to one another's full channel at once; room is never exceeded.
#[test]
fn loom_there_is_never_more_than_there_is_room() {
    model(2, || {
        let (tx, rx) = bounded(1);
        tx.try_send(0).unwrap();
        assert_eq!(rx.try_recv(), Ok(0));
        let other = {
            let tx = tx.clone();
            thread::spawn(move || tx.try_send(1).is_ok())
        };
        let mine = tx.try_send(2).is_ok();
        let others = other.join().unwrap();
        assert!(mine != others, "one place, and one of the two got it");
    });
}

#[test]
fn loom_the_last_receiver_tells_who_sends() {
    model(3, || {
        let (tx, rx) = rendezvous::<Box<i32>>();
        let other = thread::spawn(move || drop(rx));
        let sent = block_on(tx.send_async(Box::new(1)));
        assert_eq!(*sent.unwrap_err().into_inner(), 1);
        other.join().unwrap();
    });
}

/// One selection, from two channels.
struct Two<'a> {
    first: OpCase<Recv<'a, i32>>,
    second: OpCase<Recv<'a, i32>>,
}

impl<'a> Two<'a> {
    fn new(first: &'a Receiver<i32>, second: &'a Receiver<i32>) -> Self {
        Two {
            first: OpCase::new(Recv(&first.core)),
            second: OpCase::new(Recv(&second.core)),
        }
    }

    fn select(&mut self) -> (usize, i32) {
        let bell = std::sync::Arc::default();
        let index = {
            let cases: &mut [&mut dyn Case] = &mut [&mut self.first, &mut self.second];
            select(cases, &bell)
        };
        let got = match index {
            0 => self.first.output(),
            _ => self.second.output(),
        };
        (index, got.unwrap().unwrap())
    }
}

/// The selection of the crate, waiting for a bell instead of parking.
fn select(cases: &mut [&mut dyn Case], bell: &std::sync::Arc<Bell>) -> usize {
    let order: Vec<usize> = (0..cases.len()).collect();
    loop {
        let wake = Wake::Task(Waker::from(bell.clone()));
        let waited = once(cases, &order, wake, |_, ticket| {
            while ticket.settled().is_none() {
                bell.wait();
            }
            Waited::Again
        });
        if let Waited::Chosen(index) = waited {
            return index;
        }
    }
}

/// A sender comes to both channels of a selection that gives up at some moment: what is sent is received, once.
#[test]
fn loom_a_selection_happens_once() {
    model(3, || {
        let (tx1, rx1) = rendezvous();
        let (tx2, rx2) = rendezvous();
        let senders = [(tx1.clone(), 1), (tx2.clone(), 2)];
        let sender = thread::spawn(move || {
            let sent = senders.map(|(tx, n)| match tx.try_send(n) {
                Ok(()) => Some(n),
                Err(TrySendError::Full(_)) => None,
                Err(other) => panic!("{other}"),
            });
            sent.into_iter().flatten().collect::<Vec<_>>()
        });
        let mut two = Two::new(&rx1, &rx2);
        let wake = Wake::Task(Waker::noop().clone());
        let cases: &mut [&mut dyn Case] = &mut [&mut two.first, &mut two.second];
        let received = match once(cases, &[0, 1], wake, |_, _| Waited::Again) {
            Waited::Chosen(0) => vec![two.first.output().unwrap().unwrap()],
            Waited::Chosen(_) => vec![two.second.output().unwrap().unwrap()],
            _ => vec![],
        };
        assert_eq!(sender.join().unwrap(), received);
    });
}

/// A waiter that is woken for another reason may see that it has been served before the wake-up comes.
#[test]
fn loom_who_is_served_sees_what_was_given() {
    model(3, || {
        let (tx, rx) = rendezvous();
        let sender = {
            let tx = tx.clone();
            thread::spawn(move || tx.try_send(Box::new(1)).is_ok())
        };
        let mut receive = OpCase::new(Recv(&rx.core));
        let wake = Wake::Task(Waker::noop().clone());
        let cases: &mut [&mut dyn Case] = &mut [&mut receive];
        let waited = once(cases, &[0], wake, |_, ticket| {
            for _ in 0..2 {
                if ticket.settled().is_none() {
                    thread::yield_now();
                }
            }
            Waited::Again
        });
        let received = matches!(waited, Waited::Chosen(_));
        if received {
            assert_eq!(*receive.output().unwrap().unwrap(), 1);
        }
        assert_eq!(sender.join().unwrap(), received);
    });
}

/// Each could serve the other, at either channel: one of the two must see it.
#[test]
fn loom_two_selections_that_meet_do_not_both_wait() {
    model(2, || {
        let (tx1, rx1) = rendezvous::<i32>();
        let (tx2, rx2) = rendezvous::<i32>();
        let other = {
            let (tx1, tx2) = (tx1.clone(), tx2.clone());
            thread::spawn(move || {
                let mut first = OpCase::sending(Sending(&tx1.core), Some(Item::Value(1)));
                let mut second = OpCase::sending(Sending(&tx2.core), Some(Item::Value(2)));
                let cases: &mut [&mut dyn Case] = &mut [&mut second, &mut first];
                select(cases, &std::sync::Arc::default())
            })
        };
        let (index, got) = Two::new(&rx1, &rx2).select();
        assert_eq!(got as usize, index + 1);
        assert_eq!(other.join().unwrap(), 1 - index);
        assert_eq!((rx1.balance(), rx2.balance()), (0, 0));
    });
}

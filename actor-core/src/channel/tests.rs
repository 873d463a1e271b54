//! What a channel does when a wait ends early, and what a selection leaves behind.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::core::{Cut, Sealed};
use super::select::{Patience, recv, run, send};
use super::{
    Receiver, RecvError, Select, SelectError, SendError, Sender, bounded, never, rendezvous,
    select, unbounded,
};

fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A channel with so much room, and an inbox or none.
fn room_for(values: usize, with_inbox: bool) -> (Sender<i32>, Receiver<i32>) {
    let (tx, rx) = bounded(values);
    if with_inbox {
        let state = tx.core.state().lock();
        tx.core.make_inbox(&state);
    }
    (tx, rx)
}

#[test]
fn a_value_that_comes_back_is_the_next() {
    for room in [0, 4] {
        let (tx, rx) = bounded(room);
        let mut others = Vec::new();
        {
            let mut waits = pin!(rx.recv_async());
            assert!(poll_once(waits.as_mut()).is_pending());
            tx.try_send(1).unwrap(); // it is given this one, and dropped
            for n in 2..4 {
                others.push(Box::pin(tx.send_async(n)));
                let _ = poll_once(others.last_mut().unwrap().as_mut());
            }
        }
        assert_eq!(
            (1..4).map(|_| rx.try_recv().unwrap()).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        assert_eq!(rx.len(), 0);
    }
}

/// In whatever order those leave that were given them.
#[test]
fn values_that_come_back_keep_their_order() {
    for leaving in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let (tx, rx) = bounded(4);
        let mut waits: Vec<_> = (0..3).map(|_| Some(Box::pin(rx.recv_async()))).collect();
        for wait in waits.iter_mut().flatten() {
            assert!(poll_once(wait.as_mut()).is_pending());
        }
        tx.send_all(0..4).unwrap();
        for place in leaving {
            waits[place] = None;
        }
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}

#[test]
fn what_is_lent_is_not_overtaken() {
    for with_inbox in [false, true] {
        let (tx, rx) = room_for(3, with_inbox);
        tx.send_all(0..2).unwrap();
        let mut waits = Box::pin(rx.recv_async());
        let mut late = Box::pin(rx.recv_async());
        let lent = tx.core.with_contents(|items| {
            assert_eq!((items.len(), rx.len()), (2, 2));
            assert!(rx.try_recv().is_err());
            assert!(poll_once(waits.as_mut()).is_pending());
            assert!(poll_once(late.as_mut()).is_pending());
            tx.try_send(2).unwrap();
            assert!(tx.try_send(3).is_err(), "what is lent takes room");
            assert!(tx.core.with_contents(|_| ()).is_none(), "one at a time");
        });
        assert_eq!(lent, Some(()));
        assert_eq!(poll_once(waits.as_mut()), Poll::Ready(Ok(0)));
        assert_eq!(poll_once(late.as_mut()), Poll::Ready(Ok(1)));
        tx.try_send(3).unwrap();
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [2, 3]);
    }
}

#[test]
fn who_waits_for_what_is_lent_is_told_of_the_end() {
    for closes in [false, true] {
        let (tx, rx) = bounded(3);
        tx.send_all(0..1).unwrap();
        let mut tx = Some(tx);
        let mut waits = [(); 2].map(|()| Box::pin(rx.recv_async()));
        rx.core.with_contents(|_| {
            for wait in &mut waits {
                assert!(poll_once(wait.as_mut()).is_pending());
            }
            match closes {
                true => rx.close(),
                false => tx = None,
            }
        });
        let expected = match closes {
            true => RecvError::Closed,
            false => RecvError::Disconnected,
        };
        let [first, second] = &mut waits;
        assert_eq!(poll_once(first.as_mut()), Poll::Ready(Ok(0)));
        assert_eq!(poll_once(second.as_mut()), Poll::Ready(Err(expected)));
    }
}

#[test]
fn what_comes_back_while_others_are_lent_is_before_them() {
    let (tx, rx) = bounded(4);
    let mut waits: Vec<_> = (0..2).map(|_| Some(Box::pin(rx.recv_async()))).collect();
    for wait in waits.iter_mut().flatten() {
        assert!(poll_once(wait.as_mut()).is_pending());
    }
    tx.send_all(0..4).unwrap();
    waits[0] = None;
    rx.core.with_contents(|items| {
        assert_eq!(items.len(), 3);
        waits[1] = None;
    });
    assert_eq!(rx.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn nothing_enters_or_leaves_what_is_sealed() {
    for with_inbox in [false, true] {
        let (tx, rx) = room_for(3, with_inbox);
        tx.send_all(0..2).unwrap();
        let sealed = Sealed::new(&tx.core).unwrap();
        assert_eq!((sealed.items().len(), rx.len()), (2, 2));
        let mut receives = Box::pin(rx.recv_async());
        let mut sends = [2, 3].map(|n| Box::pin(tx.send_async(n)));
        assert!(rx.try_recv().is_err() && tx.try_send(9).is_err());
        assert!(poll_once(receives.as_mut()).is_pending());
        for send in &mut sends {
            assert!(poll_once(send.as_mut()).is_pending());
        }
        // It goes on as if nothing had been.
        drop(sealed);
        assert_eq!(poll_once(receives.as_mut()), Poll::Ready(Ok(0)));
        for send in &mut sends {
            assert_eq!(poll_once(send.as_mut()), Poll::Ready(Ok(())));
        }
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn a_rendezvous_that_was_sealed_goes_on() {
    let (tx, rx) = rendezvous();
    let sealed = Sealed::new(&tx.core).unwrap();
    let mut receives = Box::pin(rx.recv_async());
    let mut sends = Box::pin(tx.send_async(1));
    assert!(poll_once(receives.as_mut()).is_pending());
    assert!(poll_once(sends.as_mut()).is_pending());
    drop(sealed);
    assert_eq!(poll_once(sends.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(poll_once(receives.as_mut()), Poll::Ready(Ok(1)));
}

#[test]
fn what_is_cut_is_gone_for_both_sides() {
    for with_inbox in [false, true] {
        let (tx, rx) = room_for(2, with_inbox);
        tx.send_all(0..2).unwrap();
        let mut sends = Box::pin(tx.send_async(2));
        assert!(poll_once(sends.as_mut()).is_pending());
        let sealed = Sealed::new(&tx.core).unwrap();
        let mut receives = Box::pin(rx.recv_async());
        assert!(poll_once(receives.as_mut()).is_pending());
        Cut::cut(Box::new(sealed));
        assert_eq!(
            poll_once(sends.as_mut()),
            Poll::Ready(Err(SendError::Disconnected(2)))
        );
        assert_eq!(
            poll_once(receives.as_mut()),
            Poll::Ready(Err(RecvError::Disconnected))
        );
        assert_eq!(rx.len(), 0);
        assert_eq!(tx.send(3), Err(SendError::Disconnected(3)));
        assert_eq!(rx.recv(), Err(RecvError::Disconnected));
    }
}

/// Looks whether there is more when it is dropped, as a receiver elsewhere may at that moment.
struct Looks(
    std::sync::mpsc::Sender<Option<Polled>>,
    Option<Receiver<Looks>>,
);

/// A receive that has been begun.
type Polled = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

impl Drop for Looks {
    fn drop(&mut self) {
        let Some(rx) = self.1.take() else { return };
        let mut receives: Polled = Box::pin(async move { rx.recv_async().await.is_err() });
        let waits = poll_once(receives.as_mut()).is_pending();
        let _ = self.0.send(waits.then_some(receives));
    }
}

#[test]
fn who_looks_while_a_channel_is_cut_does_not_wait_for_ever() {
    let (tell, told) = std::sync::mpsc::channel();
    let (tx, rx) = unbounded();
    assert!(tx.send(Looks(tell, Some(rx.clone()))).is_ok());
    let sealed = Sealed::new(&tx.core).unwrap();
    Cut::cut(Box::new(sealed));
    if let Some(mut receives) = told.recv().unwrap() {
        assert_eq!(poll_once(receives.as_mut()), Poll::Ready(true));
    }
}

#[test]
fn a_value_that_comes_back_goes_to_who_waits() {
    let (tx, rx) = rendezvous();
    let mut second = pin!(rx.recv_async());
    {
        let mut first = pin!(rx.recv_async());
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        tx.try_send(1).unwrap();
    }
    assert_eq!(poll_once(second), Poll::Ready(Ok(1)));
}

#[test]
fn a_selection_leaves_no_trace() {
    let (tx1, rx1) = rendezvous::<i32>();
    let (tx2, rx2) = rendezvous::<i32>();
    let (mut first, mut second) = (recv(&rx1), send(&tx2, 7));
    let cases = [
        select::Arm::case(&mut first),
        select::Arm::case(&mut second),
    ];
    let chosen = run(cases, Patience::For(Duration::from_millis(1)), false);
    assert_eq!(chosen, None);
    assert_eq!((rx1.balance(), rx2.balance()), (0, 0));
    drop((first, second));
    assert!(tx1.try_send(1).is_err());
    assert!(rx2.try_recv().is_err());
}

/// The one that is served is not in the other's list either.
#[test]
fn a_selection_that_was_served_leaves_no_trace() {
    let (tx1, rx1) = rendezvous::<i32>();
    let (tx2, rx2) = rendezvous::<i32>();
    let selects = std::thread::spawn(move || {
        let mut select = Select::new();
        let (_, second) = (select.recv(&rx1), select.recv(&rx2));
        assert_eq!(select.wait(), Ok(1));
        assert_eq!(second.take(), Some(Ok(7)));
        (rx1.balance(), rx2.balance())
    });
    tx2.send(7).unwrap();
    assert_eq!(selects.join().unwrap(), (0, 0));
    assert!(tx1.try_send(1).is_err());
}

#[test]
fn a_select_without_branches_says_so() {
    assert_eq!(Select::new().wait(), Err(SelectError::Empty));
    let (tx, rx) = unbounded();
    let nothing = never::<()>();
    let mut select = Select::new();
    let sends = select.send(&tx, 1);
    let nothing = select.recv(&nothing);
    assert_eq!(select.wait(), Ok(sends.index()));
    assert_eq!(sends.take(), Some(Ok(())));
    assert_eq!(select.try_wait(), Err(SelectError::NotReady));
    select.remove(nothing.index());
    assert_eq!(select.try_wait(), Err(SelectError::Empty), "sent once");
    assert_eq!(rx.len(), 1);
}

#[test]
fn a_biased_selection_takes_the_first_that_is_ready() {
    let channels: Vec<_> = (0..4).map(|_| unbounded()).collect();
    let receivers: Vec<&Receiver<usize>> = channels.iter().map(|(_, rx)| rx).collect();
    let mut select = Select::biased();
    for &receiver in &receivers {
        let _ = select.recv(receiver);
    }
    channels[3].0.send(3).unwrap();
    channels[1].0.send(1).unwrap();
    assert_eq!(select.wait(), Ok(1));
    assert_eq!(select.wait(), Ok(3));
}

/// The lock of the state is contended: from then on the inbox is used, and order is kept across the change.
#[test]
fn order_is_kept_when_threads_meet() {
    const EACH: usize = 20_000;
    for room in [3, usize::MAX] {
        let (tx, rx) = bounded(room);
        std::thread::scope(|scope| {
            for sender in 0..2 {
                let tx = tx.clone();
                scope.spawn(move || {
                    for n in 0..EACH {
                        tx.send((sender, n)).unwrap();
                    }
                });
            }
            drop(tx);
            let mut next = [0; 2];
            for (sender, n) in &rx {
                assert_eq!(n, next[sender]);
                next[sender] += 1;
            }
            assert_eq!(next, [EACH; 2]);
        });
    }
}

//! How channels end, and waits at them: disconnecting, closing, kills, throws.

use actor_core::channel::{
    Receiver, RecvError, SendError, SendTimeoutError, Sender, TryRecvError, TrySendError, bounded,
    unbounded,
};
use actor_core::microthread::{self, Interrupt, JoinError, block_on};
use actor_core::testing;
use tests::{Gate, Holder, ms, one_worker, within};

use super::{CAPACITIES, LIMIT, Stop, assert_killed, channel, let_run_until, waiting_at};

// ---- disconnecting ---------------------------------------------------------------------------------------------------

#[test]
fn what_is_left_can_be_received_after_the_senders_are_gone() {
    for capacity in [Some(3), None] {
        let (tx, rx) = channel(capacity);
        (0..3).for_each(|n| tx.send(n).unwrap());
        drop(tx);
        assert_eq!((rx.recv(), rx.try_recv()), (Ok(0), Ok(1)));
        assert_eq!(block_on(rx.recv_async()), Ok(2));
        for _ in 0..2 {
            assert_eq!(rx.recv(), Err(RecvError::Disconnected));
            assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
            assert!(rx.recv_timeout(ms(1)).unwrap_err().is_disconnected());
            assert_eq!(block_on(rx.recv_async()), Err(RecvError::Disconnected));
        }
    }
}

#[test]
fn a_send_that_nobody_can_receive_gives_the_value_back() {
    for capacity in CAPACITIES {
        let (tx, rx) = channel(capacity);
        let second = rx.clone();
        drop(rx);
        if capacity != Some(0) {
            tx.send(0).unwrap(); // one is left
        }
        drop(second);
        assert_eq!(tx.send(1), Err(SendError::Disconnected(1)));
        assert_eq!(tx.try_send(2), Err(TrySendError::Disconnected(2)));
        let late = tx.send_timeout(3, ms(1)).unwrap_err();
        assert_eq!((late.is_disconnected(), late.into_inner()), (true, 3));
        let sent = block_on(tx.send_async(4));
        assert_eq!(sent.unwrap_err().into_inner(), 4);
        let error = tx.send_error(Stop(5)).unwrap_err().into_inner();
        assert_eq!(error.downcast_ref(), Some(&Stop(5)));
        assert!(tx.is_empty(), "what was in it is gone");
    }
}

#[test]
fn receivers_that_wait_learn_that_the_last_sender_is_gone() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel::<u32>(capacity);
            let second = tx.clone();
            let plain = waiting_at(&rt, &tx, -1, {
                let rx = rx.clone();
                move || rx.recv()
            });
            let future = waiting_at(&rt, &tx, -2, move || block_on(rx.recv_async()));
            drop(tx);
            assert!(!plain.is_finished(), "there is another sender");
            drop(second);
            assert_eq!(plain.join().unwrap(), Err(RecvError::Disconnected));
            assert_eq!(future.join().unwrap(), Err(RecvError::Disconnected));
        }
    });
}

#[test]
fn senders_that_wait_learn_that_the_last_receiver_is_gone() {
    within(LIMIT, || {
        for capacity in [0, 1, 3] {
            let rt = one_worker();
            let (tx, rx) = bounded(capacity);
            (0..capacity).for_each(|_| tx.send(0).unwrap());
            let plain = waiting_at(&rt, &tx, 1, {
                let tx = tx.clone();
                move || tx.send(7)
            });
            let future = waiting_at(&rt, &tx, 2, {
                let tx = tx.clone();
                move || block_on(tx.send_async(8))
            });
            drop(rx);
            assert_eq!(plain.join().unwrap(), Err(SendError::Disconnected(7)));
            assert_eq!(future.join().unwrap(), Err(SendError::Disconnected(8)));
            assert_eq!((tx.balance(), tx.len()), (0, 0));
        }
    });
}

// ---- closing ---------------------------------------------------------------------------------------------------------

#[test]
fn nobody_waits_at_a_closed_channel() {
    for capacity in CAPACITIES {
        let (tx, rx) = channel(capacity);
        rx.close();
        assert!(tx.is_closing() && rx.is_closing() && tx.is_closed());
        assert_eq!(tx.send(1), Err(SendError::Closed(1)));
        assert_eq!(tx.try_send(2), Err(TrySendError::Closed(2)));
        let late = tx.send_timeout(3, ms(1));
        assert_eq!(late, Err(SendTimeoutError::Closed(3)));
        assert_eq!(block_on(tx.send_async(4)), Err(SendError::Closed(4)));
        assert_eq!(rx.recv(), Err(RecvError::Closed));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(block_on(rx.recv_async()), Err(RecvError::Closed));
        assert_eq!(rx.iter().next(), None);
        assert_eq!(tx.balance(), 0);
    }
}

#[test]
fn who_waits_when_a_channel_is_closed_is_served_still() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let receiver = waiting_at(&rt, &tx, -1, {
                let rx = rx.clone();
                move || rx.recv()
            });
            tx.close();
            assert!(tx.is_closing() && !tx.is_closed(), "one waits");
            assert!(!receiver.is_finished(), "nobody is woken");
            tx.send(5).unwrap();
            assert_eq!(receiver.join().unwrap(), Ok(5));
            assert!(tx.is_closed());
            tx.reopen();
            let Some(room) = capacity else { continue };
            (0..room).for_each(|_| tx.send(6).unwrap());
            let sender = waiting_at(&rt, &tx, 1, {
                let tx = tx.clone();
                move || tx.send(7)
            });
            tx.close();
            assert!(!sender.is_finished());
            // What is in it, then what waits.
            (0..room).for_each(|_| assert_eq!(rx.recv(), Ok(6)));
            assert_eq!(rx.recv(), Ok(7));
            sender.join().unwrap().unwrap();
            assert_eq!(rx.recv(), Err(RecvError::Closed));
        }
    });
}

#[test]
fn what_is_in_a_closed_channel_can_be_received() {
    for capacity in [Some(3), None] {
        let (tx, rx) = channel(capacity);
        tx.send(1).unwrap();
        tx.close();
        assert_eq!(tx.send(2), Err(SendError::Closed(2)), "there is room");
        assert!(tx.is_closing() && !tx.is_closed());
        assert_eq!(rx.recv(), Ok(1));
        assert!(tx.is_closed());
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    }
}

#[test]
fn a_channel_that_is_opened_again_is_as_before() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            tx.close();
            rx.reopen();
            assert!(!tx.is_closing() && !tx.is_closed());
            let receiver = waiting_at(&rt, &tx, -1, move || rx.recv());
            tx.send(1).unwrap();
            assert_eq!(receiver.join().unwrap(), Ok(1));
        }
    });
}

#[test]
fn a_closed_channel_without_senders_is_disconnected() {
    let (tx, rx) = unbounded::<u32>();
    tx.close();
    drop(tx);
    assert_eq!(rx.recv(), Err(RecvError::Disconnected));
}

// ---- kills and throws ------------------------------------------------------------------------------------------------

#[test]
fn a_killed_waiter_leaves_no_trace() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel::<u32>(capacity);
            let waits: [fn(&Receiver<u32>); 3] = [
                |rx| drop(rx.recv()),
                |rx| drop(rx.recv_timeout(ms(3_600_000))),
                |rx| drop(block_on(rx.recv_async())),
            ];
            for wait in waits {
                let own = rx.clone();
                let victim = waiting_at(&rt, &tx, -1, move || wait(&own));
                victim.kill();
                assert_killed(victim.join());
                assert_eq!(tx.balance(), 0);
            }
            let Some(room) = capacity else { continue };
            (0..room).for_each(|_| tx.send(0).unwrap());
            let sends: [fn(&Sender<u32>); 3] = [
                |tx| drop(tx.send(9)),
                |tx| drop(tx.send_timeout(9, ms(3_600_000))),
                |tx| drop(block_on(tx.send_async(9))),
            ];
            for send in sends {
                let own = tx.clone();
                let victim = waiting_at(&rt, &tx, 1, move || send(&own));
                victim.kill();
                assert_killed(victim.join());
                assert_eq!((tx.balance(), tx.len()), (0, room));
            }
            assert!(rx.try_iter().eq(vec![0; room]), "nothing of the killed");
        }
    });
}

#[test]
fn what_a_killed_receiver_was_given_goes_to_the_next_that_waits() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let (first, second) = (rx.clone(), rx.clone());
            let first = waiting_at(&rt, &tx, -1, move || first.recv());
            let second = waiting_at(&rt, &tx, -2, move || second.recv());
            let holder = Holder::spawn(&rt, "holder");
            tx.send(1).unwrap(); // to the first, which cannot run
            assert_eq!(tx.balance(), -1);
            first.kill();
            drop(holder);
            assert_killed(first.join());
            assert_eq!(second.join().unwrap(), Ok(1));
        }
    });
}

#[test]
fn what_a_killed_receiver_was_given_is_the_next_value() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let own = rx.clone();
            let victim = waiting_at(&rt, &tx, -1, move || own.recv());
            let holder = Holder::spawn(&rt, "holder");
            tx.send(1).unwrap();
            let behind = capacity != Some(0);
            if behind {
                tx.send(2).unwrap();
            }
            victim.kill();
            drop(holder);
            assert_killed(victim.join());
            // Room or not.
            assert_eq!(rx.len(), 1 + usize::from(behind));
            assert_eq!(rx.recv(), Ok(1));
            assert_eq!(rx.try_recv().is_ok(), behind);
        }
    });
}

#[test]
fn a_kill_that_meets_a_value_loses_nothing_and_doubles_nothing() {
    testing::check(|_| {
        for capacity in CAPACITIES {
            let (tx, rx) = channel(capacity);
            let (a, b) = (rx.clone(), rx.clone());
            let victim = microthread::spawn(move || a.recv());
            let other = microthread::spawn(move || b.recv());
            let sender = microthread::spawn(move || tx.send_all([1, 2]));
            victim.kill();
            let mut got = vec![other.join().unwrap().unwrap()];
            got.extend(victim.join().into_iter().map(Result::unwrap));
            // What the one that was killed was given may have been overtaken, and is there.
            got.extend(rx);
            got.sort_unstable();
            assert_eq!(got, [1, 2]);
            assert_eq!(sender.join().unwrap(), Ok(2));
        }
    });
}

#[test]
fn a_waiting_receive_returns_what_is_thrown() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let returned = Gate::new();
            let opens = returned.clone();
            let target = waiting_at(&rt, &tx, -1, move || {
                let first = rx.recv();
                opens.open();
                (first, rx.recv())
            });
            target.throw(Stop(4)).unwrap();
            returned.wait();
            tx.send(1).unwrap();
            let (first, second) = target.join().unwrap();
            let Err(RecvError::Interrupted(Interrupt::Thrown(thrown))) = first else {
                panic!("{first:?}");
            };
            assert_eq!(thrown.downcast_ref(), Some(&Stop(4)));
            assert_eq!(second, Ok(1), "the channel is as before");
        }
    });
}

#[test]
fn a_waiting_send_returns_what_is_thrown_and_its_value() {
    within(LIMIT, || {
        for capacity in [0, 1, 3] {
            let rt = one_worker();
            let (tx, rx) = bounded(capacity);
            (0..capacity).for_each(|n| tx.send(n).unwrap());
            let own = tx.clone();
            let target = waiting_at(&rt, &tx, 1, move || own.send(77));
            target.throw(Stop(4)).unwrap();
            let Err(SendError::Interrupted(value, Interrupt::Thrown(thrown))) =
                target.join().unwrap()
            else {
                panic!("not interrupted");
            };
            assert_eq!((value, thrown.downcast_ref()), (77, Some(&Stop(4))));
            assert_eq!(tx.balance(), 0);
            assert!(rx.try_iter().eq(0..capacity));
        }
    });
}

#[test]
fn a_throw_that_meets_a_value_takes_neither_away() {
    testing::check(|_| {
        for capacity in CAPACITIES {
            let (tx, rx) = channel(capacity);
            let target = microthread::spawn(move || {
                let mut got = Vec::new();
                let mut thrown = 0;
                while got.len() < 2 || thrown < 1 {
                    match rx.recv() {
                        Ok(value) => got.push(value),
                        Err(RecvError::Interrupted(_)) => thrown += 1,
                        Err(RecvError::Disconnected) => break,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                (got, thrown)
            });
            let_run_until(|| tx.balance() == -1);
            let sender = microthread::spawn(move || {
                tx.send(1).unwrap();
                tx.send(2).unwrap();
                tx
            });
            let thrown = target.throw(Stop(1));
            let tx = sender.join().unwrap();
            if thrown.is_err() {
                drop(tx); // it has ended, or is about to
                continue;
            }
            let (got, thrown) = target.join().unwrap();
            assert_eq!((got, thrown), (vec![1, 2], 1));
        }
    });
}

#[test]
fn while_a_panic_unwinds_nothing_waits_and_what_needs_no_waiting_is_done() {
    struct OnUnwind(Sender<u32>, Receiver<u32>);
    impl Drop for OnUnwind {
        fn drop(&mut self) {
            let OnUnwind(tx, rx) = self;
            let unwinding = Err(SendError::Interrupted(2, Interrupt::Unwinding));
            assert_eq!(tx.send(1), Ok(()));
            assert_eq!(tx.send(2), unwinding);
            assert_eq!(rx.recv(), Ok(1));
            let unwinding = Err(RecvError::Interrupted(Interrupt::Unwinding));
            assert_eq!(rx.recv(), unwinding);
            assert_eq!(tx.balance(), 0);
            tx.send(3).unwrap();
        }
    }
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = bounded(1);
        let own = OnUnwind(tx, rx.clone());
        let unwinds = rt.spawn(move || {
            let _own = own;
            std::panic::resume_unwind(Box::new("over"));
        });
        let ended = unwinds.unwrap().join();
        assert!(matches!(ended, Err(JoinError::Panicked(_))), "{ended:?}");
        assert_eq!(rx.recv(), Ok(3), "all of it was as it should be");
    });
}

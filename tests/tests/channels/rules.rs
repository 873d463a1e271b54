//! How values pass: capacity, order, who gets what, deadlines, iteration.

use std::thread;
use std::time::Duration;

use actor_core::channel::{
    Preference, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError, bounded, rendezvous, unbounded,
};
use actor_core::microthread::{self, block_on};
use actor_core::testing;
use tests::{ms, one_worker, runtime, until, within};

use super::{CAPACITIES, LIMIT, Stop, channel, let_run_until, waiting_at};

#[test]
fn a_rendezvous_send_waits_for_a_receive() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let send = waiting_at(&rt, &tx, 1, {
            let tx = tx.clone();
            move || tx.send(7)
        });
        assert_eq!(rx.len(), 0);
        assert_eq!(rx.recv(), Ok(7));
        send.join().unwrap().unwrap();
        assert_eq!(tx.balance(), 0);
    });
}

#[test]
fn a_rendezvous_receive_waits_for_a_send() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let recv = waiting_at(&rt, &tx, -1, move || rx.recv());
        tx.send(7).unwrap();
        assert_eq!(recv.join().unwrap(), Ok(7));
    });
}

#[test]
fn a_bounded_channel_takes_what_it_has_room_for_and_then_a_send_waits() {
    within(LIMIT, || {
        for capacity in [1, 2, 7, 1000] {
            let rt = one_worker();
            let (tx, rx) = bounded(capacity);
            for n in 0..capacity {
                assert!(!tx.is_full());
                tx.send(n).unwrap();
            }
            assert!(tx.is_full());
            let send = waiting_at(&rt, &tx, 1, {
                let tx = tx.clone();
                move || tx.send(capacity)
            });
            assert_eq!(tx.len(), capacity);
            assert_eq!(rx.recv(), Ok(0));
            send.join().unwrap().unwrap();
            // The one that waited has the room.
            assert_eq!((tx.len(), tx.balance()), (capacity, 0));
            let rest: Vec<_> = rx.try_iter().collect();
            assert_eq!(rest, (1..=capacity).collect::<Vec<_>>());
        }
    });
}

#[test]
fn an_unbounded_channel_lets_no_send_wait() {
    let (tx, rx) = unbounded();
    (0..10_000).for_each(|n| tx.send(n).unwrap());
    assert_eq!((tx.len(), tx.is_full()), (10_000, false));
    assert!(rx.try_iter().eq(0..10_000));
}

#[test]
fn a_bounded_channel_without_room_is_a_rendezvous() {
    let (tx, rx) = bounded(0);
    assert_eq!((tx.capacity(), tx.is_full()), (Some(0), true));
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn both_sides_say_how_full_it_is() {
    for capacity in CAPACITIES {
        let (tx, rx) = channel(capacity);
        assert_eq!((tx.capacity(), rx.capacity()), (capacity, capacity));
        assert!(tx.is_empty() && rx.is_empty());
        let sent = (0..2).filter(|n| tx.try_send(*n).is_ok()).count();
        assert_eq!(sent, capacity.unwrap_or(2).min(2));
        assert_eq!((tx.len(), rx.len()), (sent, sent));
        assert_eq!(rx.is_full(), capacity.is_some_and(|it| it <= sent));
        assert_eq!(rx.is_empty(), sent == 0);
    }
}

#[test]
fn values_of_one_sender_arrive_in_order() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = runtime(2);
            let (tx, rx) = channel(capacity);
            let sender = rt.spawn(move || (0..2_000).for_each(|n| tx.send(n).unwrap()));
            assert!(rx.iter().eq(0..2_000), "{capacity:?}");
            sender.unwrap().join().unwrap();
        }
    });
}

#[test]
fn senders_that_wait_are_served_first_come_first_served() {
    within(LIMIT, || {
        for capacity in [0, 1, 3] {
            let rt = one_worker();
            let (tx, rx) = bounded(capacity);
            (0..capacity).for_each(|n| tx.send(n).unwrap());
            for n in 0..5 {
                let sender = tx.clone();
                let send = move || sender.send(capacity + n).unwrap();
                drop(waiting_at(&rt, &tx, n as isize + 1, send));
            }
            for n in 0..capacity + 5 {
                assert_eq!(rx.recv(), Ok(n));
            }
        }
    });
}

#[test]
fn receivers_that_wait_are_served_first_come_first_served() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let receivers: Vec<_> = (0..5)
                .map(|n: isize| {
                    let rx = rx.clone();
                    waiting_at(&rt, &tx, -1 - n, move || rx.recv())
                })
                .collect();
            (0..5).for_each(|n| tx.send(n).unwrap());
            for (n, receiver) in receivers.into_iter().enumerate() {
                assert_eq!(receiver.join().unwrap(), Ok(n));
            }
        }
    });
}

#[test]
fn each_value_goes_to_exactly_one_receiver() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = runtime(2);
            let (tx, rx) = channel(capacity);
            let receivers: Vec<_> = (0..4)
                .map(|_| {
                    let rx = rx.clone();
                    rt.spawn(move || rx.into_iter().collect::<Vec<u32>>())
                        .unwrap()
                })
                .collect();
            drop(rx);
            (0..1_000).for_each(|n| tx.send(n).unwrap());
            drop(tx);
            let mut all: Vec<_> = receivers
                .into_iter()
                .flat_map(|receiver| receiver.join().unwrap())
                .collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..1_000), "{capacity:?}");
        }
    });
}

#[test]
fn what_must_not_wait_says_that_it_would() {
    for capacity in CAPACITIES {
        let (tx, rx) = channel::<usize>(capacity);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        if let Some(capacity) = capacity {
            (0..capacity).for_each(|n| tx.try_send(n).unwrap());
            assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)));
            assert!((0..capacity).all(|n| rx.try_recv() == Ok(n)));
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!((tx.len(), tx.balance()), (0, 0));
    }
}

#[test]
fn what_must_not_wait_meets_who_waits() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let receiver = waiting_at(&rt, &tx, -1, {
                let rx = rx.clone();
                move || rx.recv()
            });
            tx.try_send(1).unwrap();
            assert_eq!(receiver.join().unwrap(), Ok(1));
            let Some(room) = capacity else { continue };
            (0..room).for_each(|_| tx.send(0).unwrap());
            let sender = waiting_at(&rt, &tx, 1, {
                let tx = tx.clone();
                move || tx.send(2)
            });
            let got: Vec<_> = (0..=room).map(|_| rx.try_recv().unwrap()).collect();
            assert_eq!(got.last(), Some(&2));
            sender.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_wait_ends_exactly_at_its_deadline_and_gives_the_value_back() {
    testing::check(|_| {
        for capacity in CAPACITIES {
            let (tx, rx) = channel(capacity);
            let start = testing::elapsed();
            let late = rx.recv_timeout(ms(30));
            assert_eq!(late, Err(RecvTimeoutError::TimedOut));
            assert_eq!(testing::elapsed() - start, ms(30));
            let Some(room) = capacity else { continue };
            (0..room).for_each(|n| tx.send(n).unwrap());
            let late = tx.send_timeout(99, ms(70));
            assert_eq!(late, Err(SendTimeoutError::TimedOut(99)));
            assert_eq!(testing::elapsed() - start, ms(100));
            // Nobody is left behind in the channel, and nothing of the one that gave up.
            assert_eq!((tx.balance(), rx.len()), (0, room));
            assert!(rx.try_iter().eq(0..room));
        }
    });
}

#[test]
fn a_partner_before_the_deadline_is_in_time() {
    testing::check(|_| {
        for capacity in CAPACITIES {
            let (tx, rx) = channel(capacity);
            let start = testing::elapsed();
            let sender = microthread::spawn(move || {
                microthread::sleep(ms(10));
                tx.send_timeout(5, ms(10)).unwrap();
            });
            assert_eq!(rx.recv_timeout(ms(3_600_000)), Ok(5));
            assert_eq!(testing::elapsed() - start, ms(10));
            sender.join().unwrap();
        }
    });
}

#[test]
fn a_partner_at_the_very_deadline_is_in_time_or_too_late_for_both() {
    testing::check(|_| {
        let (tx, rx) = rendezvous();
        let sender = microthread::spawn(move || tx.send_timeout(5, ms(10)));
        microthread::sleep(ms(10));
        let got = rx.try_recv();
        match sender.join().unwrap() {
            Ok(()) => assert_eq!(got, Ok(5)),
            Err(SendTimeoutError::TimedOut(5)) => assert!(got.is_err()),
            Err(other) => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_deadline_that_has_passed_still_takes_what_is_there() {
    let (tx, rx) = bounded(1);
    let past = std::time::Instant::now();
    assert_eq!(tx.send_deadline(1, past), Ok(()));
    assert_eq!(
        tx.send_deadline(2, past),
        Err(SendTimeoutError::TimedOut(2))
    );
    assert_eq!(rx.recv_deadline(past), Ok(1));
    assert_eq!(rx.recv_deadline(past), Err(RecvTimeoutError::TimedOut));
    assert_eq!(
        rx.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::TimedOut)
    );
}

#[test]
fn an_endless_timeout_is_no_deadline() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let recv = waiting_at(&rt, &tx, -1, move || rx.recv_timeout(Duration::MAX));
        tx.send_timeout(1, Duration::MAX).unwrap();
        assert_eq!(recv.join().unwrap(), Ok(1));
    });
}

#[test]
fn iteration_ends_when_the_senders_are_gone() {
    let (tx, rx) = unbounded();
    let second = tx.clone();
    tx.send(1).unwrap();
    second.send(2).unwrap();
    drop((tx, second));
    let mut values = rx.iter();
    assert!(values.by_ref().eq([1, 2]));
    assert_eq!(values.error(), Some(&RecvError::Disconnected));
    assert_eq!(values.next(), None);
    assert_eq!((&rx).into_iter().count(), 0);
    assert_eq!(rx.into_iter().count(), 0);
}

#[test]
fn iterating_over_what_is_there_does_not_wait() {
    let (tx, rx) = unbounded();
    (0..3).for_each(|n| tx.send(n).unwrap());
    assert!(rx.try_iter().eq(0..3));
    assert_eq!(rx.try_iter().next(), None);
    tx.send(3).unwrap();
    assert!(rx.try_iter().eq([3]));
}

#[test]
fn an_error_that_was_sent_is_received_in_its_turn() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let sender = rt.spawn(move || {
                tx.send(1).unwrap();
                tx.send_error(Stop(9)).unwrap();
                tx.send(2).unwrap();
            });
            let mut values = rx.iter();
            assert!(values.by_ref().eq([1]), "the error ends the iteration");
            let Some(RecvError::Thrown(thrown)) = values.error() else {
                panic!("{:?}", values.error());
            };
            assert_eq!(thrown.downcast_ref(), Some(&Stop(9)));
            // Only the iterator has ended.
            assert_eq!(rx.recv(), Ok(2));
            assert_eq!(rx.recv(), Err(RecvError::Disconnected));
            sender.unwrap().join().unwrap();
        }
    });
}

#[test]
fn sending_all_says_how_many_there_were() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let sender = rt.spawn(move || tx.send_all(0..5)).unwrap();
        assert!(rx.iter().eq(0..5));
        assert_eq!(sender.join().unwrap(), Ok(5));
    });
}

#[test]
fn sending_all_stops_at_the_first_that_cannot_be_sent() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let sender = rt.spawn(move || {
            let mut values = 0..10;
            let failed = tx.send_all(values.by_ref()).unwrap_err();
            (failed, values.next())
        });
        assert_eq!((rx.recv(), rx.recv()), (Ok(0), Ok(1)));
        drop(rx);
        let (failed, next) = sender.unwrap().join().unwrap();
        assert_eq!(failed.sent, 2);
        assert_eq!(failed.error, SendError::Disconnected(2));
        assert_eq!(next, Some(3), "those behind it are the caller's still");
    });
}

#[test]
fn the_balance_counts_who_waits() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous::<usize>();
        for n in 0..3 {
            let sender = tx.clone();
            drop(waiting_at(&rt, &tx, n as isize + 1, move || sender.send(n)));
        }
        assert_eq!((tx.balance(), rx.balance()), (3, 3));
        (0..3).for_each(|n| assert_eq!(rx.recv(), Ok(n)));
        for n in 0..3 {
            let rx = rx.clone();
            drop(waiting_at(&rt, &tx, -1 - n, move || rx.recv()));
        }
        assert_eq!((tx.balance(), rx.balance()), (-3, -3));
        (0..3).for_each(|n| tx.send(n).unwrap());
        assert_eq!(tx.balance(), 0);
    });
}

#[test]
fn settings_belong_to_the_channel() {
    let (tx, rx) = rendezvous::<()>();
    let (other, _rx) = rendezvous::<()>();
    assert!(tx.same_channel(&tx.clone()) && rx.same_channel(&rx.clone()));
    assert!(!tx.same_channel(&other));
    assert_eq!(rx.preference(), Preference::Receiver);
    tx.set_preference(Preference::Sender);
    tx.set_schedule_all(true);
    assert_eq!(rx.clone().preference(), Preference::Sender);
    assert!(rx.schedule_all() && !other.schedule_all());
}

#[test]
fn values_without_size_are_counted() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let sender = rt.spawn(move || (0..1_000).for_each(|_| tx.send(()).unwrap()));
            assert_eq!(rx.iter().count(), 1_000);
            sender.unwrap().join().unwrap();
        }
    });
}

/// A value of this size, and stacks for many copies of it: nothing is optimised here.
const HUGE: usize = 64 * 1024;
const STACK: usize = 8 * 1024 * 1024;

#[test]
fn huge_values_arrive_whole() {
    within(LIMIT, || {
        for capacity in CAPACITIES {
            let rt = one_worker();
            let (tx, rx) = channel(capacity);
            let send = move || (0..20_u8).for_each(|n| tx.send([n; HUGE]).unwrap());
            let sender = thread::Builder::new().stack_size(STACK).spawn(send);
            let recv = move || {
                let mut next = 0;
                while let Ok(value) = rx.recv() {
                    assert!(value.iter().all(|byte| *byte == next));
                    next += 1;
                }
                next
            };
            let receiver = microthread::Builder::new()
                .stack_size(STACK)
                .spawn_in(&rt, recv);
            assert_eq!(receiver.unwrap().join().unwrap(), 20);
            sender.unwrap().join().unwrap();
        }
    });
}

/// Sends 0 to 99, one way or another.
const SENDS: [fn(&actor_core::channel::Sender<u32>, u32); 2] = [
    |tx, n| tx.send(n).unwrap(),
    |tx, n| block_on(tx.send_async(n)).unwrap(),
];
const RECEIVES: [fn(&actor_core::channel::Receiver<u32>) -> u32; 2] = [
    |rx| rx.recv().unwrap(),
    |rx| block_on(rx.recv_async()).unwrap(),
];

#[test]
fn microthreads_threads_and_futures_are_partners_of_each_other() {
    within(LIMIT, || {
        let rt = runtime(2);
        for way in 0..16 {
            let (send, recv) = (SENDS[way & 1], RECEIVES[way >> 1 & 1]);
            for capacity in CAPACITIES {
                let (tx, rx) = channel(capacity);
                let send = move || (0..100).for_each(|n| send(&tx, n));
                let recv = move || (0..100).for_each(|n| assert_eq!(recv(&rx), n));
                let mut threads = Vec::new();
                let mut microthreads = Vec::new();
                match way & 4 {
                    0 => threads.push(thread::spawn(send)),
                    _ => microthreads.push(rt.spawn(send).unwrap()),
                }
                match way & 8 {
                    0 => threads.push(thread::spawn(recv)),
                    _ => microthreads.push(rt.spawn(recv).unwrap()),
                }
                threads.into_iter().for_each(|it| it.join().unwrap());
                microthreads.into_iter().for_each(|it| it.join().unwrap());
            }
        }
    });
}

#[test]
fn a_receiver_that_has_left_is_not_counted_and_not_served() {
    testing::check(|_| {
        for capacity in CAPACITIES {
            let (tx, rx) = channel(capacity);
            let (left, stays) = (rx.clone(), rx.clone());
            let left = microthread::spawn(move || left.recv_timeout(ms(5)));
            let stays = microthread::spawn(move || stays.recv());
            let_run_until(|| tx.balance() == -2);
            assert_eq!(left.join().unwrap(), Err(RecvTimeoutError::TimedOut));
            assert_eq!(tx.balance(), -1);
            tx.send(3).unwrap();
            assert_eq!(stays.join().unwrap(), Ok(3));
        }
    });
}

#[test]
fn a_future_waits_only_once_it_is_polled() {
    within(LIMIT, || {
        let (tx, rx) = rendezvous();
        let (send, recv) = (tx.send_async(1), rx.recv_async());
        assert_eq!(tx.balance(), 0);
        drop(recv);
        let rt = one_worker();
        let receiver = waiting_at(&rt, &tx, -1, {
            let rx = rx.clone();
            move || rx.recv()
        });
        block_on(send).unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(1));
        until(|| rx.balance() == 0);
    });
}

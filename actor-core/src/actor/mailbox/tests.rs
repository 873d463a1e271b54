//! Behaviour, a model, and stress on two threads.

use super::seam::park;
use super::wait::{Outcome, Waiter};
use super::word::WAITERS;
use super::*;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread;

fn consumer<M>(mailbox: &Mailbox<M>) -> Consumer<'_, M> {
    // SAFETY: tests that call this have one consumer at a time, handed over by thread start, join or channel.
    unsafe { mailbox.consumer() }
}

fn must_schedule<E: fmt::Debug>(pushed: Result<Pushed, E>) -> bool {
    pushed.expect("accepted").wake == Wake::Actor
}

#[test]
fn an_empty_mailbox_is_small_and_owns_no_block() {
    assert!(size_of::<Mailbox<u64>>() <= 40);
    let mailbox = Mailbox::<u64>::new();
    assert!(must_schedule(mailbox.try_push(1, 0)));
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop(0), Some(1));
    assert!(c.go_idle(0).is_ok());
    // SAFETY: single-threaded.
    assert!(mailbox.tail.with(|tail| unsafe { (*tail).is_null() }));
}

#[test]
fn only_the_push_that_finds_the_actor_idle_must_schedule_it() {
    let mailbox = Mailbox::new();
    assert!(must_schedule(mailbox.try_push(1, 0)));
    assert!(!must_schedule(mailbox.try_push(2, 0)));
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop(0), Some(1));
    c = c.go_idle(0).expect_err("a message is left");
    assert_eq!(c.pop(0), Some(2));
    assert_eq!(c.pop(0), None);
    assert!(c.go_idle(0).is_ok());
    assert!(must_schedule(mailbox.try_push(3, 0)));
}

#[test]
fn held_messages_stay_and_schedule_nobody() {
    let mailbox = Mailbox::new();
    for n in 0..100 {
        let _ = mailbox.try_push(n, 0);
    }
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop(0), Some(0));
    c.hold();
    assert!(c.go_idle(0).is_ok(), "held messages are nothing to do");
    for n in 100..200 {
        assert!(!must_schedule(mailbox.try_push(n, 0)));
    }
    assert_eq!(mailbox.len(), 199);
    // A flag does schedule, and keeps the consumer from going idle.
    assert_eq!(mailbox.raise(Flags::SIGNAL), Wake::Actor);
    let mut c = consumer(&mailbox).go_idle(0).expect_err("a flag is up");
    assert_eq!(
        c.take_flags(Flags::SIGNAL | Flags::HELD),
        Flags::SIGNAL | Flags::HELD
    );
    c = c.go_idle(0).expect_err("messages count again");
    for n in 1..200 {
        assert_eq!(c.pop(0), Some(n));
    }
    assert!(c.go_idle(0).is_ok());
    assert!(must_schedule(mailbox.try_push(200, 0)));
}

#[test]
fn whoever_waits_for_room_in_a_held_mailbox_is_admitted_when_it_is_not_held() {
    const CAP: u32 = 1;
    let mailbox = Arc::new(Mailbox::new_scheduled());
    let mut c = consumer(&mailbox);
    c.hold();
    let _ = mailbox.try_push(0, CAP);
    assert!(c.go_idle(CAP).is_ok());
    let sender = thread::spawn({
        let mailbox = mailbox.clone();
        move || mailbox.push_wait(1, CAP, None, &drop).map(|_| ())
    });
    while mailbox.try_push(9, CAP).is_ok() || mailbox.word.load(Relaxed) & WAITERS == 0 {
        thread::yield_now();
    }
    assert_eq!(mailbox.raise(Flags::SIGNAL), Wake::Actor);
    let mut c = consumer(&mailbox);
    c.take_flags(Flags::SIGNAL | Flags::HELD);
    assert_eq!(c.pop(CAP), Some(0));
    assert_eq!(sender.join().unwrap(), Ok(()));
    assert_eq!(c.pop(CAP), Some(1));
    assert!(c.go_idle(CAP).is_ok());
}

#[test]
fn a_mailbox_born_scheduled_is_not_scheduled_by_pushes() {
    let mailbox = Mailbox::new_scheduled();
    assert!(!must_schedule(mailbox.try_push(1, 0)));
}

#[test]
fn order_is_kept_across_blocks_and_the_wrap_of_the_counts() {
    let mailbox = Mailbox::with_counts(0, u32::MAX - 50);
    let mut c = consumer(&mailbox);
    for round in 0..5u64 {
        for i in 0..200 {
            let _ = mailbox.try_push(round * 200 + i, 0);
        }
        assert_eq!(mailbox.len(), 200);
        for i in 0..200 {
            assert_eq!(c.pop(0), Some(round * 200 + i));
        }
        assert!(mailbox.is_empty());
    }
}

#[test]
fn a_full_mailbox_gives_the_message_back() {
    let mailbox = Mailbox::with_counts(0, u32::MAX);
    let _ = mailbox.try_push('a', 2);
    let _ = mailbox.try_push('b', 2);
    assert_eq!(mailbox.try_push('c', 2), Err(PushError::Full('c')));
    assert_eq!(consumer(&mailbox).pop(2), Some('a'));
    assert!(mailbox.try_push('c', 2).is_ok());
    assert_eq!(
        mailbox.push_wait('d', 2, Some(Instant::now()), &drop),
        Err(WaitError::Timeout('d'))
    );
    assert_eq!(mailbox.word.load(Relaxed) & WAITERS, 0);
}

#[test]
fn closing_returns_what_is_left_and_refuses_the_rest() {
    let mailbox = Mailbox::new();
    for i in 0..100 {
        let _ = mailbox.try_push(i, 0);
    }
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop(0), Some(0));
    let drain = c.close();
    assert_eq!(drain.len(), 99);
    assert!(drain.eq(1..100));
    assert!(mailbox.is_closed());
    assert_eq!(mailbox.try_push(7, 0), Err(PushError::Closed(7)));
    assert_eq!(
        mailbox.push_wait(8, 1, None, &drop),
        Err(WaitError::Closed(8))
    );
    assert_eq!(mailbox.raise(Flags::KILL), Wake::Nobody);
    assert_eq!(consumer(&mailbox).close().count(), 0);
}

#[test]
fn flags_schedule_an_idle_actor_and_keep_it_from_idling() {
    let mailbox = Mailbox::<()>::new();
    assert_eq!(mailbox.raise(Flags::SIGNAL), Wake::Actor);
    assert_eq!(mailbox.raise(Flags::STOP), Wake::Nobody);
    let mut c = consumer(&mailbox).go_idle(0).expect_err("flags are up");
    assert_eq!(c.take_flags(Flags::SIGNAL | Flags::KILL), Flags::SIGNAL);
    assert_eq!(c.flags(), Flags::STOP);
    assert_eq!(c.take_flags(Flags::STOP), Flags::STOP);
    assert!(c.go_idle(0).is_ok());
}

#[test]
fn a_suspended_mailbox_accepts_and_schedules_on_resume() {
    let mailbox = Mailbox::new_scheduled();
    consumer(&mailbox).suspend();
    assert!(!must_schedule(mailbox.try_push(1, 0)));
    assert_eq!(mailbox.raise(Flags::SIGNAL), Wake::Nobody);
    assert!(mailbox.is_suspended());
    assert_eq!(mailbox.resume(), Wake::Actor);
    assert_eq!(mailbox.resume(), Wake::Nobody);
    assert_eq!(consumer(&mailbox).pop(0), Some(1));
    let mut c = consumer(&mailbox);
    c.take_flags(Flags::SIGNAL);
    c.suspend();
    assert_eq!(mailbox.resume(), Wake::Nobody, "nothing to do");
    assert!(must_schedule(mailbox.try_push(2, 0)));
}

/// Counts its drops, and panics in one of them.
struct Bomb(u32, Arc<AtomicUsize>);
impl Drop for Bomb {
    fn drop(&mut self) {
        self.1.fetch_add(1, Relaxed);
        assert!(self.0 != 3, "boom");
    }
}

#[test]
fn a_panicking_destructor_leaves_no_message_behind() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mailbox = Mailbox::new();
    for i in 0..100 {
        assert!(mailbox.try_push(Bomb(i, drops.clone()), 0).is_ok());
    }
    catch_unwind(AssertUnwindSafe(|| drop(mailbox))).expect_err("the bomb went off");
    assert_eq!(drops.load(Relaxed), 100);
}

#[test]
fn messages_of_every_shape_come_back_whole() {
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(128))]
    struct Aligned(u8);
    fn check<M: Clone + PartialEq + fmt::Debug>(message: M) {
        let mailbox = Mailbox::new();
        for _ in 0..150 {
            let _ = mailbox.try_push(message.clone(), 0);
        }
        for _ in 0..75 {
            assert_eq!(consumer(&mailbox).pop(0), Some(message.clone()));
        }
    }
    check(());
    check(1u8);
    check([7u64; 8]);
    check([7u64; 20]);
    check([7u64; 62]);
    check([7u64; 63]);
    check([7u64; 4000]);
    check(Aligned(3));
    check(String::from("text"));
}

#[test]
fn waiting_senders_are_admitted_in_order_and_not_overtaken() {
    const CAP: u32 = 2;
    let mailbox = Mailbox::new();
    let (a, b) = (
        Waiter::new(10, park::current()),
        Waiter::new(11, park::current()),
    );
    let _ = mailbox.try_push(0, CAP);
    let _ = mailbox.try_push(1, CAP);
    assert!(mailbox.enlist(&a, CAP) && mailbox.enlist(&b, CAP));
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop(CAP), Some(0));
    assert_eq!(
        (a.outcome(), b.outcome()),
        (Outcome::Admitted, Outcome::Waiting)
    );
    assert_eq!(mailbox.try_push(12, CAP), Err(PushError::Full(12)));
    assert_eq!(c.pop(CAP), Some(1));
    assert_eq!(b.outcome(), Outcome::Admitted);
    assert_eq!(mailbox.try_push(12, CAP), Err(PushError::Full(12)));
    assert_eq!(
        (c.pop(CAP), c.pop(CAP), c.pop(CAP)),
        (Some(10), Some(11), None)
    );
    assert!(c.go_idle(CAP).is_ok());
}

#[test]
fn a_sender_that_leaves_the_wait_list_does_not_hold_up_the_next() {
    const CAP: u32 = 1;
    let mailbox = Mailbox::new();
    let nodes = [10, 11, 12].map(|m| Waiter::new(m, park::current()));
    let _ = mailbox.try_push(0, CAP);
    assert!(nodes.iter().all(|node| mailbox.enlist(node, CAP)));
    assert!(mailbox.retract(&nodes[0]));
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop(CAP), Some(0));
    assert_eq!(c.pop(CAP), Some(11));
    assert!(!mailbox.retract(&nodes[1]), "admitted");
    assert_eq!(c.pop(CAP), Some(12));
    assert!(c.go_idle(CAP).is_ok());
    // SAFETY: a retracted node holds its message.
    assert_eq!(unsafe { nodes[0].take_message() }, 10);
}

#[test]
fn closing_returns_the_messages_of_waiting_senders() {
    let mailbox = Arc::new(Mailbox::new());
    let _ = mailbox.try_push(0, 1);
    let senders: Vec<_> = (1..4)
        .map(|i| {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.push_wait(i, 1, None, &drop))
        })
        .collect();
    while mailbox.word.load(SeqCst) & WAITERS == 0 {
        thread::yield_now();
    }
    assert!(consumer(&mailbox).close().eq([0]));
    for (i, sender) in senders.into_iter().enumerate() {
        assert_eq!(sender.join().unwrap(), Err(WaitError::Closed(i + 1)));
    }
}

/// An actor on OS threads: whoever must schedule it sends its token to the thread that runs it.
fn run_actor<M: Send + 'static>(
    mailbox: Arc<Mailbox<M>>,
    cap: u32,
    until: usize,
    mut handle: impl FnMut(M) + Send + 'static,
) -> (std::sync::mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (schedule, scheduled) = std::sync::mpsc::channel();
    let actor = thread::spawn(move || {
        let mut seen = 0;
        while seen < until {
            scheduled.recv().expect("a lost wake-up would hang here");
            let mut c = consumer(&mailbox);
            loop {
                while let Some(message) = c.pop(cap) {
                    handle(message);
                    seen += 1;
                }
                match c.go_idle(cap) {
                    Ok(()) => break,
                    Err(back) => c = back,
                }
            }
        }
    });
    (schedule, actor)
}

/// As `push_displacing`, whose contract the tests that call this keep: they pop under the lock.
fn displace<M>(mailbox: &Mailbox<M>, message: M, cap: u32) -> Result<(Pushed, Option<M>), M> {
    // SAFETY: see above.
    unsafe { mailbox.push_displacing(message, cap) }
}

#[test]
fn displacing_keeps_the_newest_in_order_across_blocks() {
    for (cap, start) in [(1, 0), (2, u32::MAX - 3), (40, u32::MAX - 100), (200, 0)] {
        let mailbox = Mailbox::with_counts(0, start);
        let mut queue = VecDeque::new();
        let mut rng = fastrand::Rng::with_seed(u64::from(cap));
        for n in 0..20_000_u32 {
            if rng.bool() {
                let full = queue.len() == cap as usize;
                let oldest = full.then(|| queue.pop_front().unwrap());
                queue.push_back(n);
                assert_eq!(displace(&mailbox, n, cap).unwrap().1, oldest);
            } else if rng.u8(..3) > 0 {
                assert_eq!(consumer(&mailbox).pop_locked(), queue.pop_front());
            }
            assert_eq!(mailbox.len(), queue.len());
        }
        assert!(consumer(&mailbox).close().eq(queue));
        assert_eq!(displace(&mailbox, 7, cap), Err(7), "it is closed");
    }
}

#[test]
fn displacing_schedules_an_idle_actor_and_only_that() {
    let mailbox = Mailbox::new();
    assert_eq!(displace(&mailbox, 1, 1).unwrap().0.wake, Wake::Actor);
    assert_eq!(displace(&mailbox, 2, 1).unwrap().0.wake, Wake::Nobody);
    let mut c = consumer(&mailbox);
    assert_eq!(c.pop_locked(), Some(2));
    assert_eq!(c.pop_locked(), None);
    assert!(c.go_idle(1).is_ok());
    assert_eq!(displace(&mailbox, 3, 1).unwrap().0.wake, Wake::Actor);
}

#[test]
fn a_suspended_mailbox_displaces_too() {
    let mailbox = Mailbox::new_suspended();
    assert_eq!(displace(&mailbox, 1, 1).unwrap().0.wake, Wake::Nobody);
    assert_eq!(displace(&mailbox, 2, 1).unwrap().1, Some(1));
    assert_eq!(mailbox.resume(), Wake::Actor);
    assert_eq!(consumer(&mailbox).pop_locked(), Some(2));
}

#[test]
fn whoever_finds_it_listening_wakes_the_listener_once() {
    let mailbox = Mailbox::new_scheduled();
    let mut c = consumer(&mailbox);
    assert!(c.listen(0, Flags::STOP));
    assert_eq!(mailbox.try_push(1, 0).unwrap().wake, Wake::Listener);
    assert_eq!(mailbox.try_push(2, 0).unwrap().wake, Wake::Nobody);
    c.stop_listening();
    assert!(!c.listen(0, Flags::STOP), "there are messages");
    assert_eq!((c.pop(0), c.pop(0)), (Some(1), Some(2)));
    assert!(c.listen(0, Flags::STOP));
    c.stop_listening();
    assert_eq!(
        mailbox.try_push(3, 0).unwrap().wake,
        Wake::Nobody,
        "it runs"
    );
    assert_eq!(c.pop(0), Some(3));
    assert!(c.go_idle(0).is_ok());
    assert_eq!(mailbox.try_push(4, 0).unwrap().wake, Wake::Actor);
}

#[test]
fn a_listener_hears_of_the_flags_it_has_asked_for() {
    let mailbox = Mailbox::<u32>::new_scheduled();
    let mut c = consumer(&mailbox);
    assert_eq!(mailbox.raise(Flags::SIGNAL), Wake::Nobody);
    assert!(c.listen(0, Flags::STOP), "not that one");
    assert_eq!(mailbox.raise(Flags::STOP), Wake::Listener);
    c.stop_listening();
    assert!(!c.listen(0, Flags::STOP));
}

type Push = fn(&Mailbox<(u64, u64)>, (u64, u64), u32) -> bool;

fn stress(cap: u32, senders: u64, each: u64, push: Push) {
    let mailbox = Arc::new(Mailbox::new());
    let mut next = vec![0; senders as usize];
    let (schedule, actor) = run_actor(
        mailbox.clone(),
        cap,
        (senders * each) as usize,
        move |(from, n): (u64, u64)| {
            assert_eq!(n, next[from as usize], "in order, nothing lost or twice");
            next[from as usize] += 1;
        },
    );
    let senders: Vec<_> = (0..senders)
        .map(|from| {
            let (mailbox, schedule) = (mailbox.clone(), schedule.clone());
            thread::spawn(move || {
                for n in 0..each {
                    if push(&mailbox, (from, n), cap) {
                        schedule.send(()).unwrap();
                    }
                }
            })
        })
        .collect();
    senders
        .into_iter()
        .for_each(|sender| sender.join().unwrap());
    actor.join().unwrap();
    assert!(mailbox.is_empty());
}

#[test]
fn stress_two_threads_lose_no_wake_up() {
    stress(0, 1, 4_000_000, |mailbox, message, cap| {
        must_schedule(mailbox.try_push(message, cap))
    });
}

#[test]
fn stress_many_senders_keep_their_order() {
    stress(0, 4, 300_000, |mailbox, message, cap| {
        must_schedule(mailbox.try_push(message, cap))
    });
}

#[test]
fn stress_senders_that_wait_for_room() {
    for cap in [1, 3, 64] {
        stress(cap, 3, 20_000, |mailbox, message, cap| {
            must_schedule(mailbox.push_wait(message, cap, None, &drop))
        });
    }
}

#[test]
fn stress_deadlines_lose_and_double_nothing() {
    const CAP: u32 = 1;
    stress(CAP, 3, 20_000, |mailbox, mut message, cap| {
        loop {
            match mailbox.push_wait(
                message,
                cap,
                Some(Instant::now() + std::time::Duration::from_micros(1)),
                &drop,
            ) {
                Ok(pushed) => return pushed.wake == Wake::Actor,
                Err(WaitError::Timeout(back)) => message = back,
                Err(WaitError::Closed(_) | WaitError::Deadlock(..)) => unreachable!(),
            }
        }
    });
}

mod model {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Push,
        Pop(u8),
        Idle,
        Raise,
        TakeFlags,
        Suspend,
        Resume,
        Enlist,
        Retract(usize),
        Close,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            30 => Just(Op::Push),
            8 => (1..60u8).prop_map(Op::Pop),
            8 => Just(Op::Idle),
            2 => Just(Op::Raise),
            2 => Just(Op::TakeFlags),
            1 => Just(Op::Suspend),
            4 => Just(Op::Resume),
            8 => Just(Op::Enlist),
            2 => (0..4usize).prop_map(Op::Retract),
            1 => Just(Op::Close),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn behaves_like_a_deque_with_a_wait_list(
            ops in proptest::collection::vec(op(), 1..400),
            cap in prop_oneof![Just(0u32), 1..6u32, 30..70u32],
            start in prop_oneof![Just(0u32), Just(u32::MAX - 20)],
        ) {
            let mailbox = Mailbox::with_counts(0, start);
            let nodes: Vec<Box<Waiter<u32>>> = Vec::with_capacity(ops.len());
            let mut nodes = nodes;
            let (mut queue, mut waiting) = (VecDeque::new(), VecDeque::<usize>::new());
            let (mut scheduled, mut suspended, mut flagged, mut closed) = (false, false, false, false);
            let mut next = 0;
            let limit = if cap == 0 { usize::MAX } else { cap as usize };
            for op in ops {
                let wake = |scheduled: &mut bool| {
                    let must = !*scheduled && !suspended;
                    *scheduled |= must;
                    if must { Wake::Actor } else { Wake::Nobody }
                };
                match op {
                    Op::Push => {
                        next += 1;
                        let expected = if closed {
                            Err(PushError::Closed(next))
                        } else if queue.len() >= limit || !waiting.is_empty() {
                            Err(PushError::Full(next))
                        } else {
                            queue.push_back(next);
                            Ok(Pushed { wake: wake(&mut scheduled) })
                        };
                        prop_assert_eq!(mailbox.try_push(next, cap), expected);
                    }
                    Op::Pop(n) if scheduled && !closed => for _ in 0..n {
                        prop_assert_eq!(consumer(&mailbox).pop(cap), queue.pop_front());
                        if queue.len() < limit && let Some(node) = waiting.pop_front() {
                            prop_assert_eq!(nodes[node].outcome(), Outcome::Admitted);
                            queue.push_back(node as u32 + 1_000_000);
                        }
                    },
                    Op::Idle if scheduled && !closed => {
                        let idle = queue.is_empty() && !flagged;
                        prop_assert_eq!(consumer(&mailbox).go_idle(cap).is_ok(), idle);
                        scheduled = !idle;
                    }
                    Op::Raise => {
                        let must = if closed { Wake::Nobody } else { wake(&mut scheduled) };
                        prop_assert_eq!(mailbox.raise(Flags::SIGNAL), must);
                        flagged |= !closed;
                    }
                    Op::TakeFlags if scheduled => {
                        prop_assert_eq!(!consumer(&mailbox).take_flags(Flags::SIGNAL).is_empty(), flagged);
                        flagged = false;
                    }
                    Op::Suspend if scheduled && !closed => {
                        consumer(&mailbox).suspend();
                        (scheduled, suspended) = (false, true);
                    }
                    Op::Resume => {
                        let must = suspended && !closed && (!queue.is_empty() || flagged);
                        prop_assert_eq!(mailbox.resume() == Wake::Actor, must);
                        scheduled |= must;
                        suspended = false;
                    }
                    Op::Enlist if cap != 0 => {
                        let node = nodes.len();
                        nodes.push(Box::new(Waiter::new(node as u32 + 1_000_000, park::current())));
                        let full = queue.len() >= limit || !waiting.is_empty();
                        prop_assert_eq!(mailbox.enlist(&nodes[node], cap), full && !closed);
                        if full && !closed {
                            waiting.push_back(node);
                        }
                    }
                    Op::Retract(at) if at < waiting.len() => {
                        let node = waiting.remove(at).unwrap();
                        prop_assert!(mailbox.retract(&nodes[node]));
                    }
                    Op::Close if scheduled => {
                        prop_assert!(consumer(&mailbox).close().eq(queue.drain(..)));
                        for node in waiting.drain(..) {
                            prop_assert_eq!(nodes[node].outcome(), Outcome::Closed);
                        }
                        closed = true;
                    }
                    _ => {}
                }
                prop_assert_eq!(mailbox.len(), queue.len());
                prop_assert_eq!(mailbox.word.load(Relaxed) & WAITERS != 0, !waiting.is_empty());
            }
        }
    }
}

#[test]
fn others_see_a_sender_wait_only_while_it_does() {
    use super::seam::park;
    use super::wait::{Outcome, Waiter};

    let mailbox = Mailbox::new();
    let _ = mailbox.try_push(0, 1);
    let edge = park::current().edge();
    let track = Track {
        publish: &|| edge.publish(std::ptr::dangling_mut()),
        circle: &|| None,
    };
    let waits = || edge.look().is_some();
    let line_up = |node: &Waiter<i32>| {
        assert!(mailbox.enlist(node, 1));
        assert!(!waits());
        mailbox.publish(node, &track);
        assert!(waits());
    };
    // SAFETY: the only consumer.
    let mut consumer = unsafe { mailbox.consumer() };

    let gives_up = Waiter::new(1, park::current());
    line_up(&gives_up);
    assert!(mailbox.retract(&gives_up));
    assert!(!waits());

    let admitted = Waiter::new(2, park::current());
    line_up(&admitted);
    assert_eq!(consumer.pop(1), Some(0));
    assert_eq!(admitted.outcome(), Outcome::Admitted);
    assert!(!waits());
    // Too late to be told of.
    mailbox.publish(&admitted, &track);
    assert!(!waits());

    let refused = Waiter::new(3, park::current());
    line_up(&refused);
    drop(consumer.close());
    assert_eq!(refused.outcome(), Outcome::Closed);
    assert!(!waits());
}

//! Loom models of the mailbox. Blocks hold two messages here.
//!
//! `ci/models.sh`

use super::seam::park;
use super::wait::Waiter;
use super::*;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;

/// The run queue: counts activations that were asked for, and wakes the thread that runs the actor.
struct Actor {
    mailbox: Mailbox<u32>,
    scheduled: AtomicUsize,
    runner: std::sync::OnceLock<&'static park::Parker>,
}

impl Actor {
    fn new(mailbox: Mailbox<u32>) -> Arc<Self> {
        let actor = Actor {
            mailbox,
            scheduled: AtomicUsize::new(0),
            runner: std::sync::OnceLock::new(),
        };
        let _ = actor.runner.set(park::current());
        Arc::new(actor)
    }

    fn schedule(&self, wake: Wake) {
        if wake == Wake::Actor {
            self.scheduled.fetch_add(1, SeqCst);
            self.runner.get().expect("set in new").unpark();
        }
    }

    /// Runs activations on the model's main thread until `until` messages were handled. A lost schedule is a deadlock.
    fn run(&self, cap: u32, until: usize) -> Vec<u32> {
        let mut seen = Vec::new();
        while seen.len() < until {
            while self.scheduled.load(SeqCst) == 0 {
                park::park_until(None);
            }
            assert_eq!(
                self.scheduled.fetch_sub(1, SeqCst),
                1,
                "scheduled once at a time"
            );
            // SAFETY: the run queue hands the role from activation to activation.
            let mut consumer = unsafe { self.mailbox.consumer() };
            loop {
                while let Some(message) = consumer.pop(cap) {
                    seen.push(message);
                }
                match consumer.go_idle(cap) {
                    Ok(()) => break,
                    Err(back) => consumer = back,
                }
            }
        }
        seen
    }
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

#[test]
fn loom_push_against_going_idle() {
    model(3, || {
        let actor = Actor::new(Mailbox::new());
        let senders = [0, 1].map(|from| {
            let actor = actor.clone();
            thread::spawn(move || actor.schedule(actor.mailbox.try_push(from, 0).unwrap().wake))
        });
        let mut seen = actor.run(0, 2);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
    });
}

/// Three blocks' worth of messages; the pops that find nothing hand the processor to the sender.
#[test]
fn loom_push_and_pop_across_blocks() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::with_counts(SCHEDULED, u32::MAX - 1));
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                for n in 0..5 {
                    assert_eq!(mailbox.try_push(n, 0).unwrap().wake, Wake::Nobody);
                }
            })
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        let mut seen: Vec<u32> = (0..4).filter_map(|_| consumer.pop(0)).collect();
        sender.join().unwrap();
        seen.extend(std::iter::from_fn(|| consumer.pop(0)));
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert!(consumer.go_idle(0).is_ok());
    });
}

#[test]
fn loom_raise_against_push() {
    model(3, || {
        let actor = Actor::new(Mailbox::new());
        let sender = {
            let actor = actor.clone();
            thread::spawn(move || {
                let pushed = actor.mailbox.try_push(1, 0).unwrap();
                pushed.wake
            })
        };
        let raised = actor.mailbox.raise(Flags::STOP);
        let pushed = sender.join().unwrap();
        assert!(raised != pushed, "one of them schedules");
        assert_eq!(
            (actor.mailbox.flags(), actor.mailbox.len()),
            (Flags::STOP, 1)
        );
    });
}

/// The consumer pops once and then runs a handler that ends only when the waiting sender has got in: the slot freed by that
/// one pop must let it in, without help from later pops or from going idle.
#[test]
fn loom_wait_for_room_against_pop() {
    model(4, || {
        let mailbox = Arc::new(Mailbox::new());
        let _ = mailbox.try_push(0, 1);
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                assert_eq!(
                    mailbox.push_wait(1, 1, None, &drop),
                    Ok(Pushed { wake: Wake::Nobody })
                )
            })
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        assert_eq!(consumer.pop(1), Some(0));
        sender.join().unwrap();
        assert_eq!(consumer.pop(1), Some(1));
        assert!(consumer.go_idle(1).is_ok());
    });
}

/// One sender waits already; another comes while the consumer makes room: both get in, in that order.
#[test]
fn loom_second_sender_waits_behind_the_first() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::new());
        let _ = mailbox.try_push(0, 1);
        let first = Waiter::new(1, park::current());
        assert!(mailbox.enlist(&first, 1));
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || assert!(mailbox.push_wait(2, 1, None, &drop).is_ok()))
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        assert_eq!(consumer.pop(1), Some(0));
        assert_eq!(consumer.pop(1), Some(1));
        sender.join().unwrap();
        assert_eq!(consumer.pop(1), Some(2));
        assert!(consumer.go_idle(1).is_ok());
    });
}

#[test]
fn loom_wait_with_deadline_against_pop() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::new());
        let _ = mailbox.try_push(0, 1);
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.push_wait(1, 1, Some(Instant::now()), &drop).is_ok())
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        assert_eq!(consumer.pop(1), Some(0));
        let admitted = sender.join().unwrap();
        assert_eq!(consumer.pop(1), admitted.then_some(1));
        assert!(consumer.go_idle(1).is_ok(), "no waiter left behind");
    });
}

#[test]
fn loom_close_against_push() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::new_scheduled());
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || (0..3).filter(|n| mailbox.try_push(*n, 0).is_ok()).count())
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        let popped = usize::from(consumer.pop(0).is_some());
        let drained = consumer.close().count();
        assert_eq!(
            sender.join().unwrap(),
            popped + drained,
            "accepted is popped or drained, nothing else"
        );
    });
}

#[test]
fn loom_close_against_waiting_sender() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::new_scheduled());
        let _ = mailbox.try_push(0, 1);
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.push_wait(1, 1, None, &drop))
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        assert_eq!(consumer.close().count(), 1);
        assert_eq!(sender.join().unwrap(), Err(WaitError::Closed(1)));
    });
}

/// The consumer takes HELD down while a push comes: the message is handled, by this activation or by the one it asks for.
#[test]
fn loom_push_against_the_end_of_a_hold() {
    model(3, || {
        let actor = Actor::new(Mailbox::new_scheduled());
        actor.scheduled.store(1, SeqCst);
        // SAFETY: there is no other consumer yet; the run below takes over.
        unsafe { actor.mailbox.consumer() }.hold();
        let sender = {
            let actor = actor.clone();
            thread::spawn(move || {
                let pushed = actor.mailbox.try_push(1, 0).expect("open");
                actor.schedule(pushed.wake);
            })
        };
        // SAFETY: as above.
        unsafe { actor.mailbox.consumer() }.take_flags(Flags::HELD);
        assert_eq!(actor.run(0, 1), [1]);
        sender.join().unwrap();
    });
}

/// A sender displaces while the consumer pops, across a block: each message goes to one of them, in order.
#[test]
fn loom_displace_against_pop() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::with_counts(SCHEDULED, u32::MAX - 1));
        // SAFETY (of each): the consumer pops under the lock.
        let push = |mailbox: &Mailbox<u32>, n| unsafe { mailbox.push_displacing(n, 1) }.unwrap();
        assert!(push(&mailbox, 0).1.is_none());
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let displaced = (1..3).filter_map(|n| push(&mailbox, n).1);
                displaced.collect::<Vec<_>>()
            })
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        let mut popped: Vec<u32> = (0..2).filter_map(|_| consumer.pop_locked()).collect();
        let displaced = sender.join().unwrap();
        popped.extend(std::iter::from_fn(|| consumer.pop_locked()));
        assert!(popped.is_sorted() && displaced.is_sorted());
        let mut all = [popped, displaced].concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert!(consumer.go_idle(1).is_ok());
    });
}

#[test]
fn loom_listen_against_push() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::new_scheduled());
        let me = park::current();
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || match mailbox.try_push(1, 0).unwrap().wake {
                Wake::Nobody => {}
                Wake::Listener => me.unpark(),
                Wake::Actor => unreachable!("it runs"),
            })
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        while consumer.pop(0).is_none() {
            if consumer.listen(0, Flags::STOP) {
                park::park_until(None);
                consumer.stop_listening();
            }
        }
        sender.join().unwrap();
        assert!(consumer.go_idle(0).is_ok());
    });
}

/// The consumer stops listening by itself and goes idle: whoever finds it listening schedules nobody, whoever finds it idle
/// does.
#[test]
fn loom_listen_with_deadline_against_push() {
    model(3, || {
        let mailbox = Arc::new(Mailbox::new_scheduled());
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.try_push(1, 0).unwrap().wake)
        };
        // SAFETY: the only consumer.
        let mut consumer = unsafe { mailbox.consumer() };
        if consumer.listen(0, Flags::STOP) {
            consumer.stop_listening();
        }
        let popped = consumer.pop(0).is_some();
        let idle = consumer.go_idle(0).is_ok();
        let wake = sender.join().unwrap();
        assert!(idle || !popped, "there is one message only");
        assert_eq!(wake == Wake::Actor, idle && !popped);
    });
}

#[test]
fn loom_a_message_behind_a_flag_is_seen_or_flagged() {
    model(3, || {
        let queue = Arc::new(Mailbox::<u32>::new_scheduled());
        let lane = Arc::new(Mailbox::new_scheduled());
        let _ = queue.raise(Flags::LANES);
        let sender = {
            let (queue, lane) = (queue.clone(), lane.clone());
            thread::spawn(move || {
                let _ = lane.try_push(1, 0);
                assert_eq!(queue.raise(Flags::LANES), Wake::Nobody);
            })
        };
        // SAFETY: the only consumer, of both.
        let (mut consumer, mut beside) = unsafe { (queue.consumer(), lane.consumer()) };
        let found = consumer.lower(Flags::LANES, || beside.pop(0));
        sender.join().unwrap();
        assert!(found.is_some() || queue.flags().contains(Flags::LANES));
    });
}

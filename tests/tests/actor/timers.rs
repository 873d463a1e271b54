//! Messages that time sends: `after`, `every`. In virtual time, under the seeded scheduler, but for the last two.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::testing::{self, elapsed};
use actor_core::{ActorOptions, Event, MissedTicks, Options, Period, microthread};

use super::support::{Counted, LIMIT, end, until};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What came when, in seconds of virtual time.
type Seen = Arc<Mutex<Vec<(u64, u64)>>>;

/// Notes what comes when.
pub struct Clock<const CAP: usize = 0> {
    seen: Seen,
}

// By hand, as the attribute's values cannot name parameters of the type.
impl<const CAP: usize> ActorOptions for Clock<CAP> {
    const OPTIONS: Options = match CAP {
        0 => Options::new(),
        cap => Options::new().mailbox(cap),
    };
}

#[actor]
impl<const CAP: usize> Clock<CAP> {
    pub fn note(&mut self, n: u64) {
        self.seen.lock().unwrap().push((elapsed().as_secs(), n));
    }
    pub fn note_and_tell(&mut self, cx: &mut Cx<Self>, n: u64, next: u64) {
        cx.addr().tell().note(next).unwrap();
        self.note(n);
    }
    pub fn busy(&mut self, for_secs: u64) {
        microthread::sleep(secs(for_secs));
    }
    pub fn carry(&mut self, what: Counted) {
        drop(what);
    }
    pub fn asked(&mut self, reply: ReplyTo<()>) {
        assert!(!reply.is_asked());
        self.seen.lock().unwrap().push((0, 0));
    }
    pub fn crash(&mut self) {
        panic!("on purpose");
    }
    pub fn done(&mut self) {}
    /// Sets timers from inside.
    pub fn start(&mut self, cx: &mut Cx<Self>) {
        cx.after(secs(2)).note(2);
        cx.every(secs(5)).note(5);
    }
}

fn clock(sys: &System) -> (Addr<Clock>, Seen) {
    let seen = Seen::default();
    let clock = Clock { seen: seen.clone() };
    (sys.spawn(clock).unwrap(), seen)
}

fn all(seen: &Seen) -> Vec<(u64, u64)> {
    seen.lock().unwrap().clone()
}

#[test]
fn a_message_comes_when_it_is_time_and_not_before() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        clock.after(secs(7)).note(1);
        microthread::sleep(secs(6));
        assert_eq!(all(&seen), []);
        microthread::sleep(secs(100));
        assert_eq!(all(&seen), [(7, 1)]);
    });
}

#[test]
fn timers_go_off_in_the_order_they_are_due_and_equal_ones_in_the_order_they_were_set() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        for (n, delay) in [3, 1, 2, 1, 3].into_iter().enumerate() {
            clock.after(secs(delay)).note(n as u64);
        }
        microthread::sleep(secs(10));
        assert_eq!(all(&seen), [(1, 1), (1, 3), (2, 2), (3, 0), (3, 4)]);
    });
}

#[test]
fn a_handler_sets_timers_of_its_own_actor() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        clock.tell().start().unwrap();
        microthread::sleep(secs(11));
        assert_eq!(all(&seen), [(2, 2), (5, 5), (10, 5)]);
    });
}

#[test]
fn a_timer_set_by_the_start_hook_goes_off() {
    #[actor]
    struct Starts(Seen);
    #[actor]
    impl Starts {
        #[on_start]
        fn start(&mut self, cx: &mut Cx<Self>) {
            cx.after(secs(1)).note();
        }
        pub fn note(&mut self) {
            self.0.lock().unwrap().push((elapsed().as_secs(), 0));
        }
    }
    testing::check(|sys| {
        let seen = Seen::default();
        let _starts = sys.spawn(Starts(seen.clone())).unwrap();
        microthread::sleep(secs(2));
        assert_eq!(all(&seen), [(1, 0)]);
    });
}

#[test]
fn cancel_says_whether_it_was_in_time() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        let count = Arc::new(AtomicUsize::new(0));
        let early = clock.after(secs(2)).carry(Counted::new(&count));
        let late = clock.after(secs(1)).note(1);
        assert!(early.is_set() && late.is_set());
        microthread::sleep(secs(1));
        clock.ask().done().unwrap();
        assert!(early.cancel());
        assert_eq!(count.load(Ordering::SeqCst), 0, "dropped");
        // The alarm may go before or after what is ready.
        if late.cancel() {
            assert_eq!(all(&seen), []);
        } else {
            clock.ask().done().unwrap();
            assert_eq!(all(&seen), [(1, 1)]);
        }
        for timer in [early, late] {
            assert!(!timer.is_set() && !timer.cancel(), "again");
        }
    });
}

#[test]
fn a_cancelled_message_does_not_come_and_the_others_do() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        let timers: Vec<_> = (1..=6).map(|n| clock.after(secs(n)).note(n)).collect();
        for timer in timers.iter().step_by(2) {
            assert!(timer.cancel());
        }
        drop(timers); // cancels nothing
        microthread::sleep(secs(10));
        assert_eq!(all(&seen), [(2, 2), (4, 4), (6, 6)]);
    });
}

#[test]
fn a_repeated_message_comes_each_period_until_it_is_cancelled() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        let timer = clock.every(secs(3)).note(1);
        microthread::sleep(secs(10));
        assert_eq!(all(&seen), [(3, 1), (6, 1), (9, 1)]);
        assert!(timer.is_set() && timer.cancel() && !timer.cancel());
        microthread::sleep(secs(10));
        assert_eq!(all(&seen).len(), 3);
    });
}

/// When the ticks of a timer with a period of 2 s are handled, up to 15.5 s, by an actor that is busy from 3 s to 9 s.
fn ticks(sys: &System, period: impl Into<Period>) -> Vec<u64> {
    let (clock, seen) = clock(sys);
    clock.every(period).note(0);
    microthread::sleep(secs(3));
    clock.tell().busy(6).unwrap();
    microthread::sleep(Duration::from_millis(12_500));
    all(&seen).into_iter().map(|(at, _)| at).collect()
}

#[test]
fn missed_ticks_are_skipped_and_the_next_are_in_step() {
    let expected = [2, 9, 10, 12, 14];
    testing::check(move |sys| assert_eq!(ticks(sys, secs(2)), expected)); // unless something else is said
    testing::check(move |sys| {
        let skip = Period::new(secs(2)).missed(MissedTicks::Skip);
        assert_eq!(ticks(sys, skip), expected);
    });
}

#[test]
fn delayed_ticks_are_a_period_apart() {
    testing::check(|sys| {
        let delay = Period::new(secs(2)).missed(MissedTicks::Delay);
        assert_eq!(ticks(sys, delay), [2, 9, 11, 13, 15]);
    });
}

#[test]
fn a_burst_makes_up_for_missed_ticks() {
    testing::check(|sys| {
        let burst = Period::new(secs(2)).missed(MissedTicks::Burst);
        assert_eq!(ticks(sys, burst), [2, 9, 9, 9, 10, 12, 14]);
    });
}

#[test]
fn a_slow_actor_is_not_flooded_with_ticks() {
    for missed in [MissedTicks::Skip, MissedTicks::Delay, MissedTicks::Burst] {
        testing::check(move |sys| {
            let (clock, seen) = clock(sys);
            let timer = clock.every(Period::new(secs(1)).missed(missed)).note(1);
            clock.tell().busy(1000).unwrap();
            microthread::sleep(secs(999));
            clock.tell().busy(1000).unwrap();
            microthread::sleep(secs(2));
            // The tick that waits has its turn behind what was queued, and is the only one.
            assert!(timer.cancel());
            clock.tell().note(2).unwrap();
            microthread::sleep(secs(1000));
            assert_eq!(all(&seen), [(2000, 2)]);
        });
    }
}

#[test]
fn a_timers_message_has_its_turn_behind_those_in_the_mailbox() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        clock.tell().busy(5).unwrap();
        clock.after(secs(1)).note(3);
        clock.every(secs(2)).note(4);
        clock.tell().note_and_tell(1, 9).unwrap();
        clock.tell().note(2).unwrap();
        microthread::sleep(Duration::from_millis(5_500));
        assert_eq!(all(&seen), [(5, 1), (5, 2), (5, 3), (5, 4), (5, 9)]);
    });
}

#[test]
fn a_full_mailbox_neither_refuses_nor_delays_a_timer() {
    testing::check(|sys| {
        let seen = Seen::default();
        let clock = sys.spawn(Clock::<1> { seen: seen.clone() }).unwrap();
        clock.tell().busy(5).unwrap();
        microthread::sleep(secs(1));
        clock.after(secs(1)).note(1);
        clock.after(secs(2)).note(2);
        clock.tell().note(0).unwrap();
        let other = clock.clone();
        let waits = microthread::spawn(move || other.tell().note(3).unwrap());
        assert!(clock.try_tell().note(4).is_err(), "it is full");
        assert_eq!(clock.queued(), 1, "timers take no place in it");
        microthread::sleep(secs(6));
        waits.join().unwrap();
        let mut seen = all(&seen);
        assert_eq!(seen[..1], [(5, 0)]);
        seen.sort_unstable();
        assert_eq!(seen, [(5, 0), (5, 1), (5, 2), (5, 3)]);
    });
}

#[test]
fn timers_end_with_their_actor_and_are_no_dead_letters() {
    type End = fn(&Addr<Clock>);
    let ends: [End; 3] = [
        |clock| clock.stop(),
        |clock| clock.kill(),
        |clock| clock.tell().crash().unwrap(),
    ];
    for how in ends {
        testing::check(move |sys| {
            let events = sys.events();
            let (clock, seen) = clock(sys);
            let count = Arc::new(AtomicUsize::new(0));
            let once = clock.after(secs(10)).carry(Counted::new(&count));
            let repeated = clock.every(secs(3)).note(1);
            microthread::sleep(secs(4));
            how(&clock);
            clock.join();
            assert!(!once.is_set() && !repeated.is_set());
            assert!(!once.cancel() && !repeated.cancel());
            assert_eq!(count.load(Ordering::SeqCst), 0, "dropped");
            microthread::sleep(secs(20));
            assert_eq!(all(&seen), [(3, 1)]);
            let letters = |event| matches!(event, Event::DeadLetters { .. });
            assert!(!events.try_iter().any(letters));
        });
    }
}

#[test]
fn a_timer_never_reaches_the_next_life() {
    testing::check(|sys| {
        let seen = Seen::default();
        let state = seen.clone();
        let sup = Supervisor::builder().start(sys).unwrap();
        let spec = ChildSpec::new("clock", move || Clock::<0> {
            seen: state.clone(),
        });
        let clock = sup.start_child(spec).unwrap();
        clock.after(secs(5)).note(1);
        clock.every(secs(2)).note(2);
        microthread::sleep(secs(3));
        // Two have their turn behind the crash.
        clock.tell().busy(4).unwrap();
        clock.tell().crash().unwrap();
        clock.tell().done().unwrap();
        microthread::sleep(secs(5));
        clock.after(secs(1)).note(3);
        microthread::sleep(secs(10));
        assert_eq!(all(&seen), [(2, 2), (9, 3)]);
    });
}

#[test]
fn a_timer_set_between_two_lives_belongs_to_the_next() {
    testing::check(|sys| {
        let seen = Seen::default();
        let state = seen.clone();
        let backoff = actor_core::Backoff::new(secs(5), secs(5)).jitter_percent(0);
        let sup = Supervisor::builder().start(sys).unwrap();
        let spec = ChildSpec::new("clock", move || Clock::<0> {
            seen: state.clone(),
        });
        let clock = sup.start_child(spec.backoff(backoff)).unwrap();
        let _ = clock.ask().crash();
        microthread::sleep(secs(1));
        let timer = clock.after(secs(2)).note(1);
        microthread::sleep(secs(3));
        assert!(timer.is_set(), "it waits");
        microthread::sleep(secs(10));
        assert_eq!(all(&seen), [(5, 1)]);
    });
}

#[test]
fn a_timer_for_an_actor_that_has_ended_is_over_at_once() {
    testing::check(|sys| {
        let count = Arc::new(AtomicUsize::new(0));
        for used in [false, true] {
            let (clock, _seen) = clock(sys);
            if used {
                clock.after(secs(1)).done();
            }
            clock.stop();
            clock.join();
            let timer = clock.after(secs(1)).carry(Counted::new(&count));
            assert_eq!(count.load(Ordering::SeqCst), 0, "dropped");
            assert!(!timer.is_set() && !timer.cancel());
        }
        microthread::sleep(secs(5));
    });
}

#[test]
fn an_actor_may_end_while_timers_are_set() {
    testing::check(|sys| {
        let (clock, _seen) = clock(sys);
        let count = Arc::new(AtomicUsize::new(0));
        let (addr, counter) = (clock.clone(), count.clone());
        let setter = microthread::spawn(move || {
            (0..4).for_each(|n| {
                addr.after(secs(n)).carry(Counted::new(&counter));
            });
        });
        clock.stop();
        setter.join().unwrap();
        clock.join();
        assert_eq!(count.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_timers_message_is_told() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        clock.after(secs(1)).asked();
        microthread::sleep(secs(2));
        assert_eq!(all(&seen).len(), 1);
    });
}

#[test]
fn a_delay_that_the_clock_cannot_say_never_ends() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        let timer = clock.after(Duration::MAX).note(1);
        let repeated = clock.every(Duration::MAX).note(1);
        microthread::sleep(secs(1_000_000));
        assert_eq!(all(&seen), []);
        assert!(timer.cancel() && repeated.cancel());
    });
}

#[test]
#[should_panic(expected = "a period is longer than zero")]
fn a_period_of_zero_panics() {
    let sys = System::new().unwrap();
    let (clock, _) = clock(&sys);
    clock.every(Duration::ZERO).done();
}

#[test]
fn an_actor_with_its_own_stack_has_timers_too() {
    #[actor]
    struct Body(Seen);
    #[actor(message = u64)]
    impl Body {
        fn run(self, inbox: Inbox<Self>) -> Exit {
            let addr = inbox.addr();
            addr.send_after(secs(4), 1);
            let mut n = 10;
            addr.send_every(secs(3), move || {
                n += 1;
                n
            });
            while let Ok(n) = inbox.recv() {
                self.0.lock().unwrap().push((elapsed().as_secs(), n));
            }
            Exit::Normal
        }
    }
    testing::check(|sys| {
        let seen = Seen::default();
        let body = sys.spawn(Body(seen.clone())).unwrap();
        microthread::sleep(secs(1));
        body.send(0).unwrap();
        microthread::sleep(secs(6));
        assert_eq!(all(&seen), [(1, 0), (3, 11), (4, 1), (6, 12)]);
        body.stop();
        body.join();
    });
}

#[test]
fn what_makes_a_repeated_message_may_panic_or_cancel() {
    testing::check(|sys| {
        let (clock, seen) = clock(sys);
        let handle: Arc<Mutex<Option<Timer>>> = Arc::default();
        let (own, mut left) = (handle.clone(), 3);
        let timer = clock.send_every(secs(1), move || {
            left -= 1;
            if left == 0 {
                assert!(own.lock().unwrap().as_ref().unwrap().cancel());
            }
            ClockMsg::Note { n: left }
        });
        *handle.lock().unwrap() = Some(timer);
        microthread::sleep(secs(9));
        // The third is not wanted any more.
        assert_eq!(all(&seen), [(1, 2), (2, 1)]);
        clock.send_every(secs(1), || panic!("made badly"));
        assert_eq!(clock.join(), ExitReason::Panicked("made badly".into()));
    });
}

#[test]
fn each_timer_comes_once_or_is_cancelled_whoever_races() {
    let sys = super::support::system(2);
    let sum = Arc::new(AtomicU64::new(0));
    let actors: Vec<_> = (0..8)
        .map(|_| sys.spawn(Adder(sum.clone())).unwrap())
        .collect();
    let set = |from: u64| {
        let actors = actors.clone();
        move || {
            let mut expected = 0;
            let mut recent = std::collections::VecDeque::new();
            for n in 0..2_000 {
                let addr = &actors[(from + n) as usize % actors.len()];
                let timer = addr.after(Duration::from_micros(n * 37 % 900)).add(n);
                expected += n;
                recent.push_back((timer, n));
                if recent.len() > 20 {
                    let (timer, n) = recent.pop_front().unwrap();
                    if n % 2 == 0 && timer.cancel() {
                        expected -= n;
                    }
                }
            }
            expected
        }
    };
    let thread = std::thread::spawn(set(0));
    let micro = sys.spawn_microthread(set(3)).unwrap();
    let expected = thread.join().unwrap() + micro.join().unwrap();
    until(|| sum.load(Ordering::SeqCst) == expected);
    for addr in &actors {
        addr.ask().within(LIMIT).done().unwrap();
    }
    assert_eq!(sum.load(Ordering::SeqCst), expected);
}

#[actor]
pub struct Adder(Arc<AtomicU64>);

#[actor]
impl Adder {
    pub fn add(&mut self, n: u64) {
        self.0.fetch_add(n, Ordering::SeqCst);
    }
    pub fn done(&mut self) {}
}

#[test]
fn a_system_ends_with_timers_set() {
    let sys = super::support::system(2);
    let count = Arc::new(AtomicUsize::new(0));
    let actors: Vec<Addr<Clock>> = (0..50).map(|_| clock(&sys).0).collect();
    for (n, addr) in actors.iter().enumerate() {
        addr.after(secs(3600 + n as u64))
            .carry(Counted::new(&count));
        addr.every(Duration::from_millis(1)).done();
    }
    assert_eq!(count.load(Ordering::SeqCst), 50);
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    for addr in &actors {
        assert_eq!(end(addr), ExitReason::Shutdown);
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

//! `select!` in a migratable function.

use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use actor_core::channel::{self, Receiver, RecvError, SendError, Sender};
use actor_core::microthread::{sleep, yield_now};
use actor_core::migratable::Suspended;
use actor_core::{migratable, select, testing};
use serde::{Deserialize, Serialize};

use super::cuts::{Actor, World, alone, cut_everywhere};
use super::programs::feed;

const LONG: Duration = Duration::from_secs(3600);

#[migratable]
fn merges(
    numbers: Receiver<u64>,
    words: Receiver<String>,
    out: Sender<String>,
) -> Result<u64, SendError<String>> {
    let (mut numbers, mut words) = (Some(numbers), Some(words));
    let mut turns = 0;
    while numbers.is_some() || words.is_some() {
        turns += 1;
        select! {
            recv(numbers.as_ref()) -> n => match n {
                Ok(n) => out.send(format!("n{n}"))?,
                Err(RecvError::Disconnected) => numbers = None,
                Err(_) => continue,
            },
            recv(words.as_ref()) -> word => {
                let Ok(word) = word else {
                    words = None;
                    continue;
                };
                yield_now();
                out.send(word)?;
            }
            default(LONG) => break,
        }
    }
    Ok(turns)
}

#[migratable]
fn says(to: Sender<String>, words: Vec<String>) -> Result<(), SendError<String>> {
    for word in words {
        to.send(word)?;
        yield_now();
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Merge {
    merges: Actor<merges>,
    feed: Actor<feed>,
    says: Actor<says>,
    out: Receiver<String>,
}

pub(crate) fn merge(capacity: usize) -> Merge {
    let (to, numbers) = channel::bounded(capacity);
    let (from, words) = channel::bounded(capacity);
    let (results, out) = channel::unbounded();
    Merge {
        merges: merges(numbers, words, results).into(),
        feed: feed(to, vec![1, 2, 3]).into(),
        says: says(from, ["a", "b"].map(String::from).into()).into(),
        out,
    }
}

impl World for Merge {
    type Seen = Vec<String>;

    fn turn(&mut self, log: &mut Vec<String>) -> bool {
        let merged = self.merges.turn(log);
        let fed = self.feed.turn(log);
        self.says.turn(log) && fed && merged
    }

    fn seen(self) -> Vec<String> {
        // Which of several comes first is left to chance; each stream keeps its order.
        let all: Vec<String> = self.out.try_iter().collect();
        let numbers = |word: &&String| word.starts_with('n');
        let (mut numbers, words): (Vec<_>, Vec<_>) = all.iter().partition(numbers);
        numbers.extend(words);
        numbers.into_iter().cloned().collect()
    }
}

#[test]
fn a_selection_goes_on_wherever_it_is_cut() {
    for capacity in [0, 1, 8] {
        let (log, seen) = cut_everywhere(|| merge(capacity));
        assert_eq!(seen, ["n1", "n2", "n3", "a", "b"]);
        assert!(
            log.iter().any(|line| line.ends_with("merges gave Ok(7)")),
            "{log:?}"
        );
    }
}

#[migratable]
fn spreads(values: Vec<u64>, left: Sender<u64>, right: Sender<u64>) -> (u32, u32) {
    let (mut lefts, mut rights) = (0, 0);
    for value in values {
        let taken = select! {
            send(&left, value) -> sent => sent.map(|()| lefts += 1),
            send(&right, value + 100) -> sent => sent.map(|()| rights += 1),
        };
        if taken.is_err() {
            break;
        }
    }
    (lefts, rights)
}

#[migratable]
fn gathers(from: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Ok(n) = from.recv() {
        sum += n % 100;
        yield_now();
    }
    sum
}

#[derive(Serialize, Deserialize)]
struct Spread {
    spreads: Actor<spreads>,
    left: Actor<gathers>,
    right: Actor<gathers>,
}

impl World for Spread {
    type Seen = ();

    fn turn(&mut self, log: &mut Vec<String>) -> bool {
        let mut own = Vec::new();
        let ended = self.spreads.turn(&mut own);
        let left = self.left.turn(&mut own);
        let right = self.right.turn(&mut own);
        log.extend(own);
        ended && left && right
    }

    fn seen(self) {}
}

/// What the two have gathered together: who gets what is left to chance.
fn gathered(log: &[String]) -> u64 {
    let sums = log.iter().filter(|line| line.contains("gathers"));
    sums.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn what_a_selection_sends_is_sent_once_wherever_it_is_cut() {
    let world = |capacity| {
        let (left, to_left) = channel::bounded(capacity);
        let (right, to_right) = channel::bounded(capacity);
        Spread {
            spreads: spreads((1..=6).collect(), left, right).into(),
            left: gathers(to_left).into(),
            right: gathers(to_right).into(),
        }
    };
    for capacity in [0, 1] {
        let (turns, log, ()) = super::cuts::run(world(capacity), |_| false);
        assert_eq!(gathered(&log), 21);
        for at in 0..=turns + 4 {
            let (_, log, ()) = super::cuts::run(world(capacity), |turn| turn == at);
            assert_eq!(gathered(&log), 21, "cut at {at}: {log:?}");
        }
        let (_, log, ()) = super::cuts::run(world(capacity), |_| true);
        assert_eq!(gathered(&log), 21, "cut everywhere: {log:?}");
    }
}

#[migratable]
fn sends_either(left: Sender<String>, right: Sender<String>) -> &'static str {
    select! {
        send(&left, "left".to_owned()) -> sent => if sent.is_ok() { "left" } else { "nobody" },
        send(&right, "right".to_owned()) -> _ => "right",
    }
}

#[test]
fn a_send_that_was_taken_before_the_cut_is_the_one_that_is_chosen() {
    let (left, to_left) = channel::rendezvous();
    let (right, to_right) = channel::rendezvous::<String>();
    let mut waits = Suspended::new(sends_either(left, right));
    assert!(waits.resume(Waker::noop()).is_pending());
    assert_eq!((to_left.balance(), to_right.balance()), (1, 1));
    assert_eq!(to_right.try_recv().unwrap(), "right");
    let image = waits.freeze().unwrap();
    assert_eq!((to_left.balance(), to_right.balance()), (0, 0));
    drop((to_left, to_right));
    let mut copy = Suspended::<sends_either>::thaw(&image).unwrap();
    assert_eq!(copy.resume(Waker::noop()), Poll::Ready("right"));
    assert_eq!(waits.resume(Waker::noop()), Poll::Ready("right"));
}

#[test]
fn a_send_whose_receivers_have_gone_before_the_cut_is_tried_again() {
    let (left, to_left) = channel::rendezvous();
    let (right, to_right) = channel::rendezvous::<String>();
    let mut waits = Suspended::new(sends_either(left, right));
    assert!(waits.resume(Waker::noop()).is_pending());
    drop(to_left);
    let image = migratable::freeze(&(waits, to_right)).unwrap();
    type World = (Suspended<sends_either>, Receiver<String>);
    let (mut waits, _to_right): World = migratable::thaw(&image).unwrap();
    assert_eq!(waits.resume(Waker::noop()), Poll::Ready("nobody"));
}

#[migratable]
fn either(a: Receiver<u8>, b: Receiver<u8>) -> u8 {
    select! {
        recv(&a) -> n => n.unwrap_or(0),
        recv(&b) -> n => n.unwrap_or(0) + 100,
    }
}

#[test]
fn a_value_that_a_selection_was_given_goes_back_when_it_is_frozen() {
    let (to_a, a) = channel::bounded(4);
    let (to_b, b) = channel::bounded(4);
    let mut waits = Suspended::new(either(a.clone(), b));
    assert!(waits.resume(Waker::noop()).is_pending());
    to_a.send(1).unwrap(); // handed to the one that waits
    to_a.send(2).unwrap();
    let image = migratable::freeze(&(&a, &waits, &to_b)).unwrap();
    type World = (Receiver<u8>, Suspended<either>, Sender<u8>);
    let (rest, mut copy, _to_b): World = migratable::thaw(&image).unwrap();
    assert_eq!(copy.resume(Waker::noop()), Poll::Ready(1));
    assert_eq!(rest.try_recv().unwrap(), 2);
    // And the original.
    assert_eq!(a.try_recv().unwrap(), 1);
    assert_eq!(waits.resume(Waker::noop()), Poll::Ready(2));
}

#[test]
fn a_selection_that_is_dropped_leaves_no_trace() {
    let (to_a, a) = channel::bounded(4);
    let (to_b, b) = channel::bounded(4);
    let mut waits = Suspended::new(either(a.clone(), b.clone()));
    assert!(waits.resume(Waker::noop()).is_pending());
    assert_eq!((a.balance(), b.balance()), (-1, -1));
    to_b.send(1).unwrap();
    assert_eq!(a.balance(), -1, "it has not looked yet");
    drop(waits);
    assert_eq!((a.balance(), b.len()), (0, 1));
    assert_eq!(b.try_recv().unwrap(), 1, "it goes to the next");
    drop((to_a, to_b));
}

#[migratable]
fn from_a_slot(to: Sender<String>, from: Receiver<u8>) -> (u8, Option<String>) {
    let mut slot = Some("kept".to_owned());
    let mut got = 0;
    while got < 2 {
        select! {
            send(&to, from slot) => got += 10,
            recv(&from) -> n => got += n.unwrap_or(100),
        }
    }
    (got, slot)
}

#[test]
fn what_was_not_sent_from_a_slot_is_in_it_again() {
    alone_with(false, (2, Some("kept".to_owned())));
    alone_with(true, (10, None));

    fn alone_with(taken: bool, expected: (u8, Option<String>)) {
        for cut in [false, true] {
            let (to, out) = channel::rendezvous();
            let (feed, from) = channel::rendezvous();
            let mut world = (Suspended::new(from_a_slot(to, from)), out, feed);
            let turn = |world: &mut (Suspended<from_a_slot>, Receiver<String>, Sender<u8>)| {
                let polled = world.0.resume(Waker::noop());
                if cut && polled.is_pending() {
                    *world = migratable::thaw(&migratable::freeze(&*world).unwrap()).unwrap();
                    assert!(world.0.resume(Waker::noop()).is_pending());
                }
                polled
            };
            assert!(turn(&mut world).is_pending());
            if taken {
                assert_eq!(world.1.try_recv().unwrap(), "kept");
                assert_eq!(turn(&mut world), Poll::Ready(expected.clone()));
                continue;
            }
            world.2.try_send(1).unwrap();
            assert!(turn(&mut world).is_pending());
            world.2.try_send(1).unwrap();
            assert_eq!(turn(&mut world), Poll::Ready(expected.clone()));
        }
    }
}

#[migratable]
fn in_time(from: Receiver<u8>, limit: Duration) -> Option<u8> {
    select! {
        recv(&from) -> n => n.ok(),
        default(limit) => None,
    }
}

#[migratable]
fn at_an_instant(from: Receiver<u8>, limit: Duration) -> Option<u8> {
    let at = Instant::now() + limit;
    select! {
        recv(&from) -> n => n.ok(),
        deadline(at) => None,
    }
}

#[test]
fn a_selection_ends_at_its_deadline() {
    let (_to, from) = channel::unbounded();
    assert_eq!(in_time(from.clone(), Duration::from_millis(1)).call(), None);
    assert_eq!(at_an_instant(from, Duration::from_millis(1)).call(), None);
}

#[test]
fn what_is_ready_wins_against_a_deadline_that_has_passed() {
    let (to, from) = channel::unbounded();
    to.send(3).unwrap();
    assert_eq!(in_time(from.clone(), Duration::ZERO).call(), Some(3));
    // Also what has come while it waited, until it looks.
    testing::Explorer::new().iterations(1).check(move |_| {
        let mut waits = Suspended::new(in_time(from.clone(), Duration::from_millis(1)));
        assert!(waits.resume(Waker::noop()).is_pending());
        let (_open, empty) = channel::unbounded();
        let mut late = Suspended::new(in_time(empty, Duration::from_millis(1)));
        assert!(late.resume(Waker::noop()).is_pending());
        to.send(4).unwrap();
        sleep(Duration::from_millis(2));
        assert_eq!(waits.resume(Waker::noop()), Poll::Ready(Some(4)));
        assert_eq!(late.resume(Waker::noop()), Poll::Ready(None));
    });
}

#[test]
fn a_deadline_keeps_what_is_left_of_it() {
    let (to, from) = channel::unbounded();
    let mut waits = Suspended::new(in_time(from, LONG));
    assert!(waits.resume(Waker::noop()).is_pending());
    let image = migratable::freeze(&(&waits, &to)).unwrap();
    type World = (Suspended<in_time>, Sender<u8>);
    let (mut copy, to): World = migratable::thaw(&image).unwrap();
    assert!(copy.resume(Waker::noop()).is_pending());
    to.send(1).unwrap();
    assert_eq!(copy.resume(Waker::noop()), Poll::Ready(Some(1)));

    let mut short = Suspended::new(in_time(channel::unbounded().1, Duration::from_millis(1)));
    let _ = short.resume(Waker::noop());
    let mut alone = Suspended::new(at_an_instant(channel::unbounded::<u8>().1, LONG));
    assert_eq!(
        alone.resume(Waker::noop()),
        Poll::Ready(None),
        "nobody sends"
    );
}

#[migratable]
fn polls(from: Receiver<u8>) -> u32 {
    let mut empty = 0;
    loop {
        select! {
            recv(&from) -> n => match n {
                Ok(_) => {}
                Err(_) => break empty,
            },
            default => {
                empty += 1;
                if empty == 3 {
                    return 30;
                }
                yield_now();
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Polled {
    polls: Actor<polls>,
    to: Sender<u8>,
}

impl World for Polled {
    type Seen = ();

    fn turn(&mut self, log: &mut Vec<String>) -> bool {
        self.polls.turn(log)
    }

    fn seen(self) {}
}

#[test]
fn a_default_does_not_wait() {
    let (log, ()) = cut_everywhere(|| {
        let (to, from) = channel::bounded(1);
        to.send(1).unwrap();
        Polled {
            polls: polls(from).into(),
            to,
        }
    });
    assert!(log[0].ends_with("gave 30"), "{log:?}");
    let (to, from) = channel::unbounded();
    drop(to);
    assert_eq!(polls(from).call(), 0);
}

#[migratable]
pub(crate) fn nested(rounds: u32) -> Vec<u32> {
    let (to, from) = channel::unbounded();
    let (go, gone) = channel::unbounded();
    let mut all = Vec::new();
    'rounds: for n in 0..rounds {
        let _ = to.send(n);
        let m = select! {
            biased;
            recv(&gone) -> n => n.unwrap_or(7),
            recv(&from) -> m => {
                let m = m.unwrap_or(0);
                let _ = go.send(9);
                select! {
                    recv(&gone) -> n => {
                        let n = n.unwrap_or(0);
                        yield_now();
                        if m == 2 {
                            continue 'rounds;
                        }
                        n + m
                    }
                    default => 1000,
                }
            }
        };
        yield_now();
        all.push(m);
        println!(
            "{}",
            select! { recv(&gone) -> n => n.unwrap_or(1), default => 2 }
        );
    }
    drop((to, go));
    all
}

#[test]
fn a_selection_has_a_value_and_may_stand_in_another() {
    assert_eq!(alone(|| nested(4)), "[9, 10, 12]");
}

#[migratable]
fn chooses(a: Receiver<u8>, b: Receiver<u8>) -> Vec<u8> {
    let mut chosen = Vec::new();
    for _ in 0..40 {
        chosen.push(select! {
            recv(&a) -> n => n.unwrap_or(9),
            recv(&b) -> n => n.unwrap_or(9),
        });
    }
    chosen
}

fn chosen_under(seed: u64) -> Vec<u8> {
    let out = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let to = out.clone();
    let explorer = actor_core::testing::Explorer::new()
        .seed(seed)
        .iterations(1);
    explorer.check(move |_| {
        let (to_a, a) = channel::unbounded();
        let (to_b, b) = channel::unbounded();
        (0..40).for_each(|_| {
            to_a.send(0).unwrap();
            to_b.send(1).unwrap();
        });
        *to.lock().unwrap() = chooses(a, b).call();
    });
    std::mem::take(&mut *out.lock().unwrap())
}

#[test]
fn a_selection_is_fair_and_its_choices_are_those_of_the_seed() {
    let first = chosen_under(1);
    assert_eq!(first, chosen_under(1));
    assert_ne!(first, chosen_under(2));
    assert!(first.contains(&0) && first.contains(&1));
}

#[test]
fn a_selection_is_woken_by_whoever_comes() {
    let rt = actor_core::Runtime::new().unwrap();
    let (to_a, a) = channel::rendezvous();
    let (to_b, b) = channel::rendezvous();
    let waits = rt.spawn(move || (either(a.clone(), b.clone()).call(), either(a, b).call()));
    let waits = waits.unwrap();
    to_a.send(1).unwrap();
    to_b.send(2).unwrap();
    assert_eq!(waits.join().unwrap(), (1, 102));
}

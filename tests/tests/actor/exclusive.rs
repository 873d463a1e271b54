//! One handler of an actor at a time, and every message accounted for, whatever goes on around it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use actor_core::prelude::*;
use actor_core::{Event, microthread};

use super::support::*;

const SENDERS: u64 = 6;
const EACH: u64 = 4_000;

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// A handler took it, and perhaps panicked then, or was killed.
    Handled,
    /// Its sender got it back.
    Returned,
    /// Its asker was told that there is no answer; no handler saw it.
    Failed,
}

/// What all in one run share.
#[derive(Default)]
struct Books {
    /// How often a handler took each message, by its number.
    handled: Vec<AtomicU32>,
    /// What the sender knows of each.
    sent: Vec<Mutex<Option<Fate>>>,
    overlaps: AtomicU32,
    lost_updates: AtomicU32,
}

/// An actor that notices when it is entered twice.
#[actor(mailbox = 16)]
pub struct Desk {
    inside: Arc<AtomicBool>,
    books: Arc<Books>,
    /// Counted without atomics, beside an atomic count: a lost update shows.
    plain: u64,
    exact: Arc<AtomicU64>,
}

#[actor]
impl Desk {
    pub fn take(&mut self, n: u64) -> u64 {
        struct Leave<'a>(&'a AtomicBool);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::SeqCst);
            }
        }
        if self.inside.swap(true, Ordering::SeqCst) {
            self.books.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        let _leave = Leave(&self.inside);
        self.books.handled[n as usize].fetch_add(1, Ordering::SeqCst);
        let exact = self.exact.fetch_add(1, Ordering::SeqCst) + 1;
        self.plain += 1;
        if self.plain != exact {
            self.books.lost_updates.fetch_add(1, Ordering::SeqCst);
        }
        match n % 97 {
            0 => microthread::yield_now(),
            1 => microthread::blocking(|| ()),
            2 if n.is_multiple_of(5) => panic!("as told"),
            _ => {}
        }
        n
    }
}

/// The desk of the day: whoever finds it closed opens the next.
struct Office {
    sys: System,
    books: Arc<Books>,
    desk: Mutex<Addr<Desk>>,
    all: Mutex<Vec<Addr<Desk>>>,
}

impl Office {
    fn open(sys: &System, books: &Arc<Books>) -> Addr<Desk> {
        let desk = Desk {
            inside: Arc::default(),
            books: books.clone(),
            plain: 0,
            exact: Arc::default(),
        };
        sys.spawn(desk).unwrap()
    }

    fn desk(&self) -> Addr<Desk> {
        let mut desk = self.desk.lock().unwrap();
        if !desk.is_alive() {
            *desk = Self::open(&self.sys, &self.books);
            self.all.lock().unwrap().push(desk.clone());
        }
        desk.clone()
    }

    /// Sends the numbers of `sender` in all the ways there are, with a stop or a kill now and then.
    fn send_all(&self, sender: u64) {
        let note = |n: u64, fate| *self.books.sent[n as usize].lock().unwrap() = fate;
        for n in sender * EACH..(sender + 1) * EACH {
            let desk = self.desk();
            match n % 601 {
                7 => desk.kill(),
                300 => desk.stop(),
                _ => {}
            }
            let fate = match n % 4 {
                0 => match desk.tell().take(n) {
                    Ok(()) => None,
                    Err(back) => Some(returned(back.into_message(), n)),
                },
                1 => match desk.try_tell().take(n) {
                    Ok(()) => None,
                    Err(back) => Some(returned(back.into_message(), n)),
                },
                2 => Some(asked(desk.ask().take(n), n)),
                _ => {
                    let pending = desk.request().take(n);
                    Some(asked(pending.wait(), n))
                }
            };
            note(n, fate);
        }
    }
}

fn returned(DeskMsg::Take { n }: DeskMsg, sent: u64) -> Fate {
    assert_eq!(n, sent, "the message itself comes back");
    Fate::Returned
}

fn asked(answer: Result<u64, AskError<DeskMsg>>, sent: u64) -> Fate {
    match answer {
        Ok(n) => {
            assert_eq!(n, sent, "the answer to this message and no other");
            Fate::Handled
        }
        Err(AskError::NoReply(Some(_))) => Fate::Failed,
        Err(error) => returned(error.into_message().expect("not delivered"), sent),
    }
}

#[test]
fn an_actor_is_never_entered_twice_and_every_message_is_accounted_for() {
    let sys = system(4);
    let all = (SENDERS * EACH) as usize;
    let books = Arc::new(Books {
        handled: (0..all).map(|_| AtomicU32::new(0)).collect(),
        sent: (0..all).map(|_| Mutex::new(None)).collect(),
        ..Books::default()
    });
    // Every event counts here, so the subscription is emptied all the time.
    let events = sys.events();
    let letters = thread::spawn(move || {
        let mut letters = 0;
        for event in events {
            match event {
                Event::DeadLetters { count, .. } => letters += count,
                Event::Lagged { .. } => panic!("events were lost"),
                _ => {}
            }
        }
        letters
    });
    let first = Office::open(&sys, &books);
    let office = Arc::new(Office {
        sys: sys.clone(),
        books: books.clone(),
        desk: Mutex::new(first.clone()),
        all: Mutex::new(vec![first]),
    });
    let threads: Vec<_> = (0..2)
        .map(|sender| {
            let office = office.clone();
            thread::spawn(move || office.send_all(sender))
        })
        .collect();
    let micro: Vec<_> = (2..4)
        .map(|sender| {
            let office = office.clone();
            sys.spawn_microthread(move || office.send_all(sender))
                .unwrap()
        })
        .collect();
    let handlers: Vec<_> = (4..SENDERS)
        .map(|sender| {
            let office = office.clone();
            let probe = sys.spawn(Probe::default()).unwrap();
            let sending = probe.request().perform(Box::new(move |_, _| {
                office.send_all(sender);
                0
            }));
            (probe, sending)
        })
        .collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
    micro.into_iter().for_each(|it| it.join().unwrap());
    for (probe, sending) in handlers {
        sending.wait().unwrap();
        probe.stop();
    }
    for desk in office.all.lock().unwrap().drain(..) {
        desk.stop();
        end(&desk);
    }
    let desks = Arc::into_inner(office).expect("all senders are done");
    drop(desks);
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    drop(sys);
    let letters = letters.join().unwrap();

    assert_eq!(books.overlaps.load(Ordering::SeqCst), 0);
    assert_eq!(books.lost_updates.load(Ordering::SeqCst), 0);
    let mut dead = 0;
    for (n, handled) in books.handled.iter().enumerate() {
        let handled = handled.load(Ordering::SeqCst);
        let sent = *books.sent[n].lock().unwrap();
        let fits = match (sent, handled) {
            // The asker of a handler that panicked or was killed.
            (Some(Fate::Failed), 0 | 1) | (Some(Fate::Handled), 1) => true,
            (Some(Fate::Returned), 0) | (None, 1) => true,
            (None, 0) => {
                dead += 1;
                true
            }
            _ => false,
        };
        assert!(fits, "message {n}: sent {sent:?}, handled {handled} times");
    }
    assert_eq!(dead, letters, "told and not handled");
}

#[test]
fn a_crowd_of_actors_on_few_workers_loses_nothing() {
    const ACTORS: usize = 64;
    const HOPS: u64 = 2_000;
    let sys = system(4);
    let ring: Arc<[_]> = (0..ACTORS)
        .map(|_| sys.spawn(Runner { next: None, ran: 0 }).unwrap())
        .collect();
    for (i, runner) in ring.iter().enumerate() {
        runner.ask().follow(ring[(i + 1) % ACTORS].clone()).unwrap();
    }
    let done = Flag::new();
    for runner in &ring[..8] {
        runner.tell().hop(HOPS, done.clone()).unwrap();
    }
    done.wait();
    let total = || -> u64 { ring.iter().map(|runner| runner.ask().ran().unwrap()).sum() };
    until(|| total() == 8 * (HOPS + 1));
}

/// Passes a token on.
#[actor]
pub struct Runner {
    next: Option<Addr<Runner>>,
    ran: u64,
}

#[actor]
impl Runner {
    pub fn follow(&mut self, next: Addr<Runner>) {
        self.next = Some(next);
    }

    pub fn hop(&mut self, left: u64, done: Flag) {
        self.ran += 1;
        match (&self.next, left) {
            (Some(next), 1..) => next.tell().hop(left - 1, done).unwrap(),
            _ => done.raise(),
        }
    }

    pub fn ran(&self) -> u64 {
        self.ran
    }
}

//! A million messages under random kills, panics and restarts, each with an id: where every one of them ended.

use std::mem;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorOptions, Options, WhenFull, microthread};
use fastrand::Rng;

use super::support::*;

/// Its handler has returned.
const HANDLED: u8 = 1;
/// Its handler was unwound: it panicked, or was killed.
const FAILED: u8 = 1 << 1;
/// Its sender has it back, or, if it asked, was told that there is no answer.
const RETURNED: u8 = 1 << 2;
/// It was a dead letter.
const DEAD: u8 = 1 << 3;
const FATES: u8 = HANDLED | FAILED | RETURNED | DEAD;
const SENT: u8 = 1 << 4;
/// The library dropped it.
const DROPPED: u8 = 1 << 5;
/// Its asker was killed while it waited for the answer.
const ORPHANED: u8 = 1 << 6;

/// What is known of each message, by its id.
struct Books {
    entries: Vec<AtomicU8>,
    next: AtomicUsize,
    contradictions: Mutex<Vec<(usize, u8, u8)>>,
}

impl Books {
    fn new(messages: usize) -> Arc<Self> {
        Arc::new(Self {
            entries: (0..messages).map(|_| AtomicU8::new(0)).collect(),
            next: AtomicUsize::new(0),
            contradictions: Mutex::default(),
        })
    }

    /// The next message, until all have been sent.
    fn issue(self: &Arc<Self>) -> Option<Ticket> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.entries.get(id)?.fetch_or(SENT, Ordering::Relaxed);
        Some(Ticket {
            id,
            books: self.clone(),
            settled: false,
        })
    }

    fn issued(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.entries.len())
    }

    fn note(&self, id: usize, what: u8) {
        self.entries[id].fetch_or(what, Ordering::Relaxed);
    }

    fn settle(&self, id: usize, fate: u8) {
        let before = self.entries[id].fetch_or(fate, Ordering::Relaxed);
        if before & FATES != 0 {
            self.contradictions.lock().unwrap().push((id, before, fate));
        }
    }

    /// The asker of `id` was told that there is no answer.
    fn no_answer(&self, id: usize) {
        // That its handler failed has been noted before the asker was told.
        if self.entries[id].load(Ordering::Relaxed) & FAILED == 0 {
            self.settle(id, RETURNED);
        }
    }
}

/// What travels in a message.
pub struct Ticket {
    id: usize,
    books: Arc<Books>,
    settled: bool,
}

impl Ticket {
    fn settle(mut self, fate: u8) {
        self.settled = true;
        self.books.settle(self.id, fate);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.books.note(self.id, DROPPED);
        }
    }
}

/// A handler at work on a message.
struct Working(Option<Ticket>);

impl Working {
    fn done(mut self) {
        self.0.take().expect("it has one").settle(HANDLED);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.settle(FAILED);
        }
    }
}

/// One that works, with whatever a mailbox offers. `N` is its bound (0: none), `P` its policy.
struct Crew<const N: usize, const P: u8> {
    books: Arc<Books>,
    all: Arc<Targets>,
    rng: Rng,
}

impl<const N: usize, const P: u8> ActorOptions for Crew<N, P> {
    const OPTIONS: Options = match (N, P) {
        (0, _) => Options::new(),
        (_, FAIL) => Options::new().mailbox(N).when_full(WhenFull::Fail),
        (_, DROP_OLDEST) => Options::new().mailbox(N).when_full(WhenFull::DropOldest),
        (_, DROP_NEWEST) => Options::new().mailbox(N).when_full(WhenFull::DropNewest),
        _ => Options::new().mailbox(N),
    };
}

#[actor]
impl<const N: usize, const P: u8> Crew<N, P> {
    pub fn work(&mut self, cx: &mut Cx<Self>, ticket: Ticket) {
        let dice = self.rng.u32(..1024);
        match dice {
            0..32 => return cx.stash(CrewMsg::Work { ticket }),
            32..128 => drop(cx.unstash_all()),
            _ => {}
        }
        let working = Working(Some(ticket));
        match dice {
            128..130 => panic!("boom"),
            130 => cx.exit(Exit::failed("had enough")),
            131 => cx.stop(),
            132..160 => microthread::yield_now(),
            160..164 => microthread::sleep(Duration::from_micros(20)),
            164..196 => {
                let odd = |msg| match msg {
                    CrewMsg::Work { ticket } if ticket.id % 2 == 1 => Ok(ticket),
                    other => Err(other),
                };
                let wait = Duration::from_micros(self.rng.u64(..50));
                if let Ok(ticket) = cx.receive_within(wait, odd) {
                    Working(Some(ticket)).done();
                }
            }
            196..260 => send(&self.books, &self.all, &mut self.rng, false),
            _ => {}
        }
        working.done();
    }

    #[priority(high)]
    pub fn hurry(&mut self, ticket: Ticket) {
        let working = Working(Some(ticket));
        if self.rng.u32(..64) == 0 {
            microthread::yield_now();
        }
        working.done();
    }
}

/// An address of a crew of any kind.
trait Target: Send + Sync {
    fn send(&self, msg: CrewMsg, try_only: bool) -> Result<(), TellError<CrewMsg>>;
    fn work(&self, ticket: Ticket, within: Duration) -> Result<(), AskError<CrewMsg>>;
    fn hurry(&self, ticket: Ticket) -> Result<(), AskError<CrewMsg>>;
    fn end(&self, kill: bool);
    /// Whether a tell may wait.
    fn may_wait(&self) -> bool;
}

impl<const N: usize, const P: u8> Target for Addr<Crew<N, P>> {
    fn send(&self, msg: CrewMsg, try_only: bool) -> Result<(), TellError<CrewMsg>> {
        match try_only {
            true => self.try_send(msg),
            false => Addr::send(self, msg),
        }
    }

    fn work(&self, ticket: Ticket, within: Duration) -> Result<(), AskError<CrewMsg>> {
        self.ask().within(within).work(ticket)
    }

    fn hurry(&self, ticket: Ticket) -> Result<(), AskError<CrewMsg>> {
        self.ask().hurry(ticket)
    }

    fn end(&self, kill: bool) {
        match kill {
            true => self.kill(),
            false => self.stop(),
        }
    }

    fn may_wait(&self) -> bool {
        N > 0 && P == BLOCK
    }
}

type Targets = Vec<RwLock<Arc<dyn Target>>>;

/// Sends one message in one of the many ways. `patient`: it may wait for room.
fn send(books: &Arc<Books>, all: &Targets, rng: &mut Rng, patient: bool) {
    let Some(ticket) = books.issue() else { return };
    let id = ticket.id;
    let to = all[rng.usize(..all.len())].read().unwrap().clone();
    let refused = match rng.u32(..8) {
        0 => to.send(CrewMsg::Work { ticket }, true).err(),
        1 => to.send(CrewMsg::Hurry { ticket }, true).err(),
        2 | 3 => {
            /// Notes that it was killed while it waited.
            struct Asking<'a>(&'a Books, usize);
            impl Drop for Asking<'_> {
                fn drop(&mut self) {
                    self.0.note(self.1, ORPHANED);
                }
            }
            let asking = Asking(books, id);
            let answer = match patient && id.is_multiple_of(3) {
                true => to.hurry(ticket),
                false => to.work(ticket, Duration::from_micros(rng.u64(..400))),
            };
            mem::forget(asking);
            return match answer {
                // Handled; or received by a handler, which has no answer for it; or late, and then others will know.
                Ok(()) | Err(AskError::NoReply(None) | AskError::Timeout) => {}
                Err(AskError::NoReply(Some(_)) | AskError::Displaced) => books.no_answer(id),
                Err(refused) => give_back(refused.into_message().expect("the message")),
            };
        }
        urgent => {
            let msg = match urgent {
                4 => CrewMsg::Hurry { ticket },
                _ => CrewMsg::Work { ticket },
            };
            to.send(msg, to.may_wait() && !patient).err()
        }
    };
    if let Some(refused) = refused {
        give_back(refused.into_message());
    }
}

fn give_back(msg: CrewMsg) {
    ticket_of(msg).settle(RETURNED);
}

fn ticket_of(msg: CrewMsg) -> Ticket {
    match msg {
        CrewMsg::Work { ticket } | CrewMsg::Hurry { ticket } => ticket,
    }
}

/// How many there are to be. All of a million also in a debug build; fewer where time is short.
fn messages() -> usize {
    let given = std::env::var("ACCOUNTING_MESSAGES").ok();
    given.map_or(1_000_000, |n| n.parse().expect("a number"))
}

#[test]
fn no_message_is_lost_without_trace() {
    let sys = system(3);
    // More than there can be, so that none is missing.
    let letters = sys.dead_letters_up_to(usize::MAX);
    let books = Books::new(messages());
    let supervisor = Supervisor::builder()
        .intensity(u32::MAX, Duration::from_secs(1))
        .start(&sys)
        .unwrap();

    // The first half is supervised: what is queued there waits for the next life. The others leave it behind.
    let all: Arc<Targets> = {
        struct Nobody;
        impl Target for Nobody {
            fn send(&self, msg: CrewMsg, _: bool) -> Result<(), TellError<CrewMsg>> {
                Err(TellError::Closed(msg))
            }
            fn work(&self, ticket: Ticket, _: Duration) -> Result<(), AskError<CrewMsg>> {
                Err(AskError::Closed(CrewMsg::Work { ticket }))
            }
            fn hurry(&self, ticket: Ticket) -> Result<(), AskError<CrewMsg>> {
                Err(AskError::Closed(CrewMsg::Hurry { ticket }))
            }
            fn end(&self, _: bool) {}
            fn may_wait(&self) -> bool {
                false
            }
        }
        let nobody = |_| RwLock::new(Arc::new(Nobody) as Arc<dyn Target>);
        Arc::new((0..2 * KINDS).map(nobody).collect())
    };
    const KINDS: usize = 6;
    let spawn = {
        let (sys, books, all) = (sys.clone(), books.clone(), all.clone());
        move |at: usize| -> Arc<dyn Target> {
            fn start<const N: usize, const P: u8>(
                at: usize,
                sys: &System,
                supervisor: &Supervisor,
                books: &Arc<Books>,
                all: &Arc<Targets>,
            ) -> Arc<dyn Target> {
                let (books, all) = (books.clone(), all.clone());
                let make = move || Crew::<N, P> {
                    books: books.clone(),
                    all: all.clone(),
                    rng: Rng::new(),
                };
                Arc::new(match at < KINDS {
                    true => (supervisor.start_child(ChildSpec::new(format!("crew-{at}"), make)))
                        .expect("starts"),
                    false => sys.spawn(make()).expect("starts"),
                })
            }
            let start = match at % KINDS {
                0 => start::<0, BLOCK>,
                1 => start::<64, BLOCK>,
                2 => start::<3, BLOCK>,
                3 => start::<32, FAIL>,
                4 => start::<32, DROP_OLDEST>,
                _ => start::<32, DROP_NEWEST>,
            };
            start(at, &sys, &supervisor, &books, &all)
        }
    };
    for at in 0..all.len() {
        *all[at].write().unwrap() = spawn(at);
    }

    let sender = || {
        let (books, all) = (books.clone(), all.clone());
        move || {
            let mut rng = Rng::new();
            while books.issued() < books.entries.len() {
                send(&books, &all, &mut rng, true);
                microthread::yield_now();
            }
        }
    };
    let threads: Vec<_> = (0..2).map(|_| thread::spawn(sender())).collect();
    let start_sender = || sys.spawn_microthread(sender()).unwrap();
    let mut senders: Vec<_> = (0..6).map(|_| start_sender()).collect();

    // Meanwhile, and in step with them, somebody is ended.
    let mut rng = Rng::new();
    let mut at = 0;
    while at < books.entries.len() {
        at += rng.usize(..400);
        until(|| books.issued() >= at.min(books.entries.len()));
        match rng.usize(..8) {
            0 => {
                let victim = rng.usize(..senders.len());
                let killed = mem::replace(&mut senders[victim], start_sender());
                killed.kill();
                let _ = killed.join(); // killed, or through
            }
            _ => {
                let victim = rng.usize(..all.len());
                let target = all[victim].read().unwrap().clone();
                target.end(rng.bool());
                if victim >= KINDS {
                    *all[victim].write().unwrap() = spawn(victim);
                }
            }
        }
    }
    threads.into_iter().for_each(|it| it.join().unwrap());
    senders.into_iter().for_each(|it| it.join().unwrap());
    let report = sys.shutdown(LIMIT).unwrap();
    assert!(report.is_clean(), "{report:?}");
    drop(sys);

    for letter in letters.try_iter() {
        assert_eq!(letter.missed, 0);
        let msg = letter.take().expect("nobody else subscribes");
        ticket_of(msg).settle(DEAD);
    }
    let contradictions = books.contradictions.lock().unwrap();
    assert_eq!(contradictions.first(), None, "is in two sets");
    let (mut sums, mut orphans, mut sent) = ([0; 4], 0, 0);
    for (id, entry) in books.entries.iter().enumerate() {
        let entry = entry.load(Ordering::Relaxed);
        let has = |what| entry & what != 0;
        sent += usize::from(has(SENT));
        let fate = entry & FATES;
        match fate {
            // The asker was told, and never came to hear it.
            0 if has(ORPHANED) && has(DROPPED) => orphans += 1,
            0 => panic!("{id} is lost: {entry:b}"),
            _ => sums[fate.trailing_zeros() as usize] += 1,
        }
        // Nothing is dropped whose sender does not know.
        assert!(
            !has(DROPPED) || fate == RETURNED || has(ORPHANED),
            "{id}: {entry:b}"
        );
    }
    let [handled, failed, returned, dead] = sums;
    assert_eq!(handled + failed + returned + orphans + dead, sent);
    assert_eq!(sent, books.entries.len());
    assert!(sums.iter().all(|sum| *sum > sent / 10_000), "{sums:?}");
}

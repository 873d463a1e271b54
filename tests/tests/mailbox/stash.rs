//! Messages put away for later.

use actor_core::DeadReason;
use actor_core::prelude::*;

use super::support::*;

/// Handles nothing but puts it away, until it is opened.
#[derive(Default)]
#[actor]
struct Store {
    open: bool,
    seen: Vec<u32>,
}

#[actor]
impl Store {
    pub fn buy(&mut self, cx: &mut Cx<Self>, n: u32) -> u32 {
        if !self.open {
            cx.stash(StoreMsg::Buy { n });
            return 999; // to nobody
        }
        self.seen.push(n);
        n
    }

    pub fn open(&mut self, cx: &mut Cx<Self>) -> usize {
        self.open = true;
        cx.unstash_all()
    }

    /// Has another look at what is in the stash.
    pub fn knock(&mut self, cx: &mut Cx<Self>) -> usize {
        cx.unstash_all()
    }

    pub fn close(&mut self) {
        self.open = false;
    }

    pub fn stashed(&mut self, cx: &mut Cx<Self>) -> usize {
        cx.stashed()
    }

    pub fn seen(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.seen)
    }

    #[priority(high)]
    pub fn urgent(&mut self, n: u32) {
        self.seen.push(n);
    }

    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    /// Opens, and is held before it returns.
    pub fn open_held(&mut self, cx: &mut Cx<Self>, entered: Flag, release: Flag) {
        self.open(cx);
        self.hold(entered, release);
    }

    pub fn boom(&mut self) {
        panic!("boom")
    }
}

#[test]
fn the_stash_comes_back_in_front_in_its_order() {
    let sys = system(2);
    let store = sys.spawn(Store::default()).unwrap();
    (0..5).for_each(|n| store.tell().buy(n).unwrap());
    assert_eq!(store.ask().stashed().unwrap(), 5);
    let (entered, release) = (Flag::default(), Flag::default());
    (store.tell().open_held(entered.clone(), release.clone())).unwrap();
    (5..8).for_each(|n| store.tell().buy(n).unwrap());
    entered.wait();
    assert_eq!(store.queued(), 8, "they wait again");
    release.raise();
    assert_eq!(store.ask().seen().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(store.queued(), 0);
}

#[test]
fn an_asker_waits_on_while_its_message_is_stashed() {
    let sys = system(2);
    let store = sys.spawn(Store::default()).unwrap();
    let mut asked: Vec<_> = (0..3).map(|n| store.request().buy(n)).collect();
    assert_eq!(store.ask().stashed().unwrap(), 3);
    assert!(asked.iter_mut().all(|it| it.try_take().is_none()));
    assert_eq!(store.ask().open().unwrap(), 3);
    let answers: Vec<_> = asked.into_iter().map(|it| it.wait().unwrap()).collect();
    assert_eq!(answers, [0, 1, 2]);
}

#[test]
fn a_message_may_be_stashed_again_and_again() {
    let sys = system(2);
    let store = sys.spawn(Store::default()).unwrap();
    let asked = store.request().buy(7);
    for _ in 0..3 {
        assert_eq!(store.ask().knock().unwrap(), 1);
        assert_eq!(store.ask().stashed().unwrap(), 1);
    }
    store.tell().open().unwrap();
    assert_eq!(asked.wait().unwrap(), 7);
    store.tell().close().unwrap();
    let again = store.request().buy(8);
    assert_eq!(store.ask().stashed().unwrap(), 1);
    store.tell().open().unwrap();
    assert_eq!(again.wait().unwrap(), 8);
}

#[test]
fn only_urgent_messages_go_before_what_was_stashed() {
    let sys = system(2);
    let store = sys.spawn(Store::default()).unwrap();
    store.tell().buy(1).unwrap();
    let (entered, release) = (Flag::default(), Flag::default());
    (store.tell().open_held(entered.clone(), release.clone())).unwrap();
    entered.wait();
    store.tell().buy(2).unwrap();
    store.tell().urgent(3).unwrap();
    release.raise();
    assert_eq!(store.ask().seen().unwrap(), [3, 1, 2]);
}

#[test]
fn the_next_life_handles_what_was_stashed_first() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let sup = Supervisor::builder().start(&sys).unwrap();
    let lives = std::sync::atomic::AtomicU32::new(0);
    let make = move || Store {
        // Closed in its first life only.
        open: lives.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0,
        seen: Vec::new(),
    };
    let store = sup.start_child(ChildSpec::new("store", make)).unwrap();
    store.tell().buy(0).unwrap();
    let asked = store.request().buy(1);
    assert_eq!(store.ask().stashed().unwrap(), 2);
    let (entered, release) = (Flag::default(), Flag::default());
    store.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    store.tell().boom().unwrap();
    store.tell().buy(2).unwrap();
    release.raise();
    assert_eq!(asked.wait().unwrap(), 1, "answered by the next life");
    assert_eq!(store.ask().seen().unwrap(), [0, 1, 2]);
    assert_eq!(letters.try_iter().count(), 0);
}

#[test]
fn what_is_stashed_when_the_actor_ends_is_accounted_for_before_what_is_queued() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let store = sys.spawn(Store::default()).unwrap();
    store.tell().buy(0).unwrap();
    let asked = store.request().buy(1);
    assert_eq!(store.ask().stashed().unwrap(), 2);
    let (entered, release) = (Flag::default(), Flag::default());
    store.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    store.tell().buy(2).unwrap();
    store.kill();
    release.raise();
    let answer = asked.wait();
    assert!(
        matches!(answer, Err(AskError::NoReply(Some(ExitReason::Killed)))),
        "{answer:?}"
    );
    store.join();
    let left: Vec<_> = letters
        .try_iter()
        .map(|letter| {
            assert_eq!(letter.reason, DeadReason::Ended(ExitReason::Killed));
            match letter.take() {
                Some(StoreMsg::Buy { n }) => n,
                _ => panic!("another message"),
            }
        })
        .collect();
    assert_eq!(left, [0, 2]);
}

/// Stashes all it is told, up to a bound of one in its mailbox.
#[actor(mailbox = 1)]
struct Hoard;

#[actor]
impl Hoard {
    pub fn keep(&mut self, cx: &mut Cx<Self>, n: u32) -> usize {
        cx.stash(HoardMsg::Keep { n });
        cx.stashed()
    }
}

#[test]
fn what_is_stashed_does_not_count_for_the_bound() {
    let sys = system(1);
    let hoard = sys.spawn(Hoard).unwrap();
    for n in 0..100 {
        hoard.tell().keep(n).unwrap();
    }
    until(|| hoard.queued() == 0);
}

/// Answers by hand, after it has stashed.
struct Both;

impl actor_core::ActorOptions for Both {}

impl Actor for Both {
    type Msg = u32;
    type Tell<'a> = actor_core::NoMethods;
    type TryTell<'a> = actor_core::NoMethods;
    type Ask<'a> = actor_core::NoMethods;
    type Request<'a> = actor_core::NoMethods;

    fn handle(&mut self, n: u32, reply: actor_core::Reply<'_>, cx: &mut Cx<Self>) {
        let asked = reply.is_asked();
        match n {
            0 if cx.stashed() == 0 => {
                cx.stash(0);
                assert_eq!((asked, reply.is_asked()), (true, false));
                reply.send("to nobody".to_string());
            }
            0 => unreachable!("it stays"),
            _ => {
                cx.unstash_all();
                cx.stash(1);
                drop(reply); // not the asker's any more
                cx.exit(Exit::Shutdown);
            }
        }
    }
}

#[test]
fn a_reply_whose_asker_was_stashed_is_nobodys() {
    let sys = system(1);
    let both = sys.spawn(Both).unwrap();
    let first = both.__request::<String>(0);
    let second = both.__request::<String>(1);
    for asked in [first, second] {
        let answer = asked.wait();
        assert!(
            matches!(answer, Err(AskError::NoReply(Some(ExitReason::Shutdown)))),
            "{answer:?}"
        );
    }
}

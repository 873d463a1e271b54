//! Urgent messages.

use actor_core::prelude::*;
use actor_core::{ActorOptions, DeadReason, Options, Priority};

use super::support::*;

/// Notes what it handles. `N` is the bound of its lanes (0: none).
#[derive(Default)]
struct Ward<const N: usize> {
    seen: Vec<u32>,
}

impl<const N: usize> ActorOptions for Ward<N> {
    const OPTIONS: Options = match N {
        0 => Options::new(),
        bound => Options::new().mailbox(bound),
    };
}

/// Where the urgent message is one of a protocol.
#[protocol]
pub trait Paged {
    fn note(&mut self, n: u32) -> u32;

    #[priority(high)]
    fn page(&mut self, n: u32) -> u32;
}

impl<const N: usize> Paged for Ward<N> {
    fn note(&mut self, n: u32) -> u32 {
        self.visit(n)
    }

    fn page(&mut self, n: u32) -> u32 {
        self.visit(n)
    }
}

#[actor(protocols = [Paged])]
impl<const N: usize> Ward<N> {
    pub fn visit(&mut self, n: u32) -> u32 {
        self.seen.push(n);
        n
    }

    #[priority(high)]
    pub fn alarm(&mut self, n: u32) -> u32 {
        self.seen.push(n);
        n
    }

    #[priority(normal)]
    pub fn seen(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.seen)
    }

    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    pub fn boom(&mut self) {
        panic!("boom")
    }
}

fn hold<const N: usize>(ward: &Addr<Ward<N>>) -> Flag {
    let (entered, release) = (Flag::default(), Flag::default());
    ward.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    release
}

fn held<const N: usize>(sys: &System) -> (Addr<Ward<N>>, Flag) {
    let ward = sys.spawn(Ward::default()).unwrap();
    let release = hold(&ward);
    (ward, release)
}

#[test]
fn urgent_messages_are_handled_before_ordinary_ones_each_lane_in_order() {
    let sys = system(2);
    let (ward, release) = held::<0>(&sys);
    for n in 0..100 {
        ward.tell().visit(n).unwrap();
        ward.tell().alarm(1000 + n).unwrap();
    }
    assert_eq!(ward.queued(), 200);
    release.raise();
    let seen = ward.ask().seen().unwrap();
    assert!(seen.into_iter().eq((1000..1100).chain(0..100)));
}

#[test]
fn the_lane_follows_from_the_message_and_not_from_the_verb() {
    let sys = system(2);
    let (ward, release) = held::<0>(&sys);
    ward.send(WardMsg::Visit { n: 0 }).unwrap();
    ward.send(WardMsg::Alarm { n: 1 }).unwrap();
    ward.try_send(WardMsg::Alarm { n: 2 }).unwrap();
    ward.try_tell().alarm(3).unwrap();
    let asked = ward.request().alarm(4);
    let to = ward.clone();
    let asking = std::thread::spawn(move || to.ask().alarm(5));
    until(|| ward.queued() == 6);
    release.raise();
    assert_eq!(asked.wait().unwrap(), 4);
    assert_eq!(asking.join().unwrap().unwrap(), 5);
    assert_eq!(ward.ask().seen().unwrap(), [1, 2, 3, 4, 5, 0]);
}

#[test]
fn an_urgent_message_of_a_protocol_overtakes_by_whatever_address_each_lane_in_order() {
    let sys = system(2);
    let (ward, release) = held::<0>(&sys);
    let narrow: AddrOf<dyn Paged> = ward.narrow();
    let recipient = narrow.recipient();
    narrow.tell().note(0).unwrap();
    ward.tell().visit(1).unwrap();
    narrow.tell().page(10).unwrap();
    ward.tell().alarm(11).unwrap(); // in one lane with those of the protocol
    narrow.try_tell().page(12).unwrap();
    narrow.send(PagedMsg::Page { n: 13 }).unwrap();
    recipient.send(PagedMsg::Note { n: 2 }).unwrap();
    recipient.send(PagedMsg::Page { n: 14 }).unwrap();
    let asked = narrow.request().page(15);
    ward.send(WardMsg::Paged(PagedMsg::Page { n: 16 })).unwrap();
    ward.send(WardMsg::Paged(PagedMsg::Note { n: 3 })).unwrap();
    let to = narrow.clone();
    let asking = std::thread::spawn(move || to.ask().page(17));
    until(|| ward.queued() == 12);
    release.raise();
    assert_eq!(asked.wait().unwrap(), 15);
    assert_eq!(asking.join().unwrap().unwrap(), 17);
    let seen = ward.ask().seen().unwrap();
    assert!(seen.into_iter().eq((10..18).chain(0..4)));
}

/// All that is urgent about it is in the protocol.
#[actor]
#[derive(Default)]
struct Clerk(Vec<u32>);

#[actor(protocols = [Paged])]
impl Clerk {
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    pub fn seen(&self) -> Vec<u32> {
        self.0.clone()
    }
}

impl Paged for Clerk {
    fn note(&mut self, n: u32) -> u32 {
        self.0.push(n);
        n
    }

    fn page(&mut self, n: u32) -> u32 {
        self.note(n)
    }
}

#[test]
fn a_protocol_makes_messages_urgent_of_an_actor_that_has_none_of_its_own() {
    let sys = system(1);
    let clerk = sys.spawn(Clerk::default()).unwrap();
    let (entered, release) = (Flag::default(), Flag::default());
    clerk.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    let narrow = clerk.narrow::<dyn Paged>();
    for n in 0..100 {
        narrow.tell().note(n).unwrap();
        narrow.tell().page(1000 + n).unwrap();
    }
    release.raise();
    let seen = clerk.ask().seen().unwrap();
    assert!(seen.into_iter().eq((1000..1100).chain(0..100)));
}

#[test]
fn an_urgent_message_of_a_protocol_that_finds_its_lane_full_comes_back_as_the_protocols() {
    let sys = system(2);
    let (ward, release) = held::<1>(&sys);
    let narrow = ward.narrow::<dyn Paged>();
    narrow.try_tell().note(0).unwrap();
    narrow.try_tell().page(1).unwrap(); // a lane of its own
    let full = narrow.try_tell().page(2).unwrap_err();
    assert!(matches!(full, TellError::Full(PagedMsg::Page { n: 2 })));
    release.raise();
    assert_eq!(narrow.ask().note(3).unwrap(), 3);
    assert_eq!(ward.ask().seen().unwrap(), [1, 0, 3]);
}

#[test]
fn an_urgent_message_wakes_an_idle_actor() {
    let sys = system(1);
    let ward = sys.spawn(Ward::<0>::default()).unwrap();
    for n in 0..1000 {
        assert_eq!(ward.ask().alarm(n).unwrap(), n);
    }
}

#[test]
fn each_lane_has_the_bound_to_itself() {
    let sys = system(2);
    let (ward, release) = held::<2>(&sys);
    (0..2).for_each(|n| ward.try_tell().visit(n).unwrap());
    assert!(matches!(ward.try_tell().visit(9), Err(TellError::Full(_))));
    (10..12).for_each(|n| ward.try_tell().alarm(n).unwrap());
    assert!(matches!(ward.try_tell().alarm(9), Err(TellError::Full(_))));
    // Who waits for room in the urgent lane gets it.
    let to = ward.clone();
    let waiting = std::thread::spawn(move || to.tell().alarm(12));
    release.raise();
    waiting.join().unwrap().unwrap();
    until(|| ward.queued() == 0);
    let mut seen = ward.ask().seen().unwrap();
    assert_eq!(seen[..2], [10, 11]);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 10, 11, 12]);
}

#[test]
fn urgent_messages_wait_for_the_next_life_or_become_dead_letters() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let sup = Supervisor::builder().start(&sys).unwrap();
    let ward = sup
        .start_child(ChildSpec::new("ward", Ward::<0>::default))
        .unwrap();
    let release = hold(&ward);
    ward.tell().boom().unwrap();
    ward.tell().visit(1).unwrap();
    release.raise(); // urgent ones go first, so they are sent when it has panicked, or is about to
    ward.tell().alarm(2).unwrap();
    ward.ask().visit(3).unwrap();
    let mut seen = ward.ask().seen().unwrap();
    if seen.len() == 2 {
        seen.push(2); // handled by the first life
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(letters.try_iter().count(), 0);

    let release = hold(&ward);
    ward.tell().visit(4).unwrap();
    ward.tell().alarm(5).unwrap();
    let asked = ward.request().alarm(6);
    let stopping = {
        let sup = sup.clone();
        std::thread::spawn(move || sup.terminate_child("ward"))
    };
    // It is asked to stop while it is held, so that it comes to none of them.
    release.raise();
    stopping.join().unwrap().unwrap();
    let mut ended: Vec<u32> = letters
        .try_iter()
        .map(|letter| {
            assert!(matches!(letter.reason, DeadReason::Ended(_)));
            match letter.take() {
                Some(WardMsg::Alarm { n } | WardMsg::Visit { n }) => n,
                _ => panic!("another message"),
            }
        })
        .collect();
    ended.sort_unstable();
    // Which of them it still came to depends on when the request to stop arrived: never an ordinary one alone.
    match asked.wait() {
        Ok(6) => assert!(ended.is_empty() || ended == [4], "{ended:?}"),
        Err(AskError::NoReply(Some(ExitReason::Shutdown))) => {
            assert!(ended == [4] || ended == [4, 5], "{ended:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_the_end_an_urgent_message_is_refused() {
    let sys = system(1);
    // One that never had an urgent message, and one that had.
    for used in [false, true] {
        let ward = sys.spawn(Ward::<0>::default()).unwrap();
        if used {
            ward.ask().alarm(0).unwrap();
        }
        ward.stop();
        ward.join();
        assert!(ward.tell().alarm(1).unwrap_err().is_closed());
        assert!(ward.try_tell().alarm(1).unwrap_err().is_closed());
        assert!(ward.ask().alarm(1).unwrap_err().is_closed());
    }
}

/// By hand, for an actor with its own stack: even numbers are urgent.
struct Even;

impl ActorOptions for Even {}

impl Actor for Even {
    type Msg = u32;
    type Tell<'a> = actor_core::NoMethods;
    type TryTell<'a> = actor_core::NoMethods;
    type Ask<'a> = actor_core::NoMethods;
    type Request<'a> = actor_core::NoMethods;

    const OWN_STACK: bool = true;
    const HAS_PRIORITIES: bool = true;

    fn priority(n: &u32) -> Priority {
        match n % 2 {
            0 => Priority::High,
            _ => Priority::Normal,
        }
    }

    fn run(self, inbox: Inbox<Self>) -> Exit {
        let mut seen = Vec::new();
        while inbox.len() < 4 {
            actor_core::microthread::yield_now();
        }
        while let Ok(n) = inbox.try_recv() {
            seen.push(n);
        }
        seen.extend(inbox.recv()); // urgent, and what wakes it
        Exit::failed(format!("{seen:?}"))
    }
}

#[test]
fn an_inbox_gives_urgent_messages_first() {
    let sys = system(1);
    let even = sys.spawn(Even).unwrap();
    for n in [1, 2, 3, 4] {
        even.send(n).unwrap();
    }
    until(|| even.queued() == 0);
    even.send(6).unwrap();
    assert_eq!(even.join(), ExitReason::failed("[2, 4, 1, 3, 6]"));
}

//! Each kind of wait that is tracked, and what its error says.

use super::*;

fn system() -> System {
    System::builder().workers(2).build().unwrap()
}

/// Its mailbox holds one message.
#[actor(mailbox = 1)]
pub struct Tight(Vec<u32>);

#[actor]
impl Tight {
    pub fn note(&mut self, n: u32) {
        self.0.push(n);
    }
    pub fn noted(&self) -> Vec<u32> {
        self.0.clone()
    }
    /// Tells `other` more than its mailbox holds.
    pub fn flood(&mut self, other: Addr<Tight>) -> Vec<Outcome> {
        let tell = |n| match other.tell().note(n) {
            Err(TellError::Deadlock { message, path }) => {
                assert!(matches!(message, TightMsg::Note { n: it } if it == n));
                Outcome::Deadlock(ids(&path))
            }
            other => told(other),
        };
        (0..3).map(tell).collect()
    }
    /// As a request, whose message does not get in.
    pub fn flood_by_requests(&mut self, cx: &mut Cx<Self>) -> Outcome {
        let first = cx.addr().request().noted();
        let second = cx.addr().request().noted().wait();
        drop(first);
        match second {
            Err(AskError::Deadlock { message, path }) => {
                assert!(matches!(message, Some(TightMsg::Noted)));
                Outcome::Deadlock(ids(&path))
            }
            other => asked(other),
        }
    }
    /// Asks `other`, which tells us more than our mailbox holds.
    pub fn ask_to_be_flooded(&mut self, cx: &mut Cx<Self>, by: Addr<Tight>) -> Vec<Outcome> {
        by.ask().flood(cx.addr()).unwrap()
    }
}

#[test]
fn who_fills_the_mailbox_of_one_that_fills_its_own_is_told_so() {
    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(false, move |sys: &System| {
        let (a, b) = (
            sys.spawn(Tight(Vec::new())).unwrap(),
            sys.spawn(Tight(Vec::new())).unwrap(),
        );
        let (p, q) = (a.request().flood(b.clone()), b.request().flood(a.clone()));
        let outcomes = [p.wait().unwrap(), q.wait().unwrap()];
        let failed = |of: &Vec<Outcome>| of.iter().any(|it| *it != Outcome::Done);
        assert!(
            outcomes.iter().filter(|it| failed(it)).count() == 1,
            "{outcomes:?}"
        );
        let paths = outcomes
            .iter()
            .flatten()
            .filter_map(Outcome::path)
            .inspect(|path| goes_round(path, &[a.id(), b.id()]));
        all.add(paths.count());
        // What was not given back has arrived.
        for (outcomes, to) in outcomes.iter().zip([&b, &a]) {
            let done = |n: &u32| outcomes[*n as usize] == Outcome::Done;
            assert_eq!(
                to.ask().noted().unwrap(),
                (0..3).filter(done).collect::<Vec<_>>()
            );
        }
    });
    // Once it has failed, it tries once more.
    assert_eq!(seen.each(), [2]);
}

#[test]
fn who_fills_its_own_mailbox_is_told_so() {
    let sys = system();
    let tight = sys.spawn(Tight(Vec::new())).unwrap();
    let alone = Outcome::Deadlock(vec![tight.id()]);
    let outcomes = tight.ask().flood(tight.clone()).unwrap();
    assert_eq!(outcomes, [Outcome::Done, alone.clone(), alone.clone()]);
    assert_eq!(tight.ask().flood_by_requests().unwrap(), alone);
    assert_eq!(tight.ask().noted().unwrap(), [0]);
}

#[test]
fn an_ask_and_a_full_mailbox_make_a_circle() {
    let sys = system();
    let (a, b) = (
        sys.spawn(Tight(Vec::new())).unwrap(),
        sys.spawn(Tight(Vec::new())).unwrap(),
    );
    let round = Outcome::Deadlock(vec![b.id(), a.id()]);
    let outcomes = a.ask().ask_to_be_flooded(b.clone()).unwrap();
    assert_eq!(outcomes, [Outcome::Done, round.clone(), round]);
    assert_eq!(a.ask().noted().unwrap(), [0]);
}

#[test]
fn a_failed_ask_gives_its_message_back_and_says_who_waits_for_whom() {
    #[actor]
    pub struct Asker;

    #[actor]
    impl Asker {
        pub fn ask_back(&self, text: String, first: Addr<Asker>) -> Result<(), String> {
            match first.ask().ask_back(text.clone(), first.clone()) {
                Err(error @ AskError::Deadlock { .. }) => {
                    let said = error.to_string();
                    match error.into_message() {
                        Some(AskerMsg::AskBack { text: back, .. }) if back == text => Err(said),
                        _ => Err("another message".to_owned()),
                    }
                }
                _ => Ok(()),
            }
        }
        pub fn ask(&self, cx: &mut Cx<Self>, other: Addr<Asker>) -> Result<(), String> {
            let text = "what?".to_owned();
            other
                .ask()
                .ask_back(text, cx.addr())
                .map_err(|error| match error {
                    AskError::Handler(said) => said,
                    other => other.to_string(),
                })
        }
    }

    let sys = system();
    let (a, b) = (
        sys.spawn(Asker).unwrap(),
        sys.spawn_named("bert", Asker).unwrap(),
    );
    let (a_is, b_is) = (
        format!("Asker#{}", a.id()),
        format!("Asker#{} \"bert\"", b.id()),
    );
    match a.ask().ask(b) {
        Err(AskError::Handler(said)) => assert_eq!(
            said,
            format!("the wait would never end: {b_is} -> {a_is} -> {b_is}")
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_two_that_wait_for_each_others_end_one_fails_with_the_path() {
    let sys = system();
    let (ids, outcomes) = wait_as(&sys, How::Join, ring(2));
    let paths: Vec<_> = outcomes
        .iter()
        .flatten()
        .filter_map(Outcome::path)
        .collect();
    assert!(!paths.is_empty());
    paths.iter().for_each(|path| goes_round(path, &ids));
}

#[test]
fn who_joins_itself_is_told_so_and_join_panics() {
    #[actor]
    pub struct Narcissus;

    #[actor]
    impl Narcissus {
        pub fn try_join(&self, cx: &mut Cx<Self>) -> Outcome {
            joined(cx.addr().try_join())
        }
        pub fn join(&self, cx: &mut Cx<Self>) {
            cx.addr().join();
        }
    }

    let sys = system();
    let it = sys.spawn(Narcissus).unwrap();
    assert_eq!(
        it.ask().try_join().unwrap(),
        Outcome::Deadlock(vec![it.id()])
    );
    it.tell().join().unwrap();
    let me = format!("Narcissus#{}", it.id());
    let expected = format!("`join` of Addr({me}) would never end: {me} -> {me}");
    assert_eq!(it.join(), ExitReason::Panicked(expected.into()));
}

/// Asks for what its start hook needs.
#[actor]
pub struct Child {
    parent: Addr<Parent>,
    says: Seen<Outcome>,
}

#[actor]
impl Child {
    #[on_start]
    fn begin(&mut self) -> Result<(), StartError> {
        let outcome = asked(self.parent.ask().ping());
        self.says.add(outcome.clone());
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Deadlock(_) => Err(StartError::new("no parent")),
        }
    }
    /// Asks the parent as soon as it runs.
    pub fn ping_parent(&self) -> Outcome {
        asked(self.parent.ask().ping())
    }
}

#[actor]
pub struct Parent;

#[actor]
impl Parent {
    pub fn ping(&self) {}
    pub fn spawn(&self, cx: &mut Cx<Self>, says: Seen<Outcome>) -> Outcome {
        let child = Child {
            parent: cx.addr(),
            says,
        };
        match cx.system().spawn(child) {
            Err(SpawnError::Deadlock(path)) => Outcome::Deadlock(ids(&path)),
            Err(SpawnError::Start(_)) => Outcome::Done,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_child_whose_start_waits_for_the_one_that_spawns_it_does_not_start() {
    let seen = Seen::default();
    let all = seen.clone();
    let body = move |sys: &System| {
        let parent = sys.spawn(Parent).unwrap();
        let says = Seen::default();
        let of_parent = parent.ask().spawn(says.clone()).unwrap();
        // The child is asked for nothing more: it has failed, or has been killed where it waits.
        all.add((
            of_parent != Outcome::Done,
            says.each().first().is_some_and(|it| *it != Outcome::Done),
        ));
        parent.ask().ping().unwrap();
    };
    all_interleavings(true, body);
    // Nothing comes between the spawn and the parent's wait here, so the child is the one to find the circle.
    assert_eq!(seen.each(), [(false, true)]);
}

#[test]
fn an_actor_with_its_own_stack_is_part_of_a_circle() {
    #[actor]
    pub struct Loop {
        peer: Addr<Peer>,
        says: Seen<Outcome>,
    }

    /// What it is sent nobody answers.
    #[actor(message = ())]
    impl Loop {
        pub fn run(self, inbox: Inbox<Self>) -> Exit {
            self.says
                .add(asked(self.peer.ask().ask_the_loop(inbox.addr())));
            Exit::Normal
        }
    }

    #[actor]
    pub struct Peer;

    #[actor]
    impl Peer {
        pub fn ask_the_loop(&self, of: Addr<Loop>) -> Outcome {
            asked(of.__ask::<()>((), None))
        }
    }

    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(true, move |sys: &System| {
        let peer = sys.spawn(Peer).unwrap();
        let says = Seen::default();
        let its = sys
            .spawn(Loop {
                peer: peer.clone(),
                says: says.clone(),
            })
            .unwrap();
        assert_eq!(its.join(), ExitReason::Normal);
        assert_eq!(says.each(), [Outcome::Done]);
        all.add(());
    });
    assert_eq!(seen.each().len(), 1);
}

/// The front hands the ask on to the back, which asks the asker: the edge moves into a circle, or the circle closes later.
#[test]
fn an_ask_that_is_handed_on_into_a_circle_fails_with_the_path() {
    #[actor]
    pub struct Asks;

    #[actor]
    impl Asks {
        pub fn ping(&self) {}
        pub fn ask(&self, front: Addr<Front>) -> Outcome {
            asked(front.ask().get())
        }
    }

    #[actor]
    pub struct Front(Addr<Back>);

    #[actor]
    impl Front {
        pub fn get(&self, reply: ReplyTo<u8>) {
            reply.forward(&self.0).get().unwrap();
        }
    }

    #[actor]
    pub struct Back;

    #[actor]
    impl Back {
        pub fn get(&self) -> u8 {
            5
        }
        pub fn ask(&self, other: Addr<Asks>) -> Outcome {
            asked(other.ask().ping())
        }
    }

    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(false, move |sys: &System| {
        let (asks, back) = (sys.spawn(Asks).unwrap(), sys.spawn(Back).unwrap());
        let front = sys.spawn(Front(back.clone())).unwrap();
        let (p, q) = (asks.request().ask(front), back.request().ask(asks.clone()));
        let outcomes = [p.wait().unwrap(), q.wait().unwrap()];
        let failed = outcomes.each_ref().map(|it| it.path().is_some());
        let ring = [asks.id(), back.id()];
        outcomes
            .iter()
            .filter_map(Outcome::path)
            .for_each(|path| goes_round(path, &ring));
        all.add(failed);
    });
    let seen = seen.each();
    assert!(seen.contains(&[true, false]), "by the front: {seen:?}");
    assert!(
        seen.contains(&[false, true]) || seen.contains(&[false, false]),
        "{seen:?}"
    );
    assert!(!seen.contains(&[true, true]), "{seen:?}");
}

//! What is no circle, though it looks like one.

use super::*;
use actor_core::{ActorOptions, NoMethods, Reply, microthread};

/// Answers, and then asks the one that asked, in the same handler.
pub struct AnswersFirst(Seen<Outcome>);

impl ActorOptions for AnswersFirst {}

impl Actor for AnswersFirst {
    type Msg = Addr<Curious>;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, from: Addr<Curious>, reply: Reply<'_>, _: &mut Cx<Self>) {
        reply.send(5_u8);
        self.0.add(asked(from.ask().ping()));
    }
}

#[actor]
pub struct Curious;

#[actor]
impl Curious {
    pub fn ping(&self) {}
    pub fn ask(&self, cx: &mut Cx<Self>, other: Addr<AnswersFirst>) -> u8 {
        other.__ask(cx.addr(), None).unwrap()
    }
    pub fn ask_later(&self, cx: &mut Cx<Self>, other: Addr<AnswersFirst>) -> u8 {
        let pending = other.__request::<u8>(cx.addr());
        pending.wait().unwrap()
    }
}

fn answers_first(ask: fn(&Addr<Curious>, Addr<AnswersFirst>) -> u8) {
    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(true, move |sys: &System| {
        let curious = sys.spawn(Curious).unwrap();
        let other = sys.spawn(AnswersFirst(all.clone())).unwrap();
        // Asked meanwhile, it is not idle when it is asked back: no fast path.
        let busy = curious.request().ping();
        assert_eq!(ask(&curious, other.clone()), 5);
        busy.wait().unwrap();
        other.stop();
        other.join();
    });
    assert_eq!(seen.each(), [Outcome::Done]);
}

#[test]
fn reply_then_ask_back() {
    answers_first(|it, other| it.ask().ask(other).unwrap());
}

#[test]
fn reply_to_a_request_then_ask_back() {
    answers_first(|it, other| it.ask().ask_later(other).unwrap());
}

/// Takes the port out, and asks the asker while somebody else owes the answer.
#[actor]
pub struct Debtor(Seen<Outcome>);

#[actor]
impl Debtor {
    pub fn defer(&self, from: Addr<Client>, reply: ReplyTo<u8>) {
        let answers = microthread::spawn(move || {
            microthread::yield_now();
            reply.send(5).unwrap();
        });
        self.0.add(asked(from.ask().ping()));
        answers.join().unwrap();
    }
    pub fn forward(&self, from: Addr<Client>, to: Addr<Five>, reply: ReplyTo<u8>) {
        reply.forward(&to).get().unwrap();
        self.0.add(asked(from.ask().ping()));
    }
}

#[actor]
pub struct Five;

#[actor]
impl Five {
    pub fn get(&self) -> u8 {
        5
    }
}

#[actor]
pub struct Client;

#[actor]
impl Client {
    pub fn ping(&self) {}
    pub fn ask(&self, cx: &mut Cx<Self>, of: Addr<Debtor>, to: Option<Addr<Five>>) -> u8 {
        match to {
            Some(to) => of.ask().forward(cx.addr(), to).unwrap(),
            None => of.ask().defer(cx.addr()).unwrap(),
        }
    }
}

fn owed_by_another(forward: bool) {
    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(false, move |sys: &System| {
        let (client, debtor) = (
            sys.spawn(Client).unwrap(),
            sys.spawn(Debtor(all.clone())).unwrap(),
        );
        let to = forward.then(|| sys.spawn(Five).unwrap());
        assert_eq!(client.ask().ask(debtor.clone(), to).unwrap(), 5);
        debtor.stop();
        debtor.join();
    });
    assert_eq!(seen.each(), [Outcome::Done]);
}

#[test]
fn deferral() {
    owed_by_another(false);
}

#[test]
fn forward() {
    owed_by_another(true);
}

#[actor(mailbox = 1)]
pub struct Strict;

#[actor]
impl Strict {
    pub fn hold(&self, until: oneshot::Receiver<()>) {
        until.recv().unwrap();
    }
    pub fn note(&mut self) {}
    pub fn ask_back(&self, teller: Addr<Teller>) -> Outcome {
        asked(teller.ask().ping())
    }
}

#[actor]
pub struct Teller;

#[actor]
impl Teller {
    pub fn ping(&self) {}
    pub fn tell(&self, to: Addr<Strict>) -> Outcome {
        told(to.tell().note())
    }
}

/// The teller waits for room; the message that is taken out makes it, and its handler asks the teller back, which waits no more,
/// though it may not have run since.
#[test]
fn make_room_then_ask_back() {
    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(false, move |sys: &System| {
        let (strict, teller) = (sys.spawn(Strict).unwrap(), sys.spawn(Teller).unwrap());
        let (release, until) = oneshot::channel();
        strict.tell().hold(until).unwrap();
        // Waits until the one before is being handled: it fills the mailbox.
        let asks_back = strict.request().ask_back(teller.clone());
        let tells = teller.request().tell(strict);
        microthread::yield_now();
        release.send(()).unwrap();
        all.add([asks_back.wait().unwrap(), tells.wait().unwrap()]);
    });
    assert_eq!(seen.each(), [[Outcome::Done, Outcome::Done]]);
}

#[actor]
pub struct Patient;

#[actor]
impl Patient {
    pub fn ping(&self) {}
    pub fn ask(&self, other: Addr<Patient>) -> Result<(), String> {
        said(other.ask().ping())
    }
    pub fn ask_within(&self, other: Addr<Patient>) -> Result<(), String> {
        said(other.ask().within(Duration::from_secs(1)).ping())
    }
    /// A request, which is waited for with a deadline.
    pub fn request_within(&self, other: Addr<Patient>) -> Result<(), String> {
        said(other.request().ping().wait_for(Duration::from_secs(1)))
    }
}

fn said<M>(answer: Result<(), AskError<M>>) -> Result<(), String> {
    answer.map_err(|error| format!("{error:?}"))
}

/// Two ask each other, one of them with a deadline: it passes, and the other is answered.
fn one_has_a_deadline(go: fn(&Addr<Patient>, Addr<Patient>) -> Pending<(), PatientMsg, String>) {
    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(false, move |sys: &System| {
        let (a, b) = (sys.spawn(Patient).unwrap(), sys.spawn(Patient).unwrap());
        let waits = [go(&a, b.clone()), b.request().ask(a.clone())];
        all.add(waits.map(|it| match it.wait() {
            Ok(()) => "answered".to_owned(),
            Err(AskError::Handler(error)) => error,
            Err(other) => panic!("{other:?}"),
        }));
    });
    assert_eq!(seen.each(), [["Timeout", "answered"].map(str::to_owned)]);
}

#[test]
fn deadline() {
    one_has_a_deadline(|it, other| it.request().ask_within(other));
}

#[test]
fn deadline_of_a_request() {
    one_has_a_deadline(|it, other| it.request().request_within(other));
}

/// Each asks those of higher numbers only, so that they wait for one another all the time and never in a circle. With two
/// workers, and some mailboxes that are full more often than not.
#[test]
fn busy_but_not_cyclic() {
    #[actor]
    pub struct Loose;

    #[actor(mailbox = 2)]
    pub struct Narrow;

    #[derive(Clone)]
    pub struct All(Arc<OnceLock<Vec<(Addr<Loose>, Addr<Narrow>)>>>);

    impl All {
        /// Of those above `at`, some; by way of an ask, a request or a tell.
        fn go(&self, at: usize, seed: u64) -> Vec<Outcome> {
            let all = self.0.get().unwrap();
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut outcomes = Vec::new();
            for _ in 0..rng.usize(..3) {
                if at + 1 == all.len() {
                    break;
                }
                let next = rng.usize(at + 1..all.len());
                let (loose, narrow) = &all[next];
                let (all, seed) = (self.clone(), rng.u64(..));
                outcomes.extend(match rng.u8(..5) {
                    0 => flat(loose.ask().go(all, next, seed)),
                    1 => flat(narrow.ask().go(all, next, seed)),
                    2 => flat(loose.request().go(all, next, seed).wait()),
                    3 => vec![told(narrow.tell().note())],
                    _ => flat(narrow.request().go(all, next, seed).wait()),
                });
            }
            outcomes
        }
    }

    fn flat<M>(result: Result<Vec<Outcome>, AskError<M>>) -> Vec<Outcome> {
        match result {
            Ok(outcomes) => outcomes,
            other => vec![asked(other)],
        }
    }

    #[actor]
    impl Loose {
        pub fn go(&self, all: All, at: usize, seed: u64) -> Vec<Outcome> {
            all.go(at, seed)
        }
    }

    #[actor]
    impl Narrow {
        pub fn note(&self) {}
        pub fn go(&self, all: All, at: usize, seed: u64) -> Vec<Outcome> {
            all.go(at, seed)
        }
    }

    let sys = System::builder().workers(2).build().unwrap();
    let all = All(Arc::default());
    let spawn = |_| (sys.spawn(Loose).unwrap(), sys.spawn(Narrow).unwrap());
    assert!(all.0.set((0..10).map(spawn).collect()).is_ok());
    let starters = [0_u64, 1, 2].map(|starter| {
        let all = all.clone();
        let body = move || {
            for round in 0..300 {
                let seed = starter * 1000 + round;
                let first = &all.0.get().unwrap()[(seed % 3) as usize];
                let outcomes = match seed % 2 {
                    0 => first
                        .0
                        .ask()
                        .go(all.clone(), (seed % 3) as usize, seed)
                        .unwrap(),
                    _ => first
                        .1
                        .ask()
                        .go(all.clone(), (seed % 3) as usize, seed)
                        .unwrap(),
                };
                assert!(
                    outcomes.iter().all(|it| *it == Outcome::Done),
                    "{outcomes:?}"
                );
            }
        };
        sys.spawn_microthread(body).unwrap()
    });
    starters.into_iter().for_each(|it| it.join().unwrap());
}

/// A microthread that an actor has spawned waits on its own account, and so does a thread.
#[test]
fn what_is_no_actor_waits_in_no_circle() {
    #[actor]
    pub struct Host;

    #[actor]
    impl Host {
        pub fn ping(&self) {}
        /// What asks us is answered once this has returned.
        pub fn spawn(&self, cx: &mut Cx<Self>) -> Result<u8, String> {
            let me = cx.addr();
            let (send, receive) = oneshot::channel();
            let _ = microthread::spawn(move || send.send(asked(me.ask().ping())).unwrap());
            microthread::yield_now();
            drop(receive);
            Ok(1)
        }
    }

    let sys = System::builder().workers(1).build().unwrap();
    let host = sys.spawn(Host).unwrap();
    assert_eq!(host.ask().spawn().unwrap(), 1);
    host.ask().ping().unwrap();
}

/// While a supervisor waits for a child to start or to stop, it lists its children all the same: a hook that asks for that is
/// answered, though whoever had the child started or stopped waits for the supervisor, and so for the hook.
#[test]
fn a_child_lists_its_siblings_in_its_hooks() {
    pub struct Listing(Supervisor, Seen<usize>);

    impl Listing {
        fn list(&self) {
            self.1.add(self.0.which_children().unwrap().len());
        }
    }

    impl ActorOptions for Listing {}

    impl Actor for Listing {
        type Msg = ();
        type Tell<'a> = NoMethods;
        type TryTell<'a> = NoMethods;
        type Ask<'a> = NoMethods;
        type Request<'a> = NoMethods;

        const HAS_ON_START: bool = true;

        fn on_start(&mut self, _: &mut Cx<Self>) -> Result<(), StartError> {
            self.list();
            Ok(())
        }
        fn on_stop(&mut self, _: &mut Cx<Self>, _: &ExitReason) {
            self.list();
        }
        fn handle(&mut self, (): (), _: Reply<'_>, _: &mut Cx<Self>) {}
    }

    #[actor]
    pub struct Caller;

    #[actor]
    impl Caller {
        pub fn go(&self, sup: Supervisor, seen: Seen<usize>) {
            let of = sup.clone();
            let spec = ChildSpec::new("it", move || Listing(of.clone(), seen.clone()));
            sup.start_child(spec).unwrap();
            sup.terminate_child("it").unwrap();
        }
    }

    let all = Seen::default();
    let seen = all.clone();
    let explorer = Explorer::new().iterations(500);
    explorer.check(move |sys: &System| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let caller = sys.spawn(Caller).unwrap();
        caller.ask().go(sup.clone(), seen.clone()).unwrap();
        sup.stop();
        sup.join();
    });
    assert_eq!(all.each(), [1]);
    assert_eq!(
        all.0.lock().unwrap().len(),
        1000,
        "in both hooks, each time"
    );
}

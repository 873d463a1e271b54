//! Answers that are given later: `ReplyTo`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorOptions, NoAsker, NoMethods, Reply};

use super::support::*;

#[derive(Debug, PartialEq, Eq)]
pub struct Broke;

/// What a [`Debtor`] does with a port.
pub type Deed = Box<dyn FnOnce(&mut Debtor, ReplyTo<u64>) + Send>;

/// Owes answers.
#[actor]
#[derive(Default)]
pub struct Debtor {
    pub owed: Vec<ReplyTo<u64>>,
    pub elsewhere: Option<Sender<ReplyTo<u64>>>,
    pub owns: Option<Counted>,
}

#[actor]
impl Debtor {
    /// Keeps the port.
    pub fn owe(&mut self, reply: ReplyTo<u64>) {
        self.owed.push(reply);
    }
    /// Answers all, the last first.
    pub fn pay(&mut self) -> usize {
        let answered = self.owed.drain(..).rev().enumerate();
        answered
            .filter_map(|(n, reply)| reply.send(n as u64).ok())
            .count()
    }
    /// Sends the port away.
    pub fn give(&mut self, reply: ReplyTo<u64>) {
        let to = self.elsewhere.as_ref().unwrap();
        to.send(reply).unwrap();
    }
    pub fn fallible(&mut self, cx: &mut Cx<Self>, n: u64, reply: ReplyTo<Result<u64, Broke>>) {
        assert_eq!(cx.queued(), 0);
        let _ = reply.send(if n > 3 { Err(Broke) } else { Ok(n) });
    }
    pub fn done(&mut self, reply: ReplyTo<()>) {
        reply.send(()).unwrap();
    }
    pub fn with(&mut self, deed: Deed, reply: ReplyTo<u64>) {
        deed(self, reply);
    }
    pub fn plain(&mut self, deed: Box<dyn FnOnce(&mut Self) + Send>) {
        deed(self);
    }
    pub fn crash(&mut self) {
        panic!("on purpose");
    }
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    #[on_stop]
    fn settle(&mut self) {
        if self.owns.is_some() {
            self.pay();
        }
    }
}

fn debtor(sys: &System) -> Addr<Debtor> {
    sys.spawn(Debtor::default()).unwrap()
}

/// A debtor that sends its ports here.
fn giver(sys: &System) -> (Addr<Debtor>, Receiver<ReplyTo<u64>>) {
    let (sender, ports) = channel();
    let debtor = Debtor {
        elsewhere: Some(sender),
        ..Debtor::default()
    };
    (sys.spawn(debtor).unwrap(), ports)
}

fn deed(deed: impl FnOnce(&mut Debtor, ReplyTo<u64>) + Send + 'static) -> Deed {
    Box::new(deed)
}

fn reason<T: std::fmt::Debug>(asked: Result<T, AskError<DebtorMsg>>) -> Option<ExitReason> {
    match asked {
        Err(AskError::NoReply(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_may_be_given_after_the_handler_has_returned_and_in_any_order() {
    let sys = system(1);
    let debtor = debtor(&sys);
    let asked: Vec<_> = (0..3).map(|_| debtor.request().owe()).collect();
    assert_eq!(debtor.ask().pay().unwrap(), 3);
    let answers: Vec<_> = asked.into_iter().map(|it| it.wait().unwrap()).collect();
    assert_eq!(answers, [2, 1, 0]);
    debtor.ask().done().unwrap();
}

#[test]
fn an_answer_may_come_from_a_microthread_or_a_thread() {
    let sys = system(2);
    let (debtor, ports) = giver(&sys);
    let asked = debtor.request().give();
    let reply = ports.recv().unwrap();
    let micro = sys.spawn_microthread(move || reply.send(1).unwrap());
    assert_eq!(asked.wait().unwrap(), 1);
    micro.unwrap().join().unwrap();
    let asked = debtor.request().give();
    let reply = ports.recv().unwrap();
    let thread = std::thread::spawn(move || reply.send(2).unwrap());
    assert_eq!(asked.wait().unwrap(), 2);
    thread.join().unwrap();
}

#[test]
fn a_delegated_result_arrives_flattened() {
    let sys = system(1);
    let debtor = debtor(&sys);
    assert_eq!(debtor.ask().fallible(3).unwrap(), 3);
    let asked = debtor.ask().fallible(4);
    assert!(matches!(asked, Err(AskError::Handler(Broke))));
    let requested = debtor.request().fallible(9).wait();
    assert_eq!(requested.unwrap_err().into_handler(), Some(Broke));
}

#[test]
fn a_port_that_is_dropped_fails_the_ask() {
    let sys = system(1);
    let debtor = debtor(&sys);
    let asked = debtor.ask().with(deed(|_, reply| drop(reply)));
    assert_eq!(reason(asked), None);
}

#[test]
fn the_port_of_a_message_that_was_told_says_so_and_gives_the_answer_back() {
    let sys = system(1);
    let debtor = debtor(&sys);
    let (sender, seen) = channel();
    let deed: Deed = Box::new(move |_, reply| {
        let asked = (reply.is_asked(), reply.is_abandoned());
        sender.send((asked, reply.send(7))).unwrap();
    });
    debtor.tell().with(deed).unwrap();
    assert_eq!(seen.recv().unwrap(), ((false, false), Err(NoAsker(7))));
}

#[test]
fn send_says_whether_the_asker_was_still_there() {
    let sys = system(1);
    let (debtor, ports) = giver(&sys);
    let asked = debtor.request().give();
    let reply = ports.recv().unwrap();
    assert!(reply.is_asked() && !reply.is_abandoned());
    assert_eq!(reply.send(1), Ok(()));
    assert_eq!(asked.wait().unwrap(), 1);

    let asked = debtor.request().give();
    let reply = ports.recv().unwrap();
    drop(asked);
    assert!(reply.is_asked() && reply.is_abandoned());
    assert_eq!(reply.send(2), Err(NoAsker(2)));

    let asked = debtor.ask().within(Duration::from_millis(5)).give();
    assert!(asked.unwrap_err().is_timeout());
    assert_eq!(ports.recv().unwrap().send(3), Err(NoAsker(3)));
}

#[test]
fn the_end_of_the_actor_fails_what_it_owes_with_the_reason() {
    let sys = system(1);
    type End = fn(&Addr<Debtor>);
    let ends: [(End, ExitReason); 3] = [
        (|debtor| debtor.stop(), ExitReason::Normal),
        (|debtor| debtor.kill(), ExitReason::Killed),
        (
            |debtor| debtor.tell().crash().unwrap(),
            ExitReason::Panicked("on purpose".into()),
        ),
    ];
    for (how, why) in ends {
        let debtor = debtor(&sys);
        let asked = [debtor.request().owe(), debtor.request().owe()];
        debtor.ask().done().unwrap();
        how(&debtor);
        for asked in asked {
            assert_eq!(reason(asked.wait()), Some(why.clone()));
        }
    }
    let debtor = debtor(&sys);
    let asked = debtor.request().owe();
    debtor.ask().done().unwrap();
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    assert_eq!(reason(asked.wait()), Some(ExitReason::Shutdown));
}

#[test]
fn a_restart_fails_what_the_last_life_owed_and_nothing_else() {
    let sys = system(1);
    let sup = Supervisor::builder().start(&sys).unwrap();
    let debtor = sup
        .start_child(ChildSpec::new("debtor", Debtor::default))
        .unwrap();
    let before = debtor.request().owe();
    debtor.tell().crash().unwrap();
    let after = debtor.request().owe();
    assert_eq!(
        reason(before.wait()),
        Some(ExitReason::Panicked("on purpose".into()))
    );
    assert_eq!(debtor.ask().pay().unwrap(), 1);
    assert_eq!(after.wait().unwrap(), 0);
}

#[test]
fn a_port_elsewhere_outlives_the_actor() {
    let sys = system(1);
    let (debtor, ports) = giver(&sys);
    let (answered, dropped) = (debtor.request().give(), debtor.request().give());
    let (first, second) = (ports.recv().unwrap(), ports.recv().unwrap());
    debtor.kill();
    assert_eq!(end(&debtor), ExitReason::Killed);
    first.send(5).unwrap();
    assert_eq!(answered.wait().unwrap(), 5);
    drop(second);
    assert_eq!(reason(dropped.wait()), Some(ExitReason::Killed));
}

#[test]
fn on_stop_may_answer() {
    let sys = system(1);
    let count = Arc::default();
    let debtor = Debtor {
        owns: Some(Counted::new(&count)),
        ..Debtor::default()
    };
    let debtor = sys.spawn(debtor).unwrap();
    let asked = debtor.request().owe();
    debtor.ask().done().unwrap();
    debtor.stop();
    assert_eq!(asked.wait().unwrap(), 0);
}

#[test]
fn a_handler_that_fails_with_its_port_in_hand_fails_the_ask_with_the_reason() {
    let sys = system(1);
    let panics = debtor(&sys);
    let asked = panics.ask().with(deed(|_, _reply| panic!("in hand")));
    assert_eq!(reason(asked), Some(ExitReason::Panicked("in hand".into())));

    let killed = debtor(&sys);
    let (entered, inside) = (Flag::new(), Flag::new());
    let enters = entered.clone();
    let asked = killed.request().with(deed(move |_, reply| {
        enters.raise();
        inside.wait();
        drop(reply);
    }));
    entered.wait();
    killed.kill();
    assert_eq!(reason(asked.wait()), Some(ExitReason::Killed));

    let deep = debtor(&sys);
    let probe = sys.spawn(Probe::default()).unwrap();
    let asked = deep.ask().with(deed(move |_, reply| {
        let deepest = dive(&probe, 0);
        reply.send(deepest).unwrap();
    }));
    assert_eq!(reason(asked), Some(ExitReason::Overflow));
}

#[test]
fn every_port_a_failing_handler_drops_fails_its_ask() {
    let sys = system(1);
    let debtor = debtor(&sys);
    let older = [debtor.request().owe(), debtor.request().owe()];
    let asked = debtor.ask().with(deed(|debtor, reply| {
        let _all = (std::mem::take(&mut debtor.owed), reply);
        panic!("with three");
    }));
    let why = Some(ExitReason::Panicked("with three".into()));
    // One of them is told why.
    let mut told = vec![reason(asked)];
    told.extend(older.map(|it| reason(it.wait())));
    assert_eq!(told.iter().filter(|it| **it == why).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|it| it.is_none()).count(), 2, "{told:?}");
}

#[test]
fn a_port_dropped_by_an_unwinding_that_the_handler_catches_fails_the_ask() {
    let sys = system(1);
    let debtor = debtor(&sys);
    let catch = |owed: ReplyTo<u64>| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _owed = owed;
            panic!("caught");
        }));
        assert!(caught.is_err());
    };
    let asked = debtor.ask().with(deed(move |_, reply| catch(reply)));
    assert_eq!(reason(asked), None);
    // An older one, in a handler that has no port of its own: told, and asked.
    for ask in [false, true] {
        let older = debtor.request().owe();
        let deed = Box::new(move |debtor: &mut Debtor| catch(debtor.owed.pop().unwrap()));
        match ask {
            true => debtor.ask().plain(deed).unwrap(),
            false => debtor.tell().plain(deed).unwrap(),
        }
        assert_eq!(reason(older.wait()), None);
    }
    debtor.ask().done().unwrap();
}

#[test]
fn a_port_dropped_while_another_unwinds_fails_the_ask() {
    let sys = system(1);
    let (debtor, ports) = giver(&sys);
    let asked = debtor.request().give();
    let reply = ports.recv().unwrap();
    let other = sys.spawn(Probe::default()).unwrap();
    perform(&other, move |_, _| {
        let _reply = reply;
        panic!("somebody else's");
    });
    assert_eq!(reason(asked.wait()), None);
}

/// By hand.
pub struct Clerk(Vec<ReplyTo<u64>>);

impl ActorOptions for Clerk {}

impl Actor for Clerk {
    type Msg = bool;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, keep: bool, reply: Reply<'_>, cx: &mut Cx<Self>) {
        if keep {
            self.0.push(reply.delegate(cx));
        } else {
            for owed in self.0.drain(..) {
                let _ = owed.send(4);
            }
            reply.send(());
        }
    }
}

#[test]
fn an_actor_by_hand_delegates_and_a_wrong_type_fails_the_ask() {
    let sys = system(1);
    let clerk = sys.spawn(Clerk(Vec::new())).unwrap();
    let (right, wrong) = (
        clerk.__request::<u64>(true),
        clerk.__request::<String>(true),
    );
    clerk.__ask::<()>(false, None).unwrap();
    assert_eq!(right.wait().unwrap(), 4);
    assert!(matches!(wrong.wait(), Err(AskError::NoReply(None))));
}

#[test]
fn what_is_answered_is_answered_once_whoever_races() {
    let sys = system(2);
    let (debtor, ports) = giver(&sys);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let answers = std::thread::spawn(move || {
        for reply in ports {
            count.fetch_add(usize::from(reply.send(1).is_ok()), Ordering::SeqCst);
        }
    });
    let mut received = 0;
    for n in 0..2_000 {
        let mut asked = debtor.request().give();
        if n % 2 == 0 {
            assert_eq!(asked.wait().unwrap(), 1);
            received += 1;
        } else if let Some(answer) = asked.try_take() {
            assert_eq!(answer.unwrap(), 1);
            received += 1;
        }
    }
    debtor.stop();
    end(&debtor);
    answers.join().unwrap();
    // One that was given up may have been answered just before.
    let sent = sent.load(Ordering::SeqCst);
    assert!((received..=2_000).contains(&sent), "{received} {sent}");
}

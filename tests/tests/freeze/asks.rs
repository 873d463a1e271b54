//! Asks of actors, and addresses in images.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::migratable::{FreezeError, Migratable, Suspended, ThawError};
use actor_core::prelude::*;
use actor_core::{microthread, migratable};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Odd(u64);

/// Answers when it is told to.
#[actor]
pub(crate) struct Teller {
    gate: Receiver<()>,
    asked: u64,
}

#[actor]
impl Teller {
    pub(crate) fn double(&mut self, n: u64) -> u64 {
        let _ = self.gate.recv();
        self.asked += 1;
        n * 2
    }

    pub(crate) fn half(&mut self, n: u64) -> Result<u64, Odd> {
        let _ = self.gate.recv();
        self.asked += 1;
        (n % 2 == 0).then_some(n / 2).ok_or(Odd(n))
    }

    /// As a channel's.
    pub(crate) fn send(&mut self, n: u64) -> u64 {
        n
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }
}

#[derive(Debug)]
enum Failed {
    Odd(Odd),
    Ask(#[expect(dead_code, reason = "printed")] String),
}

impl From<AskError<TellerMsg, Odd>> for Failed {
    fn from(error: AskError<TellerMsg, Odd>) -> Self {
        match error {
            AskError::Handler(odd) => Failed::Odd(odd),
            other => Failed::Ask(other.to_string()),
        }
    }
}

impl From<AskError<TellerMsg>> for Failed {
    fn from(error: AskError<TellerMsg>) -> Self {
        Failed::Ask(error.to_string())
    }
}

#[migratable]
fn consults(teller: Addr<Teller>, numbers: Vec<u64>) -> Result<Vec<u64>, Failed> {
    let mut all = Vec::new();
    for n in numbers {
        let twice = teller.ask().double(n)?;
        microthread::yield_now();
        all.push(twice + teller.ask().within(Duration::from_secs(3600)).half(n)?);
        all.push(teller.request().double(n).wait()?);
    }
    Ok(all)
}

/// Wakes the thread that made it.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs to the end, moved wherever that can be. How often it could not.
fn finish<M: Migratable>(sys: &System, mut running: Suspended<M>) -> (M::Output, u32) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut refused = 0;
    loop {
        if let Poll::Ready(output) = running.resume(&waker) {
            return (output, refused);
        }
        match running.freeze() {
            Ok(image) => running = sys.with_names(|| Suspended::thaw(&image)).unwrap(),
            Err(error) => {
                assert_eq!(error, FreezeError::Asking);
                refused += 1;
                std::thread::park();
            }
        }
    }
}

/// A system with a teller who answers `answers` asks and then waits to be told to.
fn teller(answers: u32) -> (System, Addr<Teller>, Sender<()>) {
    let sys = System::new().unwrap();
    let (go_on, gate) = channel::unbounded();
    (0..answers).for_each(|_| go_on.send(()).unwrap());
    let teller = sys.spawn_named("teller", Teller { gate, asked: 0 });
    (sys, teller.unwrap(), go_on)
}

#[test]
fn an_ask_is_a_wait_and_each_is_asked_once() {
    let (sys, teller, go_on) = teller(0);
    let asker = Suspended::new(consults(teller.clone(), vec![2, 4]));
    let feeds = sys.spawn_microthread(move || (0..6).for_each(|_| go_on.send(()).unwrap()));
    let (output, refused) = finish(&sys, asker);
    assert_eq!(output.unwrap(), [5, 4, 10, 8]);
    assert!(refused > 0, "it waits for answers");
    assert_eq!(teller.ask().asked().unwrap(), 6);
    feeds.unwrap().join().unwrap();
}

#[test]
fn a_question_mark_behind_an_ask_returns_its_error() {
    let (sys, teller, _go_on) = teller(2);
    let asker = Suspended::new(consults(teller, vec![3]));
    let error = finish(&sys, asker).0.unwrap_err();
    assert!(matches!(error, Failed::Odd(Odd(3))), "{error:?}");
}

#[migratable]
fn asks_once(teller: Addr<Teller>, n: u64) -> Option<u64> {
    let answer = teller.ask().double(n);
    answer.ok()
}

#[test]
fn one_that_waits_for_an_answer_is_not_frozen_and_not_disturbed() {
    let (_sys, teller, go_on) = teller(0);
    let mut asker = Suspended::new(asks_once(teller.clone(), 4));
    assert!(asker.resume(Waker::noop()).is_pending());
    assert_eq!(asker.freeze().unwrap_err(), FreezeError::Asking);
    assert_eq!(asker.freeze().unwrap_err(), FreezeError::Asking);
    go_on.send(()).unwrap();
    let mut answer = None;
    tests::until(|| match asker.resume(Waker::noop()) {
        Poll::Ready(ready) => {
            answer = ready;
            true
        }
        Poll::Pending => false,
    });
    assert_eq!(answer, Some(8));
    assert_eq!(teller.ask().asked().unwrap(), 1, "it was asked once");
}

#[test]
fn one_that_has_not_asked_yet_is_frozen() {
    let (sys, teller, _go_on) = teller(1);
    let image = Suspended::new(asks_once(teller.clone(), 4))
        .freeze()
        .unwrap();
    let copy = sys.with_names(|| Suspended::<asks_once>::thaw(&image));
    assert_eq!(finish(&sys, copy.unwrap()).0, Some(8));
    assert_eq!(teller.ask().asked().unwrap(), 1);
}

#[test]
fn an_asker_that_is_dropped_leaves_the_message_with_the_actor() {
    let (_sys, teller, go_on) = teller(0);
    let mut asker = Suspended::new(asks_once(teller.clone(), 4));
    assert!(asker.resume(Waker::noop()).is_pending());
    drop(asker);
    go_on.send(()).unwrap();
    assert_eq!(teller.ask().asked().unwrap(), 1);
}

#[migratable]
fn asks_in_time(teller: Addr<Teller>, limit: Duration) -> Result<u64, AskError<TellerMsg>> {
    teller.ask().within(limit).double(1)
}

#[test]
fn an_ask_ends_at_its_deadline() {
    let (_sys, teller, go_on) = teller(0);
    let answer = asks_in_time(teller.clone(), Duration::from_millis(1)).call();
    assert!(matches!(answer, Err(AskError::Timeout)), "{answer:?}");
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    let answer = asks_in_time(teller, Duration::from_secs(3600)).call();
    assert_eq!(answer.unwrap(), 2);
}

#[test]
fn an_ask_of_a_dead_actor_gives_the_message_back() {
    let (_sys, teller, _go_on) = teller(0);
    teller.stop();
    tests::until(|| !teller.is_alive());
    let answer = asks_in_time(teller, Duration::from_secs(3600)).call();
    assert!(
        matches!(answer, Err(AskError::Closed(TellerMsg::Double { n: 1 }))),
        "{answer:?}"
    );
}

#[migratable]
fn asks_by_a_channels_name(teller: Addr<Teller>) -> Option<u64> {
    let _ = teller.tell().asked();
    teller.ask().send(6).ok()
}

#[test]
fn a_message_may_have_the_name_of_a_wait() {
    let (_sys, teller, _go_on) = teller(0);
    assert_eq!(asks_by_a_channels_name(teller).call(), Some(6));
}

#[migratable]
fn holds_an_address(teller: Addr<Teller>) -> u64 {
    microthread::yield_now();
    teller.ask().asked().unwrap_or(100)
}

fn holder(teller: Addr<Teller>) -> Suspended<holds_an_address> {
    let mut holder = Suspended::new(holds_an_address(teller));
    assert!(holder.resume(Waker::noop()).is_pending());
    holder
}

#[test]
fn an_address_goes_on_with_whoever_has_its_name() {
    let (_here, first, _go_on) = teller(0);
    let image = holder(first).freeze().unwrap();
    let (there, second, go_on) = teller(0);
    go_on.send(()).unwrap();
    second.ask().double(1).unwrap();
    let copy = there.with_names(|| Suspended::thaw(&image)).unwrap();
    assert_eq!(finish::<holds_an_address>(&there, copy).0, 1);
}

#[test]
fn an_address_without_a_name_is_not_frozen() {
    let (sys, _teller, _go_on) = teller(0);
    let (_go_on, gate) = channel::unbounded();
    let nameless = sys.spawn(Teller { gate, asked: 0 }).unwrap();
    let holder = holder(nameless.clone());
    let error = holder.freeze().unwrap_err();
    assert!(
        matches!(error, FreezeError::NoName { actor } if actor.ends_with("Teller")),
        "{error}"
    );
    // What the error says to do.
    sys.register("late", &nameless, actor_core::OnConflict::Refuse)
        .unwrap();
    let image = holder.freeze().unwrap();
    assert!(
        sys.with_names(|| Suspended::<holds_an_address>::thaw(&image))
            .is_ok()
    );
}

#[test]
fn an_address_that_is_not_there_is_an_error_with_its_name() {
    let (_sys, teller, _go_on) = teller(0);
    let image = holder(teller).freeze().unwrap();
    let elsewhere = System::new().unwrap();
    let thaw = || Suspended::<holds_an_address>::thaw(&image).map(drop);
    for error in [thaw(), elsewhere.with_names(thaw)] {
        let Err(ThawError::NoActor { name, .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(name, "teller");
    }
}

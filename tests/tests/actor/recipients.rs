//! A type-erased recipient of one message.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actor_core::prelude::*;

use super::support::*;

/// News, which cannot be copied.
#[derive(Debug, PartialEq)]
pub struct News(u64);

#[actor(mailbox = 2)]
#[derive(Default)]
pub struct Paper {
    printed: Vec<u64>,
    owned: Option<Counted>,
}

#[actor]
impl Paper {
    pub fn print(&mut self, #[from] news: News) {
        self.printed.push(news.0);
    }
    pub fn note(&mut self, cx: &mut Cx<Self>, #[from] line: String) {
        self.printed.push(line.len() as u64 + cx.id() - cx.id());
    }
    pub fn printed(&self) -> Vec<u64> {
        self.printed.clone()
    }
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }
    pub fn own(&mut self, owned: Counted) {
        self.owned = Some(owned);
    }
}

/// Receives where it likes.
#[actor]
pub struct Wire;

/// Written by hand.
#[derive(Debug)]
pub enum WireMsg {
    Hear(News),
    Silence,
}

impl From<News> for WireMsg {
    fn from(news: News) -> Self {
        WireMsg::Hear(news)
    }
}

impl TryFrom<WireMsg> for News {
    type Error = ();
    fn try_from(msg: WireMsg) -> Result<Self, ()> {
        match msg {
            WireMsg::Hear(news) => Ok(news),
            WireMsg::Silence => Err(()),
        }
    }
}

#[actor(message = WireMsg)]
impl Wire {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        let mut sum = 0;
        while let Ok(WireMsg::Hear(News(n))) = inbox.recv() {
            sum += n;
        }
        Exit::failed(sum)
    }
}

#[test]
fn whoever_takes_the_message_gives_a_recipient() {
    let sys = system(2);
    let (paper, wire) = (
        sys.spawn(Paper::default()).unwrap(),
        sys.spawn(Wire).unwrap(),
    );
    let all: [Recipient<News>; 2] = [paper.recipient(), wire.clone().into()];
    for n in 1..=10 {
        for recipient in &all {
            recipient.send(News(n)).unwrap();
        }
    }
    wire.send(WireMsg::Silence).unwrap();
    assert_eq!(end(&wire), ExitReason::failed(55));
    assert_eq!(paper.ask().printed().unwrap(), (1..=10).collect::<Vec<_>>());
}

#[test]
fn an_actor_takes_several_types_of_message() {
    let sys = system(1);
    let paper = sys.spawn(Paper::default()).unwrap();
    let lines: Recipient<String> = paper.recipient();
    let news: Recipient<News> = paper.recipient();
    let own: Recipient<PaperMsg> = paper.recipient();
    lines.send("four".to_owned()).unwrap();
    news.send(News(5)).unwrap();
    own.send(PaperMsg::Print { news: News(6) }).unwrap();
    assert_eq!(paper.ask().printed().unwrap(), [4, 5, 6]);
}

#[test]
fn an_error_gives_the_message_back_as_it_was() {
    let sys = system(2);
    let paper = sys.spawn(Paper::default()).unwrap();
    let (entered, release) = (Flag::new(), Flag::new());
    paper.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    let news: Recipient<News> = paper.recipient();
    news.try_send(News(1)).unwrap();
    news.try_send(News(2)).unwrap();
    assert!(matches!(
        news.try_send(News(3)),
        Err(TellError::Full(News(3)))
    ));
    assert!(news.is_alive());
    release.raise();
    paper.stop();
    end(&paper);
    assert!(!news.is_alive());
    for error in [news.send(News(4)), news.try_send(News(4))] {
        let error = error.unwrap_err();
        assert!(error.is_closed());
        assert_eq!(error.into_message(), News(4));
    }
}

/// Gives back something else than it was made from.
#[derive(Debug)]
pub struct Forgetful;

impl From<Forgetful> for WireMsg {
    fn from(_: Forgetful) -> Self {
        WireMsg::Silence
    }
}

impl TryFrom<WireMsg> for Forgetful {
    type Error = ();
    fn try_from(_: WireMsg) -> Result<Self, ()> {
        Err(())
    }
}

#[test]
#[should_panic(expected = "correct its `TryFrom`")]
fn a_message_that_cannot_be_given_back_is_a_mistake_that_is_named() {
    let sys = system(1);
    let wire = sys.spawn(Wire).unwrap();
    let recipient: Recipient<Forgetful> = wire.recipient();
    wire.stop();
    end(&wire);
    let _ = recipient.send(Forgetful);
}

#[test]
fn recipients_of_the_same_actor_are_equal() {
    let sys = system(1);
    let (a, b) = (
        sys.spawn(Paper::default()).unwrap(),
        sys.spawn(Paper::default()).unwrap(),
    );
    let of = |paper: &Addr<Paper>| -> Recipient<News> { paper.recipient() };
    assert_eq!(of(&a), of(&a).clone());
    assert_ne!(of(&a), of(&b));
    assert_eq!(of(&a).id(), a.id());
    let all: HashSet<_> = [of(&a), of(&b), of(&a)].into();
    assert_eq!(all.len(), 2);
    assert_eq!(
        format!("{:?}", of(&a)),
        format!("Recipient(Paper#{})", a.id())
    );
}

#[test]
fn a_recipient_outlives_every_address_and_is_two_words() {
    let sys = system(1);
    let alive = Arc::default();
    let paper = sys.spawn(Paper::default()).unwrap();
    paper.ask().own(Counted::new(&alive)).unwrap();
    let news: Recipient<News> = paper.recipient();
    drop(paper);
    let other = news.clone();
    drop(news);
    other.send(News(1)).unwrap();
    drop(other);
    assert_eq!(
        alive.load(Ordering::SeqCst),
        1,
        "an actor lives without addresses"
    );
    assert_eq!(size_of::<Recipient<News>>(), 2 * size_of::<usize>());
    drop(sys);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

//! Traits as protocols: an actor implements several, and an address narrows to one.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Actor, ActorOptions, NoMethods, Protocol, Reply};

use super::support::*;

/// What greets.
#[protocol]
pub trait Greeter {
    /// Greets somebody.
    fn greet(&self, name: String) -> String;
    /// Starts again.
    fn reset(&mut self) {}
    /// Says who it is.
    fn who(&self, cx: &mut Cx<Self>) -> u64 {
        cx.id()
    }
    /// Ends the actor.
    fn leave(&mut self, cx: &mut Cx<Self>);
    /// Fails.
    fn refuse(&mut self, why: u8) -> Result<(), u8> {
        Err(why)
    }
}

/// What counts.
#[protocol]
pub trait Counts {
    fn add(&mut self, by: u64);
    fn total(&self) -> u64;
}

/// Two protocols, and messages of its own.
#[actor(mailbox = 4)]
#[derive(Default)]
pub struct Clerk {
    greeted: Vec<String>,
    total: u64,
}

#[actor(protocols = [Greeter, Counts])]
impl Clerk {
    pub fn greeted(&self) -> Vec<String> {
        self.greeted.clone()
    }

    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    pub fn log(&mut self, line: String) {
        self.greeted.push(line);
    }
}

impl Greeter for Clerk {
    fn greet(&self, name: String) -> String {
        format!("Hello, {name}")
    }
    fn leave(&mut self, cx: &mut Cx<Self>) {
        cx.stop();
    }
    fn reset(&mut self) {
        self.greeted.push("reset".to_owned());
    }
}

impl Counts for Clerk {
    fn add(&mut self, by: u64) {
        self.total += by;
    }
    fn total(&self) -> u64 {
        self.total
    }
}

/// One protocol, and nothing else.
#[actor]
pub struct Rude;

#[actor(protocols = [Greeter])]
impl Rude {}

impl Greeter for Rude {
    fn greet(&self, name: String) -> String {
        format!("What, {name}?")
    }
    fn leave(&mut self, cx: &mut Cx<Self>) {
        cx.exit(Exit::failed("rude"));
    }
}

#[test]
fn actors_of_several_types_are_asked_alike() {
    let sys = system(2);
    let clerk = sys.spawn(Clerk::default()).unwrap();
    let rude = sys.spawn(Rude).unwrap();
    let greeters: Vec<AddrOf<dyn Greeter>> = vec![clerk.narrow(), (&rude).into(), rude.into()];
    let heard: Vec<String> = (greeters.iter())
        .map(|greeter| greeter.ask().greet("Ada".to_owned()).unwrap())
        .collect();
    assert_eq!(heard, ["Hello, Ada", "What, Ada?", "What, Ada?"]);
    for greeter in &greeters {
        assert_eq!(greeter.ask().who().unwrap(), greeter.id());
    }
}

#[test]
fn an_actor_implements_several_protocols_beside_its_own_messages() {
    let sys = system(1);
    let clerk = sys.spawn(Clerk::default()).unwrap();
    let greeter: AddrOf<dyn Greeter> = clerk.narrow();
    let counts: AddrOf<dyn Counts> = clerk.narrow();
    counts.tell().add(2).unwrap();
    counts.try_tell().add(3).unwrap();
    clerk.tell().log("own".to_owned()).unwrap();
    greeter.tell().reset().unwrap();
    assert_eq!(counts.request().total().wait().unwrap(), 5);
    assert_eq!(clerk.ask().greeted().unwrap(), ["own", "reset"]);
}

#[test]
fn messages_of_all_protocols_arrive_in_the_order_sent() {
    let sys = system(2);
    let clerk = sys.spawn(Clerk::default()).unwrap();
    let greeter: AddrOf<dyn Greeter> = clerk.narrow();
    let mut expected = Vec::new();
    for n in 0..500 {
        clerk.tell().log(n.to_string()).unwrap();
        greeter.tell().reset().unwrap();
        expected.extend([n.to_string(), "reset".to_owned()]);
    }
    assert_eq!(clerk.ask().greeted().unwrap(), expected);
}

#[test]
fn a_protocols_messages_are_a_variant_of_the_actors() {
    let sys = system(1);
    let clerk = sys.spawn(Clerk::default()).unwrap();
    clerk
        .send(ClerkMsg::Counts(CountsMsg::Add { by: 7 }))
        .unwrap();
    clerk.send(CountsMsg::Add { by: 1 }.into()).unwrap();
    let counts: AddrOf<dyn Counts> = clerk.narrow();
    counts.send(CountsMsg::Add { by: 1 }).unwrap();
    counts.recipient().send(CountsMsg::Add { by: 1 }).unwrap();
    assert_eq!(counts.ask().total().unwrap(), 10);
    let back: Result<CountsMsg, ClerkMsg> = ClerkMsg::Greeted.try_into();
    assert!(matches!(back, Err(ClerkMsg::Greeted)));
}

#[test]
fn a_handlers_error_arrives_flattened_through_a_narrowed_address() {
    let sys = system(1);
    let greeter: AddrOf<dyn Greeter> = sys.spawn(Rude).unwrap().narrow();
    assert!(matches!(greeter.ask().refuse(3), Err(AskError::Handler(3))));
    assert!(matches!(
        greeter.request().refuse(4).wait(),
        Err(AskError::Handler(4))
    ));
}

#[test]
fn errors_give_the_protocols_message_back() {
    let sys = system(2);
    let clerk = sys.spawn(Clerk::default()).unwrap();
    let counts: AddrOf<dyn Counts> = clerk.narrow();
    let (entered, release) = (Flag::new(), Flag::new());
    clerk.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    for _ in 0..4 {
        counts.try_tell().add(1).unwrap();
    }
    let Err(TellError::Full(CountsMsg::Add { by: 9 })) = counts.try_tell().add(9) else {
        panic!("the mailbox is full, and the message comes back");
    };
    let full = counts.ask().within(Duration::from_millis(1)).total();
    assert!(matches!(full, Err(AskError::Full(CountsMsg::Total))));
    release.raise();
    assert_eq!(counts.ask().total().unwrap(), 4);
    counts.stop();
    assert_eq!(counts.join(), ExitReason::Normal);
    assert!(!counts.is_alive());
    assert!(matches!(
        counts.tell().add(8),
        Err(TellError::Closed(CountsMsg::Add { by: 8 }))
    ));
    assert!(matches!(
        counts.ask().total(),
        Err(AskError::Closed(CountsMsg::Total))
    ));
    assert!(matches!(
        counts.request().total().wait(),
        Err(AskError::Closed(CountsMsg::Total))
    ));
}

#[test]
fn a_narrowed_address_ends_its_actor_and_waits_for_it() {
    let sys = system(2);
    let start = || -> (Addr<Rude>, AddrOf<dyn Greeter>) {
        let rude = sys.spawn(Rude).unwrap();
        (rude.clone(), rude.into())
    };
    let (rude, greeter) = start();
    assert_eq!(greeter.join_timeout(Duration::ZERO), None);
    greeter.kill();
    assert_eq!(greeter.join_timeout(LIMIT), Some(ExitReason::Killed));
    assert_eq!(end(&rude), ExitReason::Killed);
    let (_, greeter) = start();
    greeter.ask().leave().unwrap();
    assert_eq!(greeter.join(), ExitReason::failed("rude"));
}

#[test]
fn a_narrowed_address_is_equal_to_those_of_the_same_actor() {
    let sys = system(1);
    let (a, b) = (sys.spawn(Rude).unwrap(), sys.spawn(Rude).unwrap());
    let narrow = |rude: &Addr<Rude>| -> AddrOf<dyn Greeter> { rude.narrow() };
    assert_eq!(narrow(&a), narrow(&a).clone());
    assert_ne!(narrow(&a), narrow(&b));
    let all: HashSet<_> = [narrow(&a), narrow(&b), narrow(&a)].into();
    assert_eq!(all.len(), 2);
    assert_eq!(
        format!("{:?}", narrow(&a)),
        format!("AddrOf(Rude#{})", a.id())
    );
}

/// A store of anything, by keys.
#[protocol]
pub trait Store<K, V>
where
    K: Send + 'static,
    V: Send + 'static,
{
    fn put(&mut self, key: K, value: V) -> Option<V>;
    fn get(&self, key: K) -> Option<V>;
}

/// What gives numbers: its messages mention no parameter.
#[protocol]
pub trait Source<T: Send + 'static> {
    fn next(&mut self) -> T;
}

#[actor]
pub struct Memory<K> {
    map: HashMap<K, u32>,
}

#[actor(protocols = [Store<K, u32>, Source<u32>])]
impl<K: std::hash::Hash + Eq + Send + 'static> Memory<K> {
    pub fn len(&self) -> usize {
        self.map.len()
    }
}

impl<K: std::hash::Hash + Eq + Send + 'static> Store<K, u32> for Memory<K> {
    fn put(&mut self, key: K, value: u32) -> Option<u32> {
        self.map.insert(key, value)
    }
    fn get(&self, key: K) -> Option<u32> {
        self.map.get(&key).copied()
    }
}

impl<K: std::hash::Hash + Eq + Send + 'static> Source<u32> for Memory<K> {
    fn next(&mut self) -> u32 {
        self.map.values().sum()
    }
}

#[test]
fn protocols_and_their_actors_may_be_generic() {
    let sys = system(1);
    let memory = sys
        .spawn(Memory {
            map: HashMap::<String, u32>::new(),
        })
        .unwrap();
    let store: AddrOf<dyn Store<String, u32>> = memory.narrow();
    let source: AddrOf<dyn Source<u32>> = memory.narrow();
    assert_eq!(store.ask().put("a".to_owned(), 1).unwrap(), None);
    assert_eq!(store.ask().put("a".to_owned(), 2).unwrap(), Some(1));
    assert_eq!(store.ask().get("a".to_owned()).unwrap(), Some(2));
    assert_eq!(source.ask().next().unwrap(), 2);
    assert_eq!(memory.ask().len().unwrap(), 1);
}

/// Written by hand: an actor whose messages are a protocol's.
pub struct ByHand(u64);

impl ActorOptions for ByHand {}

impl Actor for ByHand {
    type Msg = CountsMsg;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, msg: CountsMsg, reply: Reply<'_>, cx: &mut Cx<Self>) {
        <dyn Counts>::dispatch(self, msg, reply, cx);
    }
}

impl Counts for ByHand {
    fn add(&mut self, by: u64) {
        self.0 += by;
    }
    fn total(&self) -> u64 {
        self.0
    }
}

/// On its own stack: takes the messages apart itself.
#[actor]
pub struct Body;

#[actor(message = <dyn Counts as Protocol>::Msg)]
impl Body {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        let mut sum = 0;
        while let Ok(CountsMsg::Add { by }) = inbox.recv() {
            sum += by;
        }
        Exit::failed(sum)
    }
}

#[test]
fn an_actor_written_by_hand_takes_part() {
    let sys = system(1);
    let counts: AddrOf<dyn Counts> = sys.spawn(ByHand(1)).unwrap().narrow();
    counts.tell().add(2).unwrap();
    assert_eq!(counts.ask().total().unwrap(), 3);
    let counts: AddrOf<dyn Counts> = sys.spawn(Body).unwrap().narrow();
    counts.tell().add(2).unwrap();
    counts.tell().add(3).unwrap();
    assert!(matches!(counts.ask().total(), Err(AskError::NoReply(_))));
    assert_eq!(counts.join(), ExitReason::failed(5));
}

/// Answers when it can.
#[protocol]
pub trait Desk {
    fn wait_for(&mut self, number: u64, reply: ReplyTo<String>);
    fn call_out(&mut self, number: u64) -> bool;
}

#[actor]
#[derive(Default)]
pub struct Counter {
    waiting: HashMap<u64, ReplyTo<String>>,
}

#[actor(protocols = [Desk])]
impl Counter {}

impl Desk for Counter {
    fn wait_for(&mut self, number: u64, reply: ReplyTo<String>) {
        self.waiting.insert(number, reply);
    }
    fn call_out(&mut self, number: u64) -> bool {
        match self.waiting.remove(&number) {
            Some(reply) => reply.send(format!("number {number}")).is_ok(),
            None => false,
        }
    }
}

#[test]
fn a_protocols_message_may_be_answered_later() {
    let sys = system(1);
    let desk: AddrOf<dyn Desk> = sys.spawn(Counter::default()).unwrap().into();
    let (one, two) = (desk.request().wait_for(1), desk.request().wait_for(2));
    assert!(!desk.ask().call_out(3).unwrap());
    assert!(desk.ask().call_out(2).unwrap());
    assert!(desk.ask().call_out(1).unwrap());
    assert_eq!(one.wait().unwrap(), "number 1");
    assert_eq!(two.wait().unwrap(), "number 2");
}

//! What `#[actor]` makes of methods: messages that arrive, answers that come back, hooks that are called.
#![deny(warnings, missing_docs, unreachable_pub)]
#![deny(clippy::all, clippy::pedantic)]
#![allow(
    missing_debug_implementations,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "about the test's own actors; what is generated for them would pass without"
)]

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Actor, ActorOptions};

/// One for all tests. A static is never dropped: its actors end with the process.
static SYSTEM: LazyLock<System> = LazyLock::new(|| System::builder().workers(2).build().unwrap());

fn start<A: Actor>(actor: A) -> Addr<A> {
    SYSTEM.spawn(actor).unwrap()
}

/// Money.
#[actor(mailbox = 16, stack = 64 * 1024, name = "account")]
pub struct Account {
    balance: i64,
    log: Vec<String>,
    /// Where the log goes at the end.
    last: Option<mpsc::Sender<Vec<String>>>,
}

/// There is not enough of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Broke {
    /// So much.
    pub missing: i64,
}

#[actor]
impl Account {
    /// An account with `balance`.
    #[must_use]
    pub fn new(balance: i64) -> Self {
        Self {
            balance,
            log: Vec::new(),
            last: None,
        }
    }

    #[on_start]
    fn open(&mut self, _cx: &mut Cx<Self>) -> Result<(), String> {
        self.note("open");
        if self.balance < 0 {
            Err("in the red".to_owned())
        } else {
            Ok(())
        }
    }

    #[on_stop]
    fn close(&mut self, reason: &ExitReason) {
        self.note(&format!("close: {reason}"));
        if let Some(last) = self.last.take() {
            last.send(self.take_log()).unwrap();
        }
    }

    fn note(&mut self, what: &str) {
        self.log.push(what.to_owned());
    }

    /// Pays in.
    pub fn deposit(&mut self, n: i64) {
        self.balance += n;
    }

    /// Takes out.
    ///
    /// ```compile_fail
    /// this example must not be tested once for each verb
    /// ```
    pub fn withdraw(&mut self, n: i64) -> Result<i64, Broke> {
        if n > self.balance {
            return Err(Broke {
                missing: n - self.balance,
            });
        }
        self.balance -= n;
        Ok(self.balance)
    }

    /// What there is.
    #[must_use]
    pub fn balance(&self) -> i64 {
        self.balance
    }

    /// Moves money.
    pub fn pay(&mut self, to: Addr<Self>, cx: &mut Cx<Self>, n: i64) -> Result<(), Broke> {
        let _: Addr<Self> = cx.addr();
        self.withdraw(n)?;
        to.tell().deposit(n).map_err(|_| Broke { missing: 0 })
    }

    /// What happened; takes it away.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Names that the generated code might use itself.
    pub fn awkward(
        &self,
        msg: u8,
        reply: u8,
        cx: u8,
        value: u8,
        r#type: u8,
        mut addr: u8,
    ) -> [u8; 6] {
        addr += 1;
        [msg, reply, cx, value, r#type, addr]
    }

    /// A method called as one of the trait's.
    pub fn handle(&mut self, by: u8) -> u8 {
        by
    }

    /// Fails with an alias of `Result`.
    pub fn alias(&self) -> std::io::Result<u8> {
        Err(std::io::ErrorKind::Other.into())
    }

    #[cfg(any())]
    /// Not there, and neither is its variant.
    pub fn absent(&self, what: NoSuchType) {}

    #[cfg(test)]
    /// There.
    pub fn present(&self) {}

    /// Sent from this crate only.
    #[deprecated]
    pub(crate) fn internal(&self, what: Hidden) -> Hidden {
        what
    }
}

/// Less public than the message enum.
#[derive(PartialEq, Debug)]
pub(crate) struct Hidden(u8);

#[test]
fn a_told_message_is_handled() {
    let account = start(Account::new(1));
    account.tell().deposit(2).unwrap();
    account.try_tell().deposit(3).unwrap();
    account.send(AccountMsg::Deposit { n: 4 }).unwrap();
    assert_eq!(account.ask().balance().unwrap(), 10);
}

#[test]
fn any_message_can_be_told_or_asked() {
    let account = start(Account::new(5));
    account.ask().deposit(1).unwrap();
    account.tell().withdraw(2).unwrap();
    account.tell().balance().unwrap();
    assert_eq!(account.request().balance().wait().unwrap(), 4);
    account.ask().present().unwrap();
}

#[test]
fn a_handlers_error_arrives_flattened() {
    let account = start(Account::new(5));
    let ask = account.ask().within(Duration::from_mins(1));
    assert_eq!(ask.withdraw(2).unwrap(), 3);
    assert_eq!(
        ask.withdraw(4).unwrap_err().into_handler(),
        Some(Broke { missing: 1 })
    );
    assert!(matches!(
        account.request().withdraw(9).wait(),
        Err(AskError::Handler(Broke { missing: 6 }))
    ));
    assert!(
        matches!(account.ask().alias(), Err(AskError::Handler(error)) if error.kind() == std::io::ErrorKind::Other)
    );
}

#[test]
fn a_context_stands_anywhere_and_self_is_the_actor() {
    let (a, b) = (start(Account::new(5)), start(Account::new(0)));
    a.ask().pay(b.clone(), 2).unwrap();
    assert_eq!(b.ask().balance().unwrap(), 2);
}

#[test]
fn names_of_parameters_and_methods_do_not_collide_with_generated_ones() {
    let account = start(Account::new(0));
    assert_eq!(
        account.ask().awkward(1, 2, 3, 4, 5, 5).unwrap(),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(account.ask().handle(7).unwrap(), 7);
}

#[test]
#[allow(deprecated)]
fn a_message_may_be_less_public_than_its_actor() {
    let account = start(Account::new(0));
    assert_eq!(account.ask().internal(Hidden(3)).unwrap(), Hidden(3));
}

#[test]
fn hooks_are_called() {
    const { assert!(Account::HAS_ON_START) };
    let (last, log) = mpsc::channel();
    let mut account = Account::new(0);
    account.last = Some(last);
    let account = start(account);
    account.stop();
    assert_eq!(account.join(), ExitReason::Normal);
    assert_eq!(log.recv().unwrap(), ["open", "close: ended normally"]);
}

#[test]
fn a_start_hook_may_refuse() {
    let refused = SYSTEM.spawn(Account::new(-1)).unwrap_err();
    assert!(matches!(refused, SpawnError::Start(why) if why.to_string() == "in the red"));
}

#[test]
fn options_are_those_of_the_attribute() {
    assert_eq!(Account::OPTIONS.capacity(), Some(16));
    assert_eq!(Account::OPTIONS.stack_size(), Some(65536));
    assert_eq!(Account::OPTIONS.type_name(), Some("account"));
    assert_eq!(Cache::<u8, u8>::OPTIONS.type_name(), Some("Cache"));
    assert_eq!(Cache::<u8, u8>::OPTIONS.capacity(), None);
}

/// Generic over its keys and values, and over one more which no message mentions.
#[actor]
pub struct Cache<K, V, const N: usize = 4>
where
    K: Send + 'static,
{
    map: HashMap<K, V>,
}

#[actor]
impl<K, V: Clone + Send + 'static, const N: usize> Cache<K, V, N>
where
    K: Hash + Eq + Send + 'static,
{
    /// Puts a value in; says whether there was room.
    pub fn put(&mut self, key: K, value: V) -> bool {
        let room = self.map.len() < N;
        if room {
            self.map.insert(key, value);
        }
        room
    }

    /// The value of a key.
    pub fn get(&self, key: K) -> Option<V> {
        self.map.get(&key).cloned()
    }
}

#[test]
fn an_actor_may_be_generic() {
    let cache: Addr<Cache<String, u32, 1>> = start(Cache {
        map: HashMap::new(),
    });
    assert!(cache.ask().put("a".to_owned(), 1).unwrap());
    assert!(!cache.ask().put("b".to_owned(), 2).unwrap());
    assert_eq!(cache.ask().get("a".to_owned()).unwrap(), Some(1));
    let plain: CacheMsg<String, u32> = CacheMsg::Get {
        key: "a".to_owned(),
    };
    cache.send(plain).unwrap();
}

/// An enum can be an actor, and one without messages too.
#[actor]
pub enum Lamp {
    /// Dark.
    Off,
}

#[actor]
impl Lamp {}

/// A private one.
#[actor]
struct Private;

struct Word(&'static str);

#[actor]
impl Private {
    pub(crate) fn word(&self, word: Word) -> Word {
        word
    }
}

#[test]
fn an_actor_may_be_private() {
    let Ok(Word(word)) = start(Private).ask().word(Word("x")) else {
        panic!()
    };
    assert_eq!(word, "x");
    let _ = start(Lamp::Off);
}

/// Owns its stack.
#[actor]
pub struct Session {
    sum: u32,
}

/// What it receives.
pub enum SessionMsg {
    /// A number.
    Add(u32),
    /// No more.
    Leave,
}

#[actor(message = SessionMsg)]
impl Session {
    fn run(mut self, inbox: Inbox<Self>) -> Exit {
        while let Ok(SessionMsg::Add(n)) = inbox.recv() {
            self.sum += n;
        }
        Exit::failed(self.sum)
    }
}

#[test]
fn a_run_body_owns_the_actor() {
    const { assert!(Session::OWN_STACK && !Account::OWN_STACK) };
    let session = start(Session { sum: 1 });
    session.send(SessionMsg::Add(2)).unwrap();
    session.send(SessionMsg::Add(3)).unwrap();
    session.send(SessionMsg::Leave).unwrap();
    assert_eq!(session.join(), ExitReason::failed(6));
}

/// Owns its stack and hears nobody.
#[actor]
pub struct Job;

#[actor]
impl Job {
    /// The whole life of it.
    pub fn run(self, inbox: Inbox<Self>) -> Exit {
        drop(inbox);
        Exit::Normal
    }
}

#[test]
fn a_run_body_may_do_without_messages() {
    assert_eq!(start(Job).join(), ExitReason::Normal);
}

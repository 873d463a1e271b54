//! The attribute macros of `actor-core`, which re-exports them: depend on that crate and not on this one.
//!
//! [`macro@actor`] works in stages, each in a module of its own. *Parse* (`args`, and `syn` for the rest) takes what is
//! written apart. *Validate* turns it into the *model*, which can only hold what can be expanded, and collects every error
//! on the way, each at the user's token and with the rewrite. *Expand* turns the model into code. The user's own item
//! always comes out again, errors or not, and so does whatever could be generated in spite of them: an editor goes on
//! completing in a program that is half-written.
//!
//! [`macro@supervisor`] is its own macro, in the same stages. [`macro@preemptible`] is smaller, and has its stages in one module.

mod args;
mod definition;
mod diagnostics;
mod expand;
mod migratable;
mod model;
mod plain_data;
mod preemptible;
mod select;
mod snapshot;
mod supervisor;
mod types;
mod validate;
mod variants;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemImpl, ItemTrait};

use crate::definition::Definition;
use crate::diagnostics::Errors;

/// Makes a type an actor. It goes on the type and on the `impl` block with its messages.
///
/// ```
/// use actor_core::prelude::*;
/// # #[derive(Debug)]
/// # pub struct Broke;
/// # #[derive(Debug)]
/// # pub struct PayError;
/// # impl From<Broke> for PayError { fn from(_: Broke) -> Self { Self } }
/// # impl From<AskError<AccountMsg>> for PayError { fn from(_: AskError<AccountMsg>) -> Self { Self } }
///
/// #[actor(mailbox = 1024)]
/// pub struct Account {
///     balance: i64,
/// }
///
/// #[actor]
/// impl Account {
///     /// Pays in.
///     pub fn deposit(&mut self, n: i64) {
///         self.balance += n;
///     }
///
///     /// Takes out, and says what is left.
///     pub fn withdraw(&mut self, n: i64) -> Result<i64, Broke> {
///         self.balance = self.balance.checked_sub(n).filter(|left| *left >= 0).ok_or(Broke)?;
///         Ok(self.balance)
///     }
///
///     /// Moves money to another account. Waiting for the other holds up no thread.
///     pub fn pay(&mut self, _cx: &mut Cx<Self>, to: Addr<Self>, n: i64) -> Result<(), PayError> {
///         self.withdraw(n)?;
///         Ok(to.ask().deposit(n)?)
///     }
/// }
/// ```
///
/// # On a struct or enum
/// Sets the options of the type, all of which may be left out:
///
/// * `mailbox = 1024`: the mailbox holds that many messages; without it, any number.
/// * `when_full = "drop_oldest"`: what a bounded mailbox does with a message that finds it full: `"block"` (the sender
///   waits; the default), `"fail"`, `"drop_oldest"` or `"drop_newest"`. See [`WhenFull`](../actor_core/enum.WhenFull.html).
/// * `stack = 131072`: the size of its stack, in bytes.
/// * `name = "account"`: the name in events and in the inspector; without it, that of the type.
/// * `snapshot`, or `snapshot(version = 2, upgrade = path)`: [snapshots](../actor_core/snapshot/index.html) can be taken of it.
///   See below.
///
/// Values are constant expressions, and checked when the program is compiled.
///
/// ## Snapshots
/// For a struct `Account`, `snapshot` makes `AccountSnapshot`, a struct with the fields that are kept, which are serde's
/// `Serialize` and `Deserialize`, and implements [`Snapshot`](../actor_core/snapshot/trait.Snapshot.html). The messages are
/// `Serialize` and `Deserialize` too. The crate that has the actor need not depend on serde for that.
///
/// | | |
/// |---|---|
/// | `#[snapshot(skip)]` on a field | it is not kept, and restored as its `Default` |
/// | `#[snapshot(skip = expression)]` | .. as that |
/// | `#[snapshot(rename = "name")]` | it has that name in the image |
/// | `#[snapshot(with = module)]` | it is written by `module::serialize` and read by `module::deserialize`, which are as for serde's `with` |
/// | `#[snapshot(skip)]` on a message method | such a message is not kept while it waits, and its parameters can be of any type. It cannot be frozen at all |
/// | `snapshot(version = 2)` | the fields are not what they were in version 1, which is the default |
/// | `snapshot(version = 2, upgrade = path)` | older states are made the present one by that function; see [`OldState`](../actor_core/snapshot/struct.OldState.html) |
///
/// A field added as an `Option` needs no new version: in older images it is `None`. A field that is there no more is left alone.
///
/// # On an `impl` block
/// Each `pub` method with a receiver is a message; `pub(crate)` and the like make a message that is sent from there
/// only. Other methods, and functions without a receiver, are left alone. For a type `Account` the block gets
///
/// * `AccountMsg`, an enum with a variant for each message (`Deposit { n: i64 }`), which is plain data and can be sent
///   by `addr.send(..)`;
/// * `AccountReply`, an enum with a variant for each answer (`Withdraw(Result<i64, Broke>)`, `Deposit`): what
///   `addr.call(message)` gives, which asks any message;
/// * `AccountTell`, `AccountTryTell`, `AccountAsk` and `AccountRequest`, with a method for each message, behind
///   `addr.tell()`, `addr.try_tell()`, `addr.ask()` and `addr.request()`. `addr.ask().within(limit)` sets a deadline;
/// * `AccountAfter` and `AccountEvery`, the same behind `addr.after(delay)` and `addr.every(period)`, which set timers.
///
/// A parameter `&mut Cx<Self>`, anywhere after the receiver, is supplied by the runtime. All others travel, and are
/// therefore owned, `Send` and named. If a method returns a type called `Result`, its `Err` reaches the asker as
/// `AskError::Handler`, beside what else can go wrong with an ask. Any message can be told or asked: a tell drops what
/// the method returns, and an ask of a method that returns nothing waits until it is handled. The first paragraph of a
/// method's documentation, its `#[cfg]`s, `#[deprecated]` and visibility carry over to what is generated from it.
///
/// A parameter `ReplyTo<T>` is the port for the answer, also supplied by the runtime: the method returns nothing and the
/// message is asked with an answer of type `T`, given whenever `reply.send(value)` is called. `reply.forward(&addr)` lets
/// another actor give it: `AccountForward`, what that returns for an `Addr<Account>`, has the messages with such an answer.
///
/// A message marked `#[priority(high)]` is handled before all others that wait; among themselves such messages keep their
/// order, as the others do.
///
/// A private method marked `#[on_start]` is called before the first message. It takes nothing or `&mut Cx<Self>`, and
/// returns nothing or `Result<(), E>` to refuse. One marked `#[on_stop]` is called after the last message, and takes any
/// of `&mut Cx<Self>` and `&ExitReason`. One marked `#[on_signal]` is called when an actor that this one monitors, or is
/// linked to, has ended; it takes any of `&mut Cx<Self>` and `Signal`. One marked `#[on_error]`
/// is called with the `Err` of a handler whose message was only told, and takes any of `&mut Cx<Self>` and `HandlerError`;
/// without one such an error ends the actor. One marked `#[on_move]` is called before the actor is
/// [moved](../actor_core/migrate/index.html) to another node, to finish, hand over or close its sessions; it takes any of
/// `&mut Cx<Self>` and `&str`, the name of that node, and returns nothing or `Result<(), E>` to stay.
///
/// An actor has one such block; methods in others are not messages.
///
/// ## Messages and answers as values
/// The two enums are for what is not written as a call: a message that was read from a file or a socket, a log of what was
/// asked and answered, a recording that is played back. Both are `Debug`, which shows a field of a type that is not as `..`.
/// Both are `Clone`, and serde's `Serialize` and `Deserialize`, if the types in them are; otherwise it is an error to clone or
/// freeze one, which names the type. The crate that has the actor need not depend on serde for that.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Counter {
///     n: u64,
/// }
///
/// #[actor]
/// impl Counter {
///     pub fn add(&mut self, by: u64, note: Option<String>) {
///         self.n += by;
///     }
///     pub fn get(&self) -> u64 {
///         self.n
///     }
/// }
///
/// let frozen = serde_json::to_string(&[CounterMsg::Add { by: 2, note: None }, CounterMsg::Get])?;
/// assert_eq!(frozen, r#"[{"Add":{"by":2,"note":null}},"Get"]"#);
///
/// // Later, or elsewhere:
/// let sys = System::new()?;
/// let counter = sys.spawn(Counter { n: 0 })?;
/// for message in serde_json::from_str::<Vec<CounterMsg>>(&frozen)? {
///     match counter.call(message)? {
///         CounterReply::Get(n) => assert_eq!(n, 2),
///         reply => assert_eq!(format!("{reply:?}"), "Add"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The frozen form is that of serde's own derive: the enum is tagged externally with the name of the variant, and parameters
/// have theirs. It is read back by a program in which messages were added or reordered, parameters reordered or taken away,
/// or parameters added that are `Option`s (then `None`); the last three only in a format that writes names. Renaming
/// breaks it.
///
/// ## Messages made from one value
/// `#[from]` on the only parameter of a message makes the enum `From` its type (and the type `TryFrom` the enum), so that
/// the actor gives a `Recipient` of it: `pub fn seen(&mut self, #[from] price: Price)`, `let r: Recipient<Price> =
/// addr.recipient()`. A type makes one message of an actor at most.
///
/// ## Protocols
/// `#[actor(protocols = [Greeter, audit::Audited])]` makes the messages of these traits, which are marked
/// [`macro@protocol`], messages of the actor: the enum has a variant for each protocol, called as the trait. The traits are
/// implemented by ordinary `impl` blocks.
///
/// ## Generics and lifetimes
/// The block may be generic, if what it is generic over is `Send + 'static`. The enums are generic over the parameters that
/// their fields mention. A method cannot have parameters of its own, which the enum would have to be generic over: name the
/// type, move the parameter to the block, or box (`Box<dyn Shape + Send>`). Nothing borrows: a message outlives the call
/// that sends it. What is wrong is all reported at once, each with what to write instead, and what is right is generated.
///
/// # An actor with its own stack
/// If the block has a method `run` that takes `self` by value, that is the whole life of the actor, and there are no
/// message methods:
///
/// ```
/// # use actor_core::prelude::*;
/// # #[actor]
/// # struct Session { served: u32 }
/// # enum SessionMsg { Line(String) }
/// # impl Session {
/// #     fn serve(&mut self, _: SessionMsg) { self.served += 1 }
/// # }
/// #[actor(message = SessionMsg)]
/// impl Session {
///     fn run(mut self, inbox: Inbox<Self>) -> Exit {
///         while let Ok(message) = inbox.recv() {
///             self.serve(message);
///         }
///         Exit::Normal
///     }
/// }
/// ```
///
/// Without `message` it takes none (`Never`).
#[proc_macro_attribute]
pub fn actor(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(args.into(), item.into()).into()
}

/// Makes a trait a protocol: messages that actors of several types take, behind one type of address.
///
/// ```
/// use actor_core::prelude::*;
///
/// /// What has a price.
/// #[protocol]
/// pub trait Priced {
///     /// In cents.
///     fn price(&self) -> u64;
///     /// Makes it cheaper.
///     fn discount(&mut self, percent: u64) -> Result<u64, String>;
///     /// What happens unless the actor says otherwise.
///     fn withdraw(&mut self, cx: &mut Cx<Self>) {
///         cx.stop();
///     }
/// }
///
/// #[actor]
/// struct Book {
///     cents: u64,
/// }
///
/// #[actor(protocols = [Priced])]
/// impl Book {
///     pub fn reprint(&mut self) {}
/// }
///
/// impl Priced for Book {
///     fn price(&self) -> u64 {
///         self.cents
///     }
///     fn discount(&mut self, percent: u64) -> Result<u64, String> {
///         if percent > 10 {
///             return Err("the price of books is fixed".into());
///         }
///         self.cents -= self.cents * percent / 100;
///         Ok(self.cents)
///     }
/// }
///
/// #[actor]
/// struct Apple;
///
/// #[actor(protocols = [Priced])]
/// impl Apple {}
///
/// impl Priced for Apple {
///     fn price(&self) -> u64 {
///         40
///     }
///     fn discount(&mut self, _percent: u64) -> Result<u64, String> {
///         Ok(40)
///     }
/// }
///
/// let sys = System::new()?;
/// let book = sys.spawn(Book { cents: 2000 })?;
/// let basket: Vec<AddrOf<dyn Priced>> = vec![book.narrow(), sys.spawn(Apple)?.into()];
///
/// let prices: Vec<_> = basket.iter().map(|it| it.request().price()).collect(); // all at work
/// let mut total = 0;
/// for price in prices {
///     total += price.wait()?;
/// }
/// assert_eq!(total, 2040);
/// assert!(matches!(basket[0].ask().discount(50), Err(AskError::Handler(_))));
/// basket[0].tell().withdraw()?;
/// assert_eq!(book.join(), ExitReason::Normal);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it makes
/// Of a trait `Priced`: `PricedMsg` and `PricedReply`, enums as [`macro@actor`] makes them; `PricedTell`, `PricedTryTell`,
/// `PricedAsk` and `PricedRequest`, the methods behind the verbs of an `AddrOf<dyn Priced>`; and the implementation of
/// `Protocol` for `dyn Priced`, which stands for "whoever has a price". An actor that names the protocol in
/// `#[actor(protocols = [Priced])]` has a variant `Priced(PricedMsg)` in its own message enum. Messages through a narrowed
/// address are messages of the actor like others, in order with them.
///
/// # What the trait may hold
/// Each method with a receiver is a message, by the rules of [`macro@actor`]: `&self` or `&mut self`, owned parameters with
/// names, and `&mut Cx<Self>` anywhere. It may have a default. `Self` is another type for each actor, and does not travel: an
/// `AddrOf<dyn Priced>` does in place of an `Addr<Self>`. A function without a receiver has `where Self: Sized` and is no
/// message. The trait may have parameters (`AddrOf<dyn Store<String>>`) that are `Send + 'static`, and no associated types or
/// constants.
///
/// A method marked `#[priority(high)]` is an urgent message of every actor that takes part, by whatever address it is sent. An
/// actor cannot say otherwise: the attribute stands in the trait, and not in the `impl` blocks of it.
///
/// An actor written by hand handles the messages with `<dyn Priced>::dispatch(actor, message, reply, cx)`; one with a `run`
/// body receives them: its message type is `From<PricedMsg>` and `TryInto<PricedMsg>`, or `PricedMsg` itself.
#[proc_macro_attribute]
pub fn protocol(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand_protocol(args.into(), item.into()).into()
}

/// For the enums that [`macro@actor`] and [`macro@protocol`] write.
#[doc(hidden)]
#[proc_macro_derive(PlainData, attributes(plain))]
pub fn plain_data(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    plain_data::expand(input.into()).into()
}

/// Makes the loops of a function share their worker, also if they never wait.
///
/// Each pass of each `loop`, `while` and `for` in the function counts, and after 4,096 of them (or calls of `checkpoint`)
/// without a wait in between, the microthread yields if anything else is ready on its worker. A kill is noticed at the latest
/// after 64 passes. A pass costs a fraction of a nanosecond more, on any thread.
///
/// ```
/// use actor_core::prelude::*;
/// # use actor_core::Runtime;
///
/// #[preemptible]
/// fn collatz(mut n: u64) -> u64 {
///     let mut steps = 0;
///     while n != 1 {
///         n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
///         steps += 1;
///     }
///     steps
/// }
/// # let rt = Runtime::new()?;
/// # assert_eq!(rt.spawn(|| collatz(27))?.join()?, 111);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It goes on a function, on a method, or on an `impl` block for all functions in it; with [`macro@actor`], above or below it:
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Miner;
///
/// #[actor]
/// #[preemptible] // or on `mine` alone
/// impl Miner {
///     pub fn mine(&mut self, from: u64) -> u64 {
///         (from..).find(|n| n % 97 == 0).map_or(0, |n| {
///             n // a closure: not covered, see below
///         })
///     }
///     pub fn count(&mut self, to: u64) -> u64 {
///         let mut n = 0;
///         for i in 0..to {
///             n += i & 1;
///         }
///         n
///     }
/// }
/// ```
/// A handler that is made to yield keeps its stack, as in any call that blocks, and its actor takes no other message
/// meanwhile.
///
/// # What is not covered
/// Only the loops that are written in the function itself: not those of functions it calls, of closures, `async` blocks, and
/// items inside it, nor those that a macro writes; and not the loop inside an iterator's `for_each` or `sum`. Recursion is
/// no loop either. There, call `microthread::checkpoint()` by hand. A `for` over nothing and a loop of few passes cost what
/// they cost; a lock of `std`'s that is held around such a loop may be held while others run.
///
/// A `const fn` and an `async fn` are refused.
#[proc_macro_attribute]
pub fn preemptible(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    preemptible::expand(args.into(), item.into()).into()
}

/// Makes a function one that can be frozen where it waits, and continued elsewhere: in another process, on another machine.
///
/// ```
/// use actor_core::channel::{self, Receiver, SendError, Sender};
/// use actor_core::image::Image;
/// use actor_core::migratable;
/// use actor_core::migratable::Suspended;
/// use std::ops::Range;
/// use std::task::Waker;
///
/// fn is_prime(n: u64) -> bool {
///     n > 1 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
/// }
///
/// #[migratable]
/// fn primes(job: Range<u64>, out: Sender<u64>) -> Result<(), SendError<u64>> {
///     for n in job {
///         if is_prime(n) {
///             out.send(n)?;
///         }
///     }
///     Ok(())
/// }
///
/// let (out, found) = channel::bounded(2);
/// let mut search = Suspended::new(primes(0..12, out));
/// assert!(search.resume(Waker::noop()).is_pending()); // the channel is full
/// let image: Image = migratable::freeze(&(search, found))?;
///
/// // Elsewhere: in mid-loop, with the same channel and what is in it.
/// let (mut search, found): (Suspended<primes>, Receiver<u64>) = migratable::thaw(&image)?;
/// let mut all = Vec::new();
/// while !search.has_ended() {
///     let _ = search.resume(Waker::noop());
///     all.extend(found.try_iter());
/// }
/// assert_eq!(all, [2, 3, 5, 7, 11]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// The function returns a [`Start`](../actor_core/migratable/struct.Start.html), a call that has not begun. Besides it there is a
/// type of its name, for `Suspended<primes>`.
///
/// # What waits
/// | call | |
/// |---|---|
/// | `rx.recv()`, `tx.send(value)` | of a [channel](../actor_core/channel/index.html)'s `Receiver` and `Sender` |
/// | `listener.accept()` | of a [`TcpListener`](../actor_core/net/struct.TcpListener.html), which is frozen as its address |
/// | `microthread::sleep(duration)`, `microthread::yield_now()` | also without `microthread::` |
/// | `microthread::checkpoint()` | if the turn is over; also at the head of each turn of a loop with a wait in it |
/// | `other(..).call()` | a call of another migratable function, or of the same |
/// | `select! { .. }` | with `recv(&rx)`, `send(&tx, value)`, `send(&tx, from slot)`, `default` and `deadline` |
/// | `addr.ask().method(..)` | also `addr.ask().within(limit).method(..)` and `addr.request().method(..).wait()` |
///
/// They may stand anywhere in an expression, in branches and loops of any kind, behind `?` and `&&`, among the arguments of
/// `println!` and its like. Anything else that blocks blocks as it does elsewhere, and cannot be frozen meanwhile.
///
/// A `select!` keeps what is left of the time to its `default(duration)` or `deadline`; what it waits at is named, as it is looked
/// at again after each wait. An ask is asked once: while its answer is to come, the function cannot be frozen. While a bounded
/// mailbox is full, an ask blocks.
///
/// # What is kept
/// The parameters, and the variables that are needed after a wait. They are owned, `Send`, and implement serde's `Serialize` and
/// `Deserialize`; the sides of a channel and the address of a named actor do within an image. A `for` goes over ranges and the
/// collections of `std` in a form that can be kept, also with `enumerate`, `rev`, `step_by`, `take` and `skip`; the entries of a map
/// are collected when it begins. A borrow ends before a wait, and is taken again behind it.
///
/// # When variables are dropped
/// At the end of their scope, in the reverse order of their declaration, as in any function; with these exceptions, which are
/// dropped at the first wait after their last mention:
/// * what cannot be frozen, such as a lock's guard;
/// * a variable that is mentioned by value anywhere, as it may have been moved away there;
/// * one whose first value is made from a borrow, a closure, a method of another variable other than `clone` and its like, or
///   is assigned after its declaration.
///
/// Where that matters, `drop(x);` at the end of the scope keeps `x` until there.
///
/// # Changes
/// An image says of which body it is, and is refused by any other ([`ThawError`](../actor_core/migratable/enum.ThawError.html)).
/// Comments and layout do not count. Neither do the functions that it calls and the types it uses: where a change of those
/// matters, give the function a new `#[migratable(version = n)]`. To continue old images, keep the old function under its old name
/// and start the new one under another.
///
/// # Limits
/// Each is an error of the compiler's that says what to write instead:
///
/// | what | instead |
/// |---|---|
/// | a method; a function without `self` in an `impl` block, as types cannot stand there | a free function that takes what it needs |
/// | a borrowed parameter or result, a lifetime, `impl Trait` | owned values; a generic parameter |
/// | a borrow, a closure, a lock's guard, an iterator of `std` that is needed after a wait | borrow again; an index, a clone, a block of its own |
/// | a wait in a closure, but for one that is handed to `spawn` and its like | a loop in the function itself |
/// | a wait in a match guard, an `unsafe` block, a macro that is not one of `std`'s for text and checks | bind what is waited for first |
/// | a wait in a place that is assigned to, `cells[rx.recv()?] = 1` | bind the index first |
/// | `.await`, `ready(..)` in a `select!` | a function that waits on this machine only |
/// | an item in an inner block that has a wait in it | move it to the outermost block |
/// | a loop over borrowed items that has a wait in it | loop over the collection itself, or over indices |
///
/// Loops without a wait are left alone, and nothing is frozen while they run. It may be generic over types and constants.
#[proc_macro_attribute]
pub fn migratable(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    migratable::expand(args.into(), item.into()).into()
}

/// Waits for several channel operations and futures, and does the one that can be done first.
///
/// ```
/// use actor_core::channel;
/// use actor_core::select;
/// use std::time::Duration;
///
/// let (jobs_tx, jobs) = channel::unbounded();
/// let (_stop_tx, stop) = channel::rendezvous::<()>();
/// jobs_tx.send(7)?;
/// let done = select! {
///     recv(&jobs) -> job => job?,
///     recv(&stop) -> _ => 0,
///     default(Duration::from_secs(1)) => -1,
/// };
/// assert_eq!(done, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Arms
/// | arm | is ready when | gives |
/// |---|---|---|
/// | `recv(&rx) -> pattern => body` | a receive would not wait | what the receive returns |
/// | `send(&tx, value) -> pattern => body` | a send would not wait | what the send returns |
/// | `send(&tx, from slot) -> pattern => body` | the same; `slot` is an `Option`, and the arm is never ready while it is `None` | the same |
/// | `ready(future) -> pattern => body` | the future is | its output |
/// | `default => body` | at once, if no other arm is | |
/// | `default(duration) => body` | no other arm has been for so long | |
/// | `deadline(instant) => body` | no other arm has been until then | |
///
/// `-> pattern` may be left out. The pattern must match whatever comes: look at a `Result` in the body. There is at most
/// one of the last three; without one it waits as long as it takes. All bodies have one type, and may `break`, `continue`,
/// `return` and use `?`.
///
/// Of several arms that are ready a random one is taken. With `biased;` as the first word it is the first.
///
/// Every expression is evaluated once, first, in the order written. The value of a `send` that was not done is dropped, that
/// of a `send(&tx, from slot)` goes back to the slot. An arm that was not taken leaves no trace. A receiver in an `Option`
/// that is `None` is never ready.
///
/// When a `default(duration)` or `deadline` is due, the arms are tried once more first.
///
/// If the wait is interrupted (an error thrown in, say), the first arm that can say so fails with it; a future cannot.
#[proc_macro]
pub fn select(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    select::expand(input.into()).into()
}

/// Declares a supervision tree: a struct with a field for each child, which gives their addresses.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::{DynamicSupervisor, Pool};
/// # use std::path::{Path, PathBuf};
/// # #[actor]
/// # pub struct Ledger;
/// # impl Ledger { fn open(_: &Path) -> std::io::Result<Self> { Ok(Self) } }
/// # #[actor]
/// # impl Ledger { pub fn total(&self) -> i64 { 0 } }
/// # #[actor]
/// # pub struct Account { number: usize }
/// # #[actor]
/// # impl Account { pub fn number(&self) -> usize { self.number } }
/// # #[actor]
/// # pub struct Session { peer: String }
/// # #[actor]
/// # impl Session { pub fn peer(&self) -> String { self.peer.clone() } }
/// # #[actor]
/// # pub struct Printer { tray: usize }
/// # #[actor]
/// # impl Printer { pub fn print(&self, _text: String) -> usize { self.tray } }
///
/// #[supervisor(rest_for_one, intensity = 5, period = "10s", args(dir: PathBuf))]
/// #[derive(Clone)]
/// pub struct Bank {
///     #[child(Ledger::open(&dir), shutdown = "30s")]
///     pub ledger: Addr<Ledger>,
///     #[child(|i| Account { number: i })]
///     pub accounts: [Addr<Account>; 8],
///     #[pool(|slot| Printer { tray: slot }, size = 3, balance = least_loaded)]
///     pub printers: Pool<Printer>,
///     #[supervisor]
///     pub front: Front,
/// }
///
/// #[supervisor]
/// #[derive(Clone)]
/// pub struct Front {
///     #[dynamic(|peer: &String| Session { peer: peer.clone() }, temporary)]
///     pub sessions: DynamicSupervisor<Session, String>,
/// }
///
/// let sys = System::new()?;
/// let bank = Bank::start(&sys, "data".into())?;
/// assert_eq!(bank.accounts[3].ask().number()?, 3);
/// let session = bank.front.sessions.start_child("10.0.0.1".to_owned())?;
/// assert_eq!(session.ask().peer()?, "10.0.0.1");
/// bank.printers.pick()?.tell().print("receipt".into())?; // on the one with the least to do
/// assert_eq!(bank.printers.get(2).unwrap().ask().print("statement".into())?, 2);
/// bank.stop(); // in reverse order: the front, the printers, the accounts, the ledger
/// assert_eq!(bank.join(), ExitReason::Normal);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # On the struct
/// The settings of its supervisor, all of which may be left out. A `#[derive(..)]` goes below the attribute.
///
/// * `one_for_one` (the default), `one_for_all` or `rest_for_one`: the strategy.
/// * `intensity = 5`, `period = "10s"`: so many restarts in so long are normal. Default: 1 in 5 s.
/// * `auto_shutdown = any_significant` or `all_significant`. Default: `never`.
/// * `backoff = "100ms..30s"`: the delay before a first restart, and the longest; or an expression of type `Backoff`.
/// * `name = "bank"`: what the supervisor is registered under.
/// * `args(dir: PathBuf, shards: usize)`: parameters of the tree. Each is `Clone + Send + 'static` (and `Sync` if a
///   `#[dynamic]` or `#[pool]` mentions it), and each evaluation of an expression that mentions one has a clone of its own.
///
/// # On its fields
/// Each field is a child, with the field's name as its id, and started in the order of the fields.
///
/// * `#[child(expression, ..)]` makes an actor. The expression is evaluated for each life of it, on the supervisor. On an
///   `Addr<A>` it gives an `A` or a `Result<A, E>`; on an `Option<Addr<A>>` an `Option<A>` or a `Result<Option<A>, E>`, whose
///   `None` declines to make one. On an array it makes all of them, and may be a closure that is given the index.
/// * `#[dynamic(|args: &Args| expression, ..)]`, on a `DynamicSupervisor<A, Args>`: a supervisor whose children are made of
///   arguments when they are started.
/// * `#[pool(expression, size = 4, ..)]`, on a `Pool<A>`: so many workers that share out what is sent to the pool. The expression
///   gives an `A` or a `Result<A, E>`, for each life of each worker, and may be a closure that is given the number of its slot.
/// * `#[supervisor]`, on a struct that is itself `#[supervisor]`: an inner tree. `args(..)` has what it is started with, and is
///   evaluated for each life of it.
///
/// After the expression come options: `permanent` (the default), `transient` or `temporary`; `shutdown = "5s"` (the default
/// of actors), `infinity` (that of inner trees) or `brutal_kill`; `significant`; `backoff`; `name` (on an array
/// a closure that is given the index); `restore = policy`, of an actor of which [snapshots](../actor_core/snapshot/index.html) are
/// taken: each life goes on from the last one (on an array likewise a closure). Of a dynamic supervisor the first two are its
/// children's, and `intensity`, `period`, `backoff` and `name` its own; it is permanent, and waited for. A pool has a dynamic
/// supervisor, with the same options, and besides `balance = round_robin` (the default), `least_loaded`, `two_choices` or
/// `random`, and `drain = "5s"`: see `Balance`, and `PoolBuilder::drain`. The `size` is evaluated when the tree is first started;
/// after `resize` it is what that said, in all later lives too.
///
/// Durations are text, with one of the units us, ms, s, m and h, or constant expressions of type `Duration`.
///
/// # What it gets
/// * `Bank::start(&sys, ..)`, with its parameters, starts it.
/// * `Bank::spec(id, ..)` is it as a child of a supervisor that was built at run time.
/// * It derefs to its `Supervisor`, so that `bank.stop()`, `bank.join()`, `bank.which_children()` and the rest are there.
/// * `bank.refresh()`: see below.
///
/// # Its addresses
/// are those that its children had when it was started, and stay valid while its supervisor restarts them. When an *inner*
/// tree or dynamic supervisor gives up and is itself started again, that one's handle stays valid, but its children are new
/// actors. `refresh` takes their addresses over. A `Pool` needs none: whichever of these is started again, it leads to the workers
/// that there are, and to nobody meanwhile.
#[proc_macro_attribute]
pub fn supervisor(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    supervisor::expand(args.into(), item.into()).into()
}

fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(Item::Struct(item)) => definition::expand(args, Definition::Struct(item)),
        Ok(Item::Enum(item)) => definition::expand(args, Definition::Enum(item)),
        Ok(Item::Impl(block)) => expand_impl(args, block),
        Ok(other) => with_error(
            &item,
            &syn::Error::new_spanned(
                other,
                "`#[actor]` goes on a struct or enum, and on the `impl` block with its messages",
            ),
        ),
        // Half-written: the compiler's own message for the item follows.
        Err(error) => with_error(&item, &error),
    }
}

fn expand_impl(args: TokenStream, mut block: ItemImpl) -> TokenStream {
    let mut errors = Errors::default();
    let args = args::of_impl(args, &mut errors);
    let generated =
        validate::actor(&mut block, args, &mut errors).map(|model| expand::actor(&model));
    let errors = errors.into_tokens();
    quote!(#block #generated #errors)
}

fn expand_protocol(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut block: ItemTrait = match syn::parse2(item.clone()) {
        Ok(Item::Trait(block)) => block,
        Ok(other) => {
            let error = "`#[protocol]` goes on a trait, whose methods are the messages";
            return with_error(&item, &syn::Error::new_spanned(other, error));
        }
        // Half-written: the compiler's own message for the item follows.
        Err(error) => return with_error(&item, &error),
    };
    let mut errors = Errors::default();
    if !args.is_empty() {
        errors.at(
            &args,
            "`#[protocol]` takes no arguments: options belong to the actors",
        );
    }
    let generated =
        validate::protocol(&mut block, &mut errors).map(|model| expand::protocol(&model));
    let errors = errors.into_tokens();
    quote!(#block #generated #errors)
}

fn with_error(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}

//! The attribute macros of `actor-core`, which re-exports them: depend on that crate and not on this one.
//!
//! [`macro@actor`] works in stages, each in a module of its own. *Parse* (`args`, and `syn` for the rest) takes what is
//! written apart. *Validate* turns it into the *model*, which can only hold what can be expanded, and collects every error
//! on the way, each at the user's token and with the rewrite. *Expand* turns the model into code. The user's own item
//! always comes out again, errors or not, and so does whatever could be generated in spite of them: an editor goes on
//! completing in a program that is half-written.
//!
//! [`macro@preemptible`] is smaller, and has its stages in one module.

mod args;
mod definition;
mod diagnostics;
mod expand;
mod migratable;
mod model;
mod preemptible;
mod select;
mod types;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemImpl};

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
/// * `stack = 131072`: the size of its stack, in bytes.
/// * `name = "account"`: the name in events and in the inspector; without it, that of the type.
///
/// Values are constant expressions, and checked when the program is compiled.
///
/// # On an `impl` block
/// Each `pub` method with a receiver is a message; `pub(crate)` and the like make a message that is sent from there
/// only. Other methods, and functions without a receiver, are left alone. For a type `Account` the block gets
///
/// * `AccountMsg`, an enum with a variant for each message (`Deposit { n: i64 }`), which is plain data and can be sent
///   by `addr.send(..)`;
/// * `AccountTell`, `AccountTryTell`, `AccountAsk` and `AccountRequest`, with a method for each message, behind
///   `addr.tell()`, `addr.try_tell()`, `addr.ask()` and `addr.request()`. `addr.ask().within(limit)` sets a deadline.
///
/// A parameter `&mut Cx<Self>`, anywhere after the receiver, is supplied by the runtime. All others travel, and are
/// therefore owned, `Send` and named. If a method returns a type called `Result`, its `Err` reaches the asker as
/// `AskError::Handler`, beside what else can go wrong with an ask. Any message can be told or asked: a tell drops what
/// the method returns, and an ask of a method that returns nothing waits until it is handled. The first paragraph of a
/// method's documentation, its `#[cfg]`s, `#[deprecated]` and visibility carry over to what is generated from it.
///
/// A private method marked `#[on_start]` is called before the first message. It takes nothing or `&mut Cx<Self>`, and
/// returns nothing or `Result<(), E>` to refuse. One marked `#[on_stop]` is called after the last message, and takes any
/// of `&mut Cx<Self>` and `&ExitReason`.
///
/// The block may be generic, if what it is generic over is `Send + 'static`. An actor has one such block; methods in
/// others are not messages.
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
/// let image: Vec<u8> = migratable::freeze(&(search, found))?;
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
/// | `microthread::sleep(duration)`, `microthread::yield_now()` | also without `microthread::` |
/// | `other(..).call()` | a call of another migratable function, or of the same |
///
/// They may stand anywhere in an expression, in branches and loops of any kind, behind `?` and `&&`, among the arguments of
/// `println!` and its like. Anything else that blocks, a wait in a closure among it, blocks as it does elsewhere, and cannot be
/// frozen meanwhile.
///
/// # What is kept
/// The parameters, and the variables that are needed after a wait. They are owned, `Send`, and implement serde's `Serialize` and
/// `Deserialize`; the sides of a channel do within an image. A `for` goes over ranges and the collections of `std` in a form that
/// can be kept, also with `enumerate`, `rev`, `step_by`, `take` and `skip`; the entries of a map are collected when it begins.
/// A borrow ends before a wait, and is taken again behind it. A variable is dropped at the first wait after its last use,
/// a parameter that nothing takes by value at the end of the call.
///
/// # Changes
/// An image says of which body it is, and is refused by any other ([`ThawError`](../actor_core/migratable/enum.ThawError.html)).
/// Comments and layout do not count. Neither do the functions that it calls and the types it uses: where a change of those
/// matters, give the function a new `#[migratable(version = n)]`. To continue old images, keep the old function under its old name
/// and start the new one under another.
///
/// # Limits
/// It goes on a free function, which may be generic over types. Match guards, `unsafe` blocks and other macros cannot wait: bind
/// what they wait for first. Loops without a wait are left alone, and nothing is frozen while they run.
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

fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(Item::Struct(item)) => definition::expand(args, &item, &item.ident, &item.generics),
        Ok(Item::Enum(item)) => definition::expand(args, &item, &item.ident, &item.generics),
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

fn with_error(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}

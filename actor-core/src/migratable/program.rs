//! A state machine, as the macro makes it: two closures that capture nothing, and a state whose type they fix.

use std::marker::PhantomData;
use std::task::Poll;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rt::cx::Cx;

/// What may be kept across a wait: what can be frozen.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept across a wait of a migratable function",
    label = "this is still needed after a wait, and `{Self}` cannot be frozen",
    note = "what is kept across a wait is owned, `Send`, and implements serde's `Serialize` and `Deserialize`",
    note = "a borrow: let it end before the wait and borrow again after it, or keep an index or a clone",
    note = "an iterator: loop over the collection itself, `for x in collection`, which is kept in a form of its own",
    note = "a lock's guard, a file, a socket: use it in a block of its own, `{{ .. }}`, that ends before the wait"
)]
pub trait Keep: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Keep for T {}

/// Names the bound where it is not met.
#[inline(always)]
pub fn keep<T: Keep>(value: T) -> T {
    value
}

/// A state machine. It is a value without a size: what it is, is in its type.
pub trait Program: Copy + Send + Sync + 'static {
    /// What it starts from.
    type Args: Send + 'static;
    /// Where it has got to.
    type State: Serialize + DeserializeOwned + Send + 'static;
    /// What it ends with.
    type Output: Send + 'static;

    /// The state before the first statement.
    fn start(self, args: Self::Args) -> Self::State;

    /// Goes on as far as it can without waiting. After `Ready`, and after a panic, the state is spent.
    fn resume(self, state: &mut Self::State, cx: &mut Cx<'_>) -> Poll<Self::Output>;
}

struct Closures<A, S, O, F, G> {
    start: F,
    resume: G,
    types: PhantomData<fn(A, S) -> O>,
}

impl<A, S, O, F: Copy, G: Copy> Clone for Closures<A, S, O, F, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, S, O, F: Copy, G: Copy> Copy for Closures<A, S, O, F, G> {}

impl<A, S, O, F, G> Program for Closures<A, S, O, F, G>
where
    A: Send + 'static,
    S: Serialize + DeserializeOwned + Send + 'static,
    O: Send + 'static,
    F: Fn(A) -> S + Copy + Send + Sync + 'static,
    G: Fn(&mut S, &mut Cx<'_>) -> Poll<O> + Copy + Send + Sync + 'static,
{
    type Args = A;
    type State = S;
    type Output = O;

    #[inline]
    fn start(self, args: A) -> S {
        (self.start)(args)
    }

    #[inline]
    fn resume(self, state: &mut S, cx: &mut Cx<'_>) -> Poll<O> {
        (self.resume)(state, cx)
    }
}

/// The program that two closures are.
pub fn program<A, S, O, F, G>(start: F, resume: G) -> impl Program<Args = A, State = S, Output = O>
where
    A: Send + 'static,
    S: Serialize + DeserializeOwned + Send + 'static,
    O: Send + 'static,
    F: Fn(A) -> S + Copy + Send + Sync + 'static,
    G: Fn(&mut S, &mut Cx<'_>) -> Poll<O> + Copy + Send + Sync + 'static,
{
    Closures {
        start,
        resume,
        types: PhantomData,
    }
}

/// In place of a function that does not compile, so that its callers do.
pub fn broken<A: Send + 'static, O: Send + 'static>() -> impl Program<Args = A, Output = O> {
    program(|_: A| (), |(): &mut (), _: &mut Cx<'_>| unreachable!())
}

/// A state was resumed that is spent.
#[cold]
pub fn resumed_after_end() -> ! {
    panic!("a migratable function was resumed after its end")
}

//! Messages and answers as values: any message asked, whatever it is, and its answer in one type.

use std::time::Duration;

use super::addr::Addr;
use super::carried::{Asker, Expected};
use super::error::AskError;
use super::traits::Actor;

/// An actor whose answers have one type, as those of an actor with message methods do: `#[actor]` writes the enum, and this.
///
/// A view knows at each call which message it sends. Code that does not, because the message came from a file, a socket or a
/// queue, asks with [`Addr::call`]:
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
///     pub fn add(&mut self, by: u64) {
///         self.n += by;
///     }
///     pub fn get(&self) -> u64 {
///         self.n
///     }
/// }
///
/// let sys = System::new()?;
/// let counter = sys.spawn(Counter { n: 0 })?;
/// let recorded = r#"[{"Add":{"by":2}},{"Add":{"by":3}},"Get"]"#;
/// let mut answers = Vec::new();
/// for message in serde_json::from_str::<Vec<CounterMsg>>(recorded)? {
///     answers.push(counter.call(message)?);
/// }
/// assert!(matches!(answers[..], [CounterReply::Add, CounterReply::Add, CounterReply::Get(5)]));
/// assert_eq!(serde_json::to_string(&answers)?, r#"["Add","Add",{"Get":5}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A handler's `Result` is in the answer as it is (`CounterReply::Take(Err(..))`): it *was* answered.
pub trait Replies: Actor {
    /// The answers: a variant for each message, called as that of the message enum, with what the method returns.
    type Reply;

    /// What [`Addr::call`] does.
    ///
    /// # Errors
    /// As an ask.
    fn call(
        addr: &Addr<Self>,
        msg: Self::Msg,
        within: Option<Duration>,
    ) -> Result<Self::Reply, AskError<Self::Msg>>;

    #[doc(hidden)]
    fn __expect(msg: &Self::Msg) -> Expected<Self::Reply>;

    #[doc(hidden)]
    fn __answer(reply: Self::Reply, to: Asker);
}

impl<A: Replies> Addr<A> {
    /// Sends any message of the actor's and waits for the answer, which comes as a value of the actor's reply enum. Waits as
    /// [`ask`](Self::ask) does.
    ///
    /// # Errors
    /// As an ask; but an `Err` that the handler returns is an answer, and in the reply.
    pub fn call(&self, msg: A::Msg) -> Result<A::Reply, AskError<A::Msg>> {
        A::call(self, msg, None)
    }

    /// As [`call`](Self::call), for at most `timeout`.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`AskError::Timeout`].
    pub fn call_timeout(
        &self,
        msg: A::Msg,
        timeout: Duration,
    ) -> Result<A::Reply, AskError<A::Msg>> {
        A::call(self, msg, Some(timeout))
    }
}

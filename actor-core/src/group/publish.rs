//! One message to all.

use std::error::Error;
use std::fmt;

use super::Group;
use crate::actor::{Actor, Addr, TellError};

/// How a message that was told to several actors fared.
#[must_use = "it says who did not take the message"]
pub struct Published<A: Actor> {
    /// How many mailboxes took it.
    pub delivered: usize,
    /// Who did not, in order.
    pub missed: Vec<Missed<A>>,
}

/// An actor that did not take a message.
#[non_exhaustive]
pub struct Missed<A: Actor> {
    /// Who.
    pub member: Addr<A>,
    /// Why: its mailbox was full, or it had ended. Its message is in there.
    pub error: TellError<A::Msg>,
}

/// Nobody took a message that was told to several actors. It is in here.
#[non_exhaustive]
pub struct PublishError<A: Actor> {
    /// The message.
    pub message: A::Msg,
    /// Who did not take it. Empty if there was nobody.
    pub missed: Vec<Missed<A>>,
}

impl<A: Actor> Published<A> {
    /// Tells each of `members` what `make` makes for it, without waiting.
    pub(crate) fn to(members: &[Addr<A>], mut make: impl FnMut(&Addr<A>) -> A::Msg) -> Self {
        let mut published = Self {
            delivered: 0,
            missed: Vec::new(),
        };
        for member in members {
            published.tell(member, make(member));
        }
        published
    }

    fn tell(&mut self, member: &Addr<A>, message: A::Msg) {
        match member.try_send(message) {
            Ok(()) => self.delivered += 1,
            Err(error) => self.missed.push(Missed {
                member: member.clone(),
                error,
            }),
        }
    }

    /// Tells each of `members` a clone of `message`, without waiting. The last gets the original, unless nobody else took it.
    pub(crate) fn clones(members: &[Addr<A>], message: A::Msg) -> Result<Self, PublishError<A>>
    where
        A::Msg: Clone,
    {
        let Some((last, others)) = members.split_last() else {
            return Err(PublishError {
                message,
                missed: Vec::new(),
            });
        };
        let mut published = Self::to(others, |_| message.clone());
        if published.delivered > 0 {
            published.tell(last, message);
            return Ok(published);
        }
        published.tell(last, message.clone());
        match published.delivered {
            0 => Err(PublishError {
                message,
                missed: published.missed,
            }),
            _ => Ok(published),
        }
    }
}

impl<A: Actor> Group<A> {
    /// Tells all members a message, in the order in which they joined. Does not wait: a member whose mailbox is full misses
    /// it. (To wait for room, `tell` each of the [`members`](Self::members).)
    ///
    /// Who joins while this goes on does not get it. Two publishes by one caller reach each member in order; those of
    /// different callers may reach different members in different order.
    ///
    /// # Errors
    /// [`PublishError`], with the message, if nobody took it.
    ///
    /// ```
    /// use actor_core::{Actor, ActorOptions, Cx, NoMethods, Reply, System};
    ///
    /// struct Log(u64);
    /// impl ActorOptions for Log {}
    /// impl Actor for Log {
    ///     type Msg = String;
    ///     type Tell<'a> = NoMethods;
    ///     type TryTell<'a> = NoMethods;
    ///     type Ask<'a> = NoMethods;
    ///     type Request<'a> = NoMethods;
    ///     fn handle(&mut self, line: String, _: Reply<'_>, _: &mut Cx<Self>) {
    ///         self.0 += line.len() as u64;
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let logs = sys.group::<Log>("logs");
    /// let error = logs.publish("lost".to_owned()).unwrap_err();
    /// assert_eq!(error.message, "lost");
    /// logs.join(&sys.spawn(Log(0))?)?;
    /// assert_eq!(logs.publish("kept".to_owned())?.delivered, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, message: A::Msg) -> Result<Published<A>, PublishError<A>>
    where
        A::Msg: Clone,
    {
        Published::clones(&self.members(), message)
    }

    /// As [`publish`](Self::publish), with a message made for each member: one that cannot be cloned, or is not the same for
    /// all.
    pub fn publish_with(&self, make: impl FnMut(&Addr<A>) -> A::Msg) -> Published<A> {
        Published::to(&self.members(), make)
    }
}

impl<A: Actor> fmt::Debug for Published<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("delivered", &self.delivered)
            .field("missed", &self.missed)
            .finish()
    }
}

impl<A: Actor> fmt::Debug for Missed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Missed")
            .field("member", &self.member)
            .field("error", &self.error)
            .finish()
    }
}

impl<A: Actor> fmt::Debug for PublishError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishError")
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl<A: Actor> fmt::Display for PublishError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missed.len() {
            0 => f.write_str("nobody is there to take the message"),
            n => write!(f, "none of {n} took the message"),
        }
    }
}

impl<A: Actor> Error for PublishError<A> {}

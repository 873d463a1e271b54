//! An answer that is given later: the port for it, as a value of its own.
//!
//! # Terms
//! A *debt* is an ask whose port a handler has taken out of the call ([`Reply::delegate`]). Its [`ReplyTo`] can go anywhere:
//! into the actor's state, to another microthread, to another thread. The *debtor* is the life of the actor that took it.
//!
//! # Who answers
//! The port is under the lock of the debt; whoever takes it out of there answers, once:
//! - the `ReplyTo`: by `send`, by `forward` (which puts it into another envelope; a failed one puts it back), or, dropped,
//!   by a failure;
//! - the debtor, if it loses its stack: its state is leaked and what lies in it is never dropped, so it fails every debt
//!   it has, wherever the `ReplyTo` is. For that alone it keeps a list of them (`Debts`), from which those that are
//!   settled are swept out now and then.
//!
//! # Why an asker waits no longer than it must
//! 1. *The debtor ends* (stop, panic, kill, restart, shutdown). Before its hooks and destructors run each debt is told why.
//!    A `ReplyTo` in its state is dropped with the state, and fails the ask with that reason; one that is elsewhere can
//!    still answer.
//! 2. *A handler unwinds* with a `ReplyTo` among its variables. Its destructor does not know why, but the activation will: so
//!    it leaves the port in the note of the stack, as the `Reply` of a handler does. If the note is taken (a second one in
//!    the same unwinding), the ask fails without a reason. The same if the debt is not of the actor that unwinds.
//! 3. *The stack is abandoned.* The note is the port's up to the moment it is in the debt, which is in the list by then; so
//!    exactly one of the two leads to it.
//!
//! What is not covered: a `ReplyTo` that is leaked elsewhere, by `mem::forget` or with the stack of a *microthread* or of
//! *another* actor that is abandoned. Its asker waits for its deadline, if it has one.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rt::header::Header;
use crate::rt::park::{self, Parker};

use super::answer::Reply;
use super::cx::Cx;
use super::error::NoAsker;
use super::reply::{Failure, Port};
use super::traits::Actor;

/// Where the answer to a message goes, as a value: it can be kept in the actor's state, moved to another microthread or
/// thread, and answered at any time.
///
/// A message method that has a parameter of this type answers by it, and returns nothing. Askers see no difference: the
/// message is asked with an answer of type `T`, and if that is a `Result` it arrives flattened.
///
/// ```
/// use actor_core::prelude::*;
///
/// /// Opens when told to; who waits for that holds up nobody.
/// #[actor]
/// #[derive(Default)]
/// struct Gate {
///     waiting: Vec<ReplyTo<u64>>,
/// }
///
/// #[actor]
/// impl Gate {
///     pub fn wait(&mut self, reply: ReplyTo<u64>) {
///         self.waiting.push(reply);
///     }
///     pub fn open(&mut self) {
///         for (n, reply) in self.waiting.drain(..).enumerate() {
///             let _ = reply.send(n as u64); // an asker that has given up needs no answer
///         }
///     }
/// }
///
/// let sys = System::new()?;
/// let gate = sys.spawn(Gate::default())?;
/// let (first, second) = (gate.request().wait(), gate.request().wait());
/// gate.tell().open()?;
/// assert_eq!((first.wait()?, second.wait()?), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Without an answer
/// Dropped, it fails the ask, with [`AskError::NoReply`](crate::AskError::NoReply). So does the end of the actor that holds
/// it in its state, whatever that end is, with the reason; in another's hands it stays good. If the actor that *took* the
/// message loses its stack (see [`OnOverflow`](crate::OnOverflow)), the ask fails wherever this is by then.
///
/// Leaked (`mem::forget`, or with the abandoned stack of somebody else) it leaves the asker waiting up to its deadline.
///
/// If the message was only told there is nobody to answer, and all of this does nothing.
#[must_use = "dropped without an answer it fails the ask"]
pub struct ReplyTo<T> {
    /// `None`: nobody asked.
    debt: Option<Arc<Debt>>,
    answer: PhantomData<fn(T)>,
}

/// An ask with its port.
pub(super) struct Debt {
    /// The actor that took the message. To be compared, while `ended` says that it still lives.
    debtor: *const Header,
    held: Mutex<Held>,
}

struct Held {
    port: Port,
    /// Why the debtor's life is over, once it is.
    ended: Option<Failure>,
    /// The debtor was lost with its stack.
    lost: bool,
}

// SAFETY: `debtor` is only ever compared; the rest is behind a lock and may be moved between threads.
unsafe impl Send for Debt {}
// SAFETY: as above.
unsafe impl Sync for Debt {}

impl Reply<'_> {
    /// Takes the port out of the call, to be answered later, perhaps by somebody else. `cx` is the context of that call.
    ///
    /// This is what `#[actor]` does for a method with a parameter of type [`ReplyTo`].
    pub fn delegate<T: Send + 'static, A: Actor>(self, cx: &Cx<A>) -> ReplyTo<T> {
        // From here on is no call that needs much.
        park::check_stack();
        let debt = self.is_asked().then(|| {
            let debt = Arc::new(Debt {
                debtor: cx.header(),
                held: Mutex::new(Held {
                    port: Port::none(),
                    ended: None,
                    lost: false,
                }),
            });
            cx.extra().rare().debts.add(&debt);
            let port = self.leave();
            port.leave_owner();
            debt.lock().port = port;
            debt
        });
        ReplyTo {
            debt,
            answer: PhantomData,
        }
    }
}

impl<T: Send + 'static> ReplyTo<T> {
    /// Answers.
    ///
    /// # Errors
    /// [`NoAsker`], with the value: the message was only told, the asker has given up, or the actor that took the message
    /// was lost with its stack. Or the asker expects an answer of another type, which a message sent by hand can bring about;
    /// its ask fails then.
    pub fn send(mut self, value: T) -> Result<(), NoAsker<T>> {
        match self.take_port() {
            Some(port) => port.send(value).map_err(NoAsker),
            None => Err(NoAsker(value)),
        }
    }
}

impl<T> ReplyTo<T> {
    /// Whether somebody asked, and not only told.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.debt.is_some()
    }

    /// Whether nobody waits for the answer any more: the asker has given up, or has been told that there will be none. A
    /// snapshot, worth a look before a long computation. `false` if nobody ever asked.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.debt.as_ref().is_some_and(|debt| {
            let held = debt.lock();
            !held.port.is_some() || held.port.is_abandoned()
        })
    }

    /// The port, which is the caller's from here on. `None`: it has been failed.
    pub(super) fn take_port(&mut self) -> Option<Port> {
        let port = self.debt.take()?.lock().take_port();
        port.is_some().then_some(port)
    }

    /// Lends the port to `pass_on`, which gives it back if it could not.
    pub(super) fn pass_on<E>(
        self,
        pass_on: impl FnOnce(Port) -> Result<(), (Port, E)>,
    ) -> Result<(), (Self, E)> {
        let port = self.debt.as_ref().map(|debt| debt.lock().take_port());
        let (port, error) = match pass_on(port.unwrap_or(Port::none())) {
            Ok(()) => return Ok(()),
            Err(back) => back,
        };
        if let Some(debt) = &self.debt {
            let mut held = debt.lock();
            if !held.lost {
                held.port = port;
            } else if let Some(why) = held.ended.clone() {
                drop(held);
                port.fail(why);
            }
        }
        Err((self, error))
    }
}

impl<T> Drop for ReplyTo<T> {
    fn drop(&mut self) {
        let Some(debt) = self.debt.take() else { return };
        let mut held = debt.lock();
        let port = held.take_port();
        let ended = held.ended.clone();
        drop(held);
        if !port.is_some() {
            return;
        }
        if ended.is_none() && std::thread::panicking() {
            return debt.leave_to_activation(port);
        }
        port.fail(ended.unwrap_or(Failure::Dropped));
    }
}

impl<T> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyTo")
            .field("asked", &self.is_asked())
            .finish_non_exhaustive()
    }
}

impl Debt {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handler that dropped the `ReplyTo` is ending its actor; the activation will know why. See the module, 2.
    fn leave_to_activation(&self, port: Port) {
        let note = park::on_stack()
            .filter(|stack| {
                let runs = stack.task().map(std::ptr::from_ref);
                runs.is_some_and(|task| std::ptr::eq(task, self.debtor))
            })
            .map(|stack: &'static Parker| &stack.local().reply)
            .filter(|note| note.get().is_null());
        match note {
            Some(note) => {
                note.set(port.as_raw());
                mem::forget(port);
            }
            None => {
                port.fail(Failure::Dropped);
            }
        }
    }
}

impl Held {
    fn take_port(&mut self) -> Port {
        mem::replace(&mut self.port, Port::none())
    }
}

/// What one life of an actor owes.
#[derive(Default)]
pub(super) struct Debts {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    debts: Vec<Arc<Debt>>,
    /// Swept when there are so many.
    sweep_at: usize,
}

impl Debts {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, debt: &Arc<Debt>) {
        /// Not worth a sweep.
        const FEW: usize = 8;
        let mut list = self.lock();
        if list.debts.len() >= list.sweep_at.max(FEW) {
            // Nobody has it but the list: it is settled.
            list.debts.retain(|debt| Arc::strong_count(debt) > 1);
            list.sweep_at = 2 * list.debts.len();
        }
        list.debts.push(debt.clone());
    }

    /// The life is over, for the reason given. Each debt is settled when its [`ReplyTo`] goes.
    pub(super) fn life_ends(&self, why: &Failure) {
        for debt in mem::take(&mut *self.lock()).debts {
            debt.lock().ended = Some(why.clone());
        }
    }

    /// The life is lost with its stack. All debts are settled.
    pub(super) fn life_is_lost(&self, why: &Failure) {
        for debt in mem::take(&mut *self.lock()).debts {
            let mut held = debt.lock();
            (held.ended, held.lost) = (Some(why.clone()), true);
            let port = held.take_port();
            drop(held);
            port.fail(why.clone());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn settled_debts_do_not_pile_up() {
        let debts = Debts::default();
        let debt = || {
            Arc::new(Debt {
                debtor: std::ptr::null(),
                held: Mutex::new(Held {
                    port: Port::none(),
                    ended: None,
                    lost: false,
                }),
            })
        };
        let open: Vec<_> = (0..10).map(|_| debt()).collect();
        for debt in &open {
            debts.add(debt);
        }
        for _ in 0..1_000 {
            debts.add(&debt());
        }
        let list = debts.lock();
        assert!(list.debts.len() <= 3 * open.len(), "{}", list.debts.len());
        let kept = |debt: &Arc<Debt>| list.debts.iter().any(|it| Arc::ptr_eq(it, debt));
        assert!(open.iter().all(kept));
    }
}

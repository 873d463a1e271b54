//! Probes: actors that a test looks through.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::actor::{
    Actor, ActorOptions, Addr, Cx, ExitReason, NoMethods, Options, Reply, SpawnError,
};
use crate::rt::park::{self, Parker};
use crate::rt::wait;
use crate::system::System;

/// How long an expectation waits, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(3);

/// An actor that keeps what it is sent for the test to see, and a test's eye on other actors.
///
/// Messages of type `M` go to its [address](Self::addr), or through a [`sender`](Self::sender) where a function is asked for.
/// Expectations wait by the clock of the scheduler the test runs under: in a seeded run they take no time. Under the ordinary
/// scheduler, and on threads, a probe works as well.
///
/// ```
/// use actor_core::testing::{self, Probe};
/// use std::time::Duration;
///
/// testing::check(|sys| {
///     let probe = Probe::<u32>::new(sys).unwrap();
///     let send = probe.sender();
///     sys.spawn_microthread(move || send(7)).unwrap();
///     assert_eq!(probe.expect_msg(), 7);
///     probe.expect_no_msg(Duration::from_secs(60));
/// });
/// ```
pub struct Probe<M: Send + 'static> {
    addr: Addr<ProbeActor<M>>,
    seen: Arc<Seen<M>>,
}

impl<M: Send> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("addr", &self.addr).finish()
    }
}

struct Seen<M> {
    state: Mutex<(VecDeque<M>, Option<&'static Parker>)>,
}

impl<M> Seen<M> {
    fn state(&self) -> MutexGuard<'_, (VecDeque<M>, Option<&'static Parker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The actor behind a [`Probe`].
pub struct ProbeActor<M: Send + 'static> {
    seen: Arc<Seen<M>>,
}

impl<M: Send> fmt::Debug for ProbeActor<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeActor").finish_non_exhaustive()
    }
}

#[diagnostic::do_not_recommend]
impl<M: Send + 'static> ActorOptions for ProbeActor<M> {
    const OPTIONS: Options = Options::new().name("Probe");
}

impl<M: Send + 'static> Actor for ProbeActor<M> {
    type Msg = M;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, msg: M, _: Reply<'_>, _: &mut Cx<Self>) {
        let waiting = {
            let mut state = self.seen.state();
            state.0.push_back(msg);
            state.1.take()
        };
        if let Some(waiting) = waiting {
            waiting.unpark();
        }
    }
}

impl<M: Send + 'static> Probe<M> {
    /// A probe in `sys`.
    ///
    /// # Errors
    /// [`SpawnError`] while the system ends.
    pub fn new(sys: &System) -> Result<Self, SpawnError> {
        let seen = Arc::new(Seen {
            state: Mutex::new((VecDeque::new(), None)),
        });
        let addr = sys.spawn(ProbeActor { seen: seen.clone() })?;
        Ok(Probe { addr, seen })
    }

    /// Where to send what the test is to see: `addr.send(message)`.
    pub fn addr(&self) -> &Addr<ProbeActor<M>> {
        &self.addr
    }

    /// A function that sends to the probe. After the probe has ended, what it is given is dropped.
    pub fn sender(&self) -> impl Fn(M) + Clone + Send + Sync + 'static {
        let addr = self.addr.clone();
        move |msg| drop(addr.send(msg))
    }

    /// The oldest message not looked at yet, if there is one.
    pub fn try_msg(&self) -> Option<M> {
        self.seen.state().0.pop_front()
    }

    /// The oldest message not looked at yet; waits for it for at most `timeout`.
    pub fn next_msg(&self, timeout: Duration) -> Option<M> {
        /// Whoever waited is not to be woken any more, also if it was killed.
        struct Retract<'a, M>(&'a Seen<M>);
        impl<M> Drop for Retract<'_, M> {
            fn drop(&mut self) {
                self.0.state().1 = None;
            }
        }
        let deadline = wait::after(timeout);
        let _retract = Retract(&self.seen);
        loop {
            {
                let mut state = self.seen.state();
                if let Some(msg) = state.0.pop_front() {
                    return Some(msg);
                }
                state.1 = Some(park::current());
            }
            if wait::wait(deadline).is_err() {
                return self.try_msg();
            }
        }
    }

    /// The next message, which is to come within three seconds.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn expect_msg(&self) -> M {
        match self.next_msg(PATIENCE) {
            Some(msg) => msg,
            None => panic!("expected a message within {PATIENCE:?}; none came"),
        }
    }

    /// As [`expect_msg`](Self::expect_msg), which is to equal `expected`.
    ///
    /// # Panics
    /// If none comes, or another.
    #[track_caller]
    pub fn expect_eq(&self, expected: &M)
    where
        M: PartialEq + fmt::Debug,
    {
        let msg = self.expect_msg();
        assert!(msg == *expected, "expected {expected:?}, got {msg:?}");
    }

    /// No message is to come for `during`.
    ///
    /// # Panics
    /// If one comes.
    #[track_caller]
    pub fn expect_no_msg(&self, during: Duration) {
        if self.next_msg(during).is_some() {
            panic!("expected no message for {during:?}; one came");
        }
    }

    /// `actor` is to end for good within three seconds. Says why it did.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn expect_exit<A: Actor>(&self, actor: &Addr<A>) -> ExitReason {
        match actor.join_timeout(PATIENCE) {
            Some(reason) => reason,
            None => panic!("expected {actor:?} to end within {PATIENCE:?}; it has not"),
        }
    }
}

impl<M: Send> Drop for Probe<M> {
    fn drop(&mut self) {
        self.addr.stop();
    }
}

//! How an actor links itself to others, watches them, and traps exits: what [`Cx`] and [`Inbox`] offer of `ties`.
//!
//! # Links
//! A link is mutual, and there is at most one between two actors. When one of them ends, the other gets an exit signal with the
//! reason, and what it does about it is its own: see [`Signal`](crate::Signal). The link is gone then. Links are of one life:
//! a restarted actor has none but those that were made since its last end.
//!
//! # Monitors
//! A monitor is one actor's watch on another, of which the other knows nothing. There may be many between two actors. Each gives
//! one [`Signal::Down`](crate::Signal::Down), when the life it watches ends ([`Monitor`](crate::Monitor) says which that is), or
//! none, if it was taken back before.

use super::addr::Addr;
use super::any_addr::{AnyAddr, Peer};
use super::cell::Cell;
use super::cx::Cx;
use super::error::SpawnError;
use super::exit::ExitReason;
use super::inbox::Inbox;
use super::signal::{MonitorId, Signal};
use super::ties;
use super::traits::Actor;

use crate::observe::Event;
use crate::rt::park;

/// The actor that is running, as one end of a tie.
struct Me<'a, A: Actor>(&'a Cell<A>);

impl<A: Actor> Me<'_, A> {
    fn any(&self) -> AnyAddr {
        park::check_stack();
        AnyAddr::of(Addr::to(self.0))
    }

    fn next_id(&self) -> u64 {
        self.0.host().next_id()
    }

    fn link(&self, other: &AnyAddr) {
        ties::link(&self.any(), other, self.next_id());
    }

    fn unlink(&self, other: &AnyAddr) {
        ties::unlink(&self.any(), other);
    }

    fn monitor(&self, other: &AnyAddr) -> MonitorId {
        let number = self.next_id();
        ties::monitor(&self.any(), other, number);
        MonitorId(number)
    }

    fn demonitor(&self, id: MonitorId) -> bool {
        ties::demonitor(&self.any(), id)
    }

    fn trap_exits(&self, trap: bool) -> bool {
        let mut state = self.0.extra_or_new().lock();
        std::mem::replace(&mut state.ties().traps, trap)
    }

    fn spawn_link<B: Actor>(&self, actor: B) -> Result<Addr<B>, SpawnError> {
        let mut linked = None;
        let spawned = Addr::spawn_tied(self.0.host(), actor, None, |addr| {
            let child = AnyAddr::from(addr);
            self.link(&child);
            linked = Some(child);
        });
        if let (Err(_), Some(child)) = (&spawned, linked) {
            self.unlink(&child); // the error says it
        }
        spawned
    }

    fn spawn_monitor<B: Actor>(&self, actor: B) -> Result<(Addr<B>, MonitorId), SpawnError> {
        let mut watched = None;
        let spawned = Addr::spawn_tied(self.0.host(), actor, None, |addr| {
            watched = Some(self.monitor(&AnyAddr::from(addr)));
        });
        match (spawned, watched) {
            (Ok(addr), Some(id)) => Ok((addr, id)),
            (Ok(_), None) => unreachable!("a spawned actor was tied"),
            (Err(error), watched) => {
                watched.map(|id| self.demonitor(id)); // the error says it
                Err(error)
            }
        }
    }
}

impl<A: Actor> Cx<A> {
    fn me(&self) -> Me<'_, A> {
        Me(self.cell())
    }

    /// Links the actor with another: when one ends, the other gets an exit signal. Linking twice is linking once, and an actor is
    /// not linked to itself.
    ///
    /// If the other is dead already, the signal comes at once, with [`ExitReason::NoProc`]. If a supervisor is about to restart
    /// it, the link is with its next life.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Session;
    ///
    /// #[actor]
    /// impl Session {
    ///     /// If either ends, so does the other.
    ///     pub fn join(&mut self, cx: &mut Cx<Self>, with: Addr<Session>) {
    ///         cx.link(&with);
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let (a, b) = (sys.spawn(Session)?, sys.spawn(Session)?);
    /// a.ask().join(b.clone())?;
    /// a.kill();
    /// assert_eq!(b.join(), ExitReason::Killed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn link(&mut self, other: impl Into<AnyAddr>) {
        self.me().link(&other.into());
    }

    /// Ends the link with another, if there is one. When this returns, no exit signal of it will come, also if one was waiting.
    pub fn unlink(&mut self, other: impl Into<AnyAddr>) {
        self.me().unlink(&other.into());
    }

    /// Watches another: when its present life ends, this actor gets a [`Signal::Down`] with what this returns. At once, with
    /// [`ExitReason::NoProc`], if it is dead already. See [`Monitor`](crate::Monitor) for what a restart means.
    pub fn monitor(&mut self, other: impl Into<AnyAddr>) -> MonitorId {
        self.me().monitor(&other.into())
    }

    /// Takes a monitor back. When this returns, no [`Signal::Down`] of it will come, also if one was waiting. Whether the other
    /// was still being watched: `false` also if its end is known already, or was about to be told.
    pub fn demonitor(&mut self, monitor: MonitorId) -> bool {
        self.me().demonitor(monitor)
    }

    /// Says whether the actor traps exits: gets exit signals as [`Signal::Exit`], instead of ending by them. Returns what it was.
    /// A life begins without.
    pub fn trap_exits(&mut self, trap: bool) -> bool {
        self.me().trap_exits(trap)
    }

    /// Starts an actor that is linked to this one from before it runs. If it has an `#[on_start]` hook, waits for that.
    ///
    /// # Errors
    /// As [`System::spawn`](crate::System::spawn). There is no exit signal then: the error is all there is.
    pub fn spawn_link<B: Actor>(&mut self, actor: B) -> Result<Addr<B>, SpawnError> {
        self.me().spawn_link(actor)
    }

    /// Starts an actor that this one watches from before it runs. If it has an `#[on_start]` hook, waits for that.
    ///
    /// # Errors
    /// As [`System::spawn`](crate::System::spawn). There is no [`Signal::Down`] then: the error is all there is.
    pub fn spawn_monitor<B: Actor>(
        &mut self,
        actor: B,
    ) -> Result<(Addr<B>, MonitorId), SpawnError> {
        self.me().spawn_monitor(actor)
    }

    /// What becomes of a signal to an actor that has no hook for it.
    pub(super) fn drop_signal(&self, signal: &Signal) {
        let events = &self.host().core.events;
        events.emit(tracing::Level::DEBUG, || Event::SignalDropped {
            who: self.cell().describe(),
            from: signal.from().map(AnyAddr::who),
            reason: signal.reason().clone(),
        });
    }
}

impl<A: Actor> Inbox<A> {
    fn me(&self) -> Me<'_, A> {
        Me(self.cell())
    }

    /// As [`Cx::link`]. An exit signal that ends the actor closes its inbox; whatever its body returns then, it ends for the
    /// signal's reason.
    pub fn link(&self, other: impl Into<AnyAddr>) {
        self.me().link(&other.into());
    }

    /// As [`Cx::unlink`].
    pub fn unlink(&self, other: impl Into<AnyAddr>) {
        self.me().unlink(&other.into());
    }

    /// As [`Cx::monitor`]. The signal is received by [`recv_any`](Self::recv_any).
    pub fn monitor(&self, other: impl Into<AnyAddr>) -> MonitorId {
        self.me().monitor(&other.into())
    }

    /// As [`Cx::demonitor`].
    pub fn demonitor(&self, monitor: MonitorId) -> bool {
        self.me().demonitor(monitor)
    }

    /// As [`Cx::trap_exits`]. The signals are received by [`recv_any`](Self::recv_any).
    pub fn trap_exits(&self, trap: bool) -> bool {
        self.me().trap_exits(trap)
    }

    /// As [`Cx::spawn_link`].
    ///
    /// # Errors
    /// As [`Cx::spawn_link`].
    pub fn spawn_link<B: Actor>(&self, actor: B) -> Result<Addr<B>, SpawnError> {
        self.me().spawn_link(actor)
    }

    /// As [`Cx::spawn_monitor`].
    ///
    /// # Errors
    /// As [`Cx::spawn_monitor`].
    pub fn spawn_monitor<B: Actor>(&self, actor: B) -> Result<(Addr<B>, MonitorId), SpawnError> {
        self.me().spawn_monitor(actor)
    }
}

impl<A: Actor> Addr<A> {
    /// Sends the actor an exit signal, as if an actor linked to it had ended for that reason: it ends for it at its next message
    /// boundary, with its `on_stop`, unless it traps exits; see [`Signal`]. [`ExitReason::Normal`] does nothing to an actor that
    /// does not trap, and [`ExitReason::Killed`] is a signal like others: what cannot be trapped is [`kill`](Self::kill).
    ///
    /// Returns at once. An actor that has ended, or is between two lives, gets nothing.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # #[actor]
    /// # struct Worker;
    /// # #[actor]
    /// # impl Worker {}
    /// let sys = System::new()?;
    /// let worker = sys.spawn(Worker)?;
    /// worker.exit(ExitReason::Normal); // ignored
    /// worker.exit(ExitReason::failed("no longer needed"));
    /// assert_eq!(worker.join(), ExitReason::failed("no longer needed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit(&self, reason: ExitReason) {
        ties::exit(self as &dyn Peer, reason);
    }
}

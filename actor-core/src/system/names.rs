//! A system's names: how actors get them, lose them and are found by them.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use super::System;
use crate::actor::{Actor, Addr, NameTaken, SpawnError, frozen};
use crate::observe::{Event, Who};
use crate::registry::{LookupError, OnConflict, RegisterError, SpawnOptions};
use crate::rt::wait;

impl System {
    /// Starts an actor under a name, by which [`lookup`](Self::lookup) finds it until it ends for good.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and [`SpawnError::NameTaken`].
    pub fn spawn_named<A: Actor>(
        &self,
        name: impl Into<Arc<str>>,
        actor: A,
    ) -> Result<Addr<A>, SpawnError> {
        Addr::spawn(&self.host, actor, Some(name.into()))
    }

    /// Starts an actor with options: a name, and what shall happen if another has it.
    ///
    /// A name that may be refused is taken before the actor starts. One that is taken by force is taken when the start hook
    /// has run: if the actor does not start, the old holder keeps it, and is left alone.
    ///
    /// # Errors
    /// As [`spawn_named`](Self::spawn_named).
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::{OnConflict, SpawnOptions};
    /// # #[actor]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn get(&self) -> u64 { self.n } }
    ///
    /// let sys = System::new()?;
    /// let old = sys.spawn_named("hits", Counter { n: 7 })?;
    /// let options = SpawnOptions::new().name("hits").on_conflict(OnConflict::StopHolder);
    /// let new = sys.spawn_with(options, Counter { n: 0 })?;
    /// assert_eq!(sys.lookup::<Counter>("hits")?, new);
    /// assert_eq!(old.join(), ExitReason::Normal);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_with<A: Actor>(
        &self,
        options: SpawnOptions,
        actor: A,
    ) -> Result<Addr<A>, SpawnError> {
        self.spawn_tied(options, actor, |_| {})
    }

    /// As [`spawn_with`](Self::spawn_with), and calls `tie` with its address before it runs.
    pub(crate) fn spawn_tied<A: Actor>(
        &self,
        options: SpawnOptions,
        actor: A,
        tie: impl FnOnce(&Addr<A>),
    ) -> Result<Addr<A>, SpawnError> {
        match (options.name, options.on_conflict) {
            (name, OnConflict::Refuse) => Addr::spawn_tied(&self.host, actor, name, tie),
            (None, _) => Addr::spawn_tied(&self.host, actor, None, tie),
            (Some(name), by_force) => {
                let addr = Addr::spawn_tied(&self.host, actor, None, tie)?;
                self.take_over(name, &addr, by_force);
                Ok(addr)
            }
        }
    }

    /// The actor of that name, or else a new one, made by `make`. Of several callers at once one makes it, and the others
    /// find it; whatever they have made is dropped.
    ///
    /// An actor that has a start hook is found while that runs; what it is sent meanwhile waits.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and [`SpawnError::NameTaken`] if an actor of another type has the name.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # #[actor]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn add(&mut self, by: u64) -> u64 { self.n += by; self.n } }
    /// let sys = System::new()?;
    /// for n in 1..=3 {
    ///     let counter = sys.lookup_or_spawn("hits", || Counter { n: 0 })?;
    ///     assert_eq!(counter.ask().add(1)?, n);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup_or_spawn<A: Actor>(
        &self,
        name: impl Into<Arc<str>>,
        mut make: impl FnMut() -> A,
    ) -> Result<Addr<A>, SpawnError> {
        let name = name.into();
        // Goes round only if the holder has ended, or come, between two looks.
        loop {
            match self.lookup(&name) {
                Ok(addr) => return Ok(addr),
                Err(LookupError::NotFound) => match self.spawn_named(name.clone(), make()) {
                    Err(SpawnError::NameTaken(_)) => {}
                    spawned => return spawned,
                },
                Err(LookupError::WrongType { .. }) => {
                    if let Some(holder) = self.host.registry.holder(&name) {
                        return Err(NameTaken::new(name, holder).into());
                    }
                }
            }
        }
    }

    /// Gives an actor a name, which it keeps until it ends for good, restarts included. It may have several; events show the
    /// first. Returns who had the name and has lost it, if the policy took it from somebody ([`Event::NameLost`]).
    ///
    /// An actor that has the name already keeps it, whatever the policy; with [`OnConflict::Refuse`] that is an error.
    ///
    /// # Errors
    /// [`RegisterError`].
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::OnConflict;
    /// # #[actor]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn get(&self) -> u64 { self.n } }
    ///
    /// let sys = System::new()?;
    /// let (blue, green) = (sys.spawn(Counter { n: 1 })?, sys.spawn(Counter { n: 2 })?);
    /// sys.register("live", &blue, OnConflict::Refuse)?;
    /// assert!(sys.register("live", &green, OnConflict::Refuse).is_err());
    /// let lost = sys.register("live", &green, OnConflict::TakeOver)?;
    /// assert_eq!(lost.map(|who| who.id), Some(blue.id()));
    /// assert_eq!(sys.lookup::<Counter>("live")?.ask().get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register<A: Actor>(
        &self,
        name: impl Into<Arc<str>>,
        addr: &Addr<A>,
        on_conflict: OnConflict,
    ) -> Result<Option<Who>, RegisterError> {
        if !addr.is_of(&self.host) {
            return Err(RegisterError::OtherSystem);
        }
        if !addr.is_alive() {
            return Err(RegisterError::Ended);
        }
        match on_conflict {
            OnConflict::Refuse => {
                self.host.registry.register(name, addr.clone())?;
                Ok(None)
            }
            by_force => Ok(self.take_over(name.into(), addr, by_force)),
        }
    }

    pub(crate) fn take_over<A: Actor>(
        &self,
        name: Arc<str>,
        addr: &Addr<A>,
        policy: OnConflict,
    ) -> Option<Who> {
        let lost = self.host.registry.take_over(name.clone(), addr.clone())?;
        let who = lost.who();
        let events = &self.host.core.events;
        events.emit(Level::DEBUG, || Event::NameLost {
            who: who.clone(),
            name,
            holder: addr.id(),
        });
        match policy {
            OnConflict::StopHolder => lost.stop(),
            OnConflict::KillHolder => lost.kill(),
            OnConflict::Refuse | OnConflict::TakeOver => {}
        }
        Some(who)
    }

    /// Takes the name away from whoever has it. The actor goes on without it. False if nobody has it.
    pub fn unregister(&self, name: &str) -> bool {
        self.host.registry.remove(name)
    }

    /// The actor of that name.
    ///
    /// # Errors
    /// [`LookupError`]: there is none, or it is of another type.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # #[actor]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn get(&self) -> u64 { self.n } }
    /// let sys = System::new()?;
    /// sys.spawn_named("hits", Counter { n: 7 })?;
    /// assert_eq!(sys.lookup::<Counter>("hits")?.ask().get()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup<A: Actor>(&self, name: &str) -> Result<Addr<A>, LookupError> {
        self.host.registry.lookup::<Addr<A>>(name)
    }

    /// As [`lookup`](Self::lookup); if nobody has the name, waits for somebody to take it, for at most `timeout`. The
    /// calling microthread (or thread) waits.
    ///
    /// # Errors
    /// [`LookupError::NotFound`] if nobody has come; at once if the name leads to another type.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # use std::time::Duration;
    /// # #[actor]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn get(&self) -> u64 { self.n } }
    /// let sys = System::new()?;
    /// let other = sys.clone();
    /// let starter = std::thread::spawn(move || other.spawn_named("hits", Counter { n: 7 }));
    /// let hits = sys.lookup_timeout::<Counter>("hits", Duration::from_secs(60))?;
    /// assert_eq!(hits.ask().get()?, 7);
    /// # starter.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup_timeout<A: Actor>(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Addr<A>, LookupError> {
        let deadline = wait::after(timeout);
        self.host.registry.lookup_until::<Addr<A>>(name, deadline)
    }

    /// Calls `f`, in which the addresses of an image are looked up among this system's names: what has been frozen with
    /// the address of a named actor goes on with whoever has that name here.
    ///
    /// ```
    /// use actor_core::migratable; // the attribute and the module
    /// use actor_core::migratable::Suspended;
    /// use actor_core::prelude::*;
    /// use std::task::{Poll, Waker};
    ///
    /// #[actor]
    /// struct Counter { n: u64 }
    ///
    /// #[actor]
    /// impl Counter {
    ///     pub fn add(&mut self, by: u64) -> u64 { self.n += by; self.n }
    /// }
    ///
    /// #[migratable]
    /// fn counts(counter: Addr<Counter>, by: u64) -> Result<u64, AskError<CounterMsg>> {
    ///     microthread::yield_now();
    ///     counter.ask().add(by)
    /// }
    ///
    /// let here = System::new()?;
    /// let mut waits = Suspended::new(counts(here.spawn_named("hits", Counter { n: 1 })?, 2));
    /// assert!(waits.resume(Waker::noop()).is_pending());
    /// let image = waits.freeze()?;
    ///
    /// let there = System::new()?; // in another process, perhaps
    /// there.spawn_named("hits", Counter { n: 40 })?;
    /// let mut waits: Suspended<counts> = there.with_names(|| migratable::thaw(&image))?;
    /// let answer = loop {
    ///     if let Poll::Ready(answer) = waits.resume(Waker::noop()) {
    ///         break answer;
    ///     }
    ///     std::thread::yield_now();
    /// };
    /// assert_eq!(answer?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_names<R>(&self, f: impl FnOnce() -> R) -> R {
        frozen::with_names(&self.host, f)
    }

    /// The names in use, sorted.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.host.registry.names()
    }
}

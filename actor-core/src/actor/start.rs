//! How actors start: made, named, tied to others, and waited for until their start hook has run; and started again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::rt::header::{HOLDS_STACK, STARTED};
use crate::rt::park::{self, Parker};
use crate::sys::asym;

use super::addr::{Addr, wait_for};
use super::boundary::Seed;
use super::cell::{Cell, DOWN};
use super::error::SpawnError;
use super::exit::ExitReason;
use super::extra::{Extra, Keeper, State};
use super::host::Host;
use super::life;
use super::traits::Actor;
use super::waits::{self, Waiter};

impl<A: Actor> Addr<A> {
    /// Starts an actor in `host`. If it has an `on_start`, waits for that.
    pub(crate) fn spawn(
        host: &Arc<Host>,
        actor: A,
        name: Option<Arc<str>>,
    ) -> Result<Self, SpawnError> {
        Self::spawn_tied(host, actor, name, |_| {})
    }

    /// As [`spawn`](Self::spawn), and calls `tie` with its address before it runs.
    pub(crate) fn spawn_tied(
        host: &Arc<Host>,
        actor: A,
        name: Option<Arc<str>>,
        tie: impl FnOnce(&Self),
    ) -> Result<Self, SpawnError> {
        park::check_stack();
        check_may_start::<A>(host)?;
        let waits = A::HAS_ON_START;
        let extra = name.is_some().then(Box::<Extra>::default);
        if let (Some(extra), Some(name)) = (&extra, &name) {
            extra.lock().name = Some(name.clone());
        }
        let addr = Self::adopt(Cell::create(host, Some(actor), extra));
        if let Some(name) = name
            && let Err(taken) = host.registry.register(name, addr.clone())
        {
            addr.never_started();
            return Err(SpawnError::NameTaken(taken));
        }
        addr.note_claim();
        addr.report_spawned();
        tie(&addr);
        let begun = || {
            // The runtime may have been stopped since `check_may_start`, and its last look at idle actors be over: see `Core::stop`.
            asym::light();
            if host.core.is_stopping() {
                host.sweep();
            }
        };
        if waits {
            addr.wait_started(|starter| {
                addr.cell().start(starter);
                begun();
            })?;
        } else {
            if A::OWN_STACK {
                addr.begin();
            }
            begun();
        }
        Ok(addr)
    }

    /// Starts an actor under all of these names, which finds `seed`. If it has an `on_start`, waits for that. `tie` is called
    /// with its address before it runs. What comes for it by its names before that waits behind what it finds.
    pub(crate) fn spawn_seeded(
        host: &Arc<Host>,
        actor: A,
        names: &[Arc<str>],
        seed: Seed<A::Msg>,
        tie: impl FnOnce(&Self),
    ) -> Result<Self, SpawnError> {
        park::check_stack();
        let addr = Self::adopt(Cell::create(host, None, Some(Box::default())));
        addr.cell().incarnation.store(0, Ordering::Relaxed);
        for name in names {
            if let Err(taken) = host.registry.register(name.clone(), addr.clone()) {
                addr.bury(ExitReason::Shutdown);
                return Err(SpawnError::NameTaken(taken));
            }
        }
        tie(&addr);
        if let Err(error) = addr.restart(actor, Some(seed)) {
            addr.bury(ExitReason::Shutdown);
            return Err(error);
        }
        // As in `spawn_tied`.
        asym::light();
        if host.core.is_stopping() {
            host.sweep();
        }
        if A::HAS_ON_START {
            addr.wait_started(|_| ())?;
        }
        Ok(addr)
    }

    /// An actor with no life yet: [`restart`](Self::restart) gives it its first. For supervisors.
    pub(crate) fn prepare(
        host: &Arc<Host>,
        name: Option<Arc<str>>,
        keeper: Arc<dyn Keeper>,
    ) -> Self {
        let extra = Box::<Extra>::default();
        {
            let mut extra = extra.lock();
            extra.name = name;
            extra.keeper = Some(keeper);
        }
        let addr = Self::adopt(Cell::create(host, None, Some(extra)));
        addr.cell().incarnation.store(0, Ordering::Relaxed);
        addr
    }

    /// Gives an actor that is down its next life, which finds `seed`, and returns which it is. For its supervisor, which alone may call this,
    /// and only between being told of the last end and the next call.
    ///
    /// # Errors
    /// The stack limit, or the runtime ends: it stays down, and the state is dropped.
    pub(crate) fn restart(&self, state: A, seed: Option<Seed<A::Msg>>) -> Result<u32, SpawnError> {
        if self.cell().life() != DOWN {
            return Err(SpawnError::ShuttingDown); // it has been discarded
        }
        check_may_start::<A>(self.cell().host())?;
        let cell = self.cell();
        let incarnation = cell.incarnation.load(Ordering::Relaxed) + 1;
        cell.incarnation.store(incarnation, Ordering::Relaxed);
        self.note_claim();
        self.report_spawned();
        self.note_restored(false);
        if let Some(seed) = seed {
            self.sow(seed);
        }
        life::restart(cell, state);
        Ok(incarnation)
    }

    /// Ends an actor that is down for good. For its supervisor, as with [`restart`](Self::restart). Does nothing if the
    /// runtime has done so already.
    pub(crate) fn bury(&self, reason: ExitReason) {
        if self.cell().life() == DOWN {
            life::bury_down(self.cell(), reason);
        }
    }

    /// Notes the claim on a stack that `check_may_start` has taken for it.
    fn note_claim(&self) {
        if A::OWN_STACK {
            self.cell().header().set(HOLDS_STACK);
        }
    }

    pub(super) fn report_spawned(&self) {
        let cell = self.cell();
        cell.host()
            .core
            .events
            .emit(tracing::Level::TRACE, || crate::Event::Spawned {
                who: cell.describe(),
            });
    }

    /// Schedules the first activation of an actor that was created scheduled.
    fn begin(&self) {
        self.cell().schedule_first();
    }

    /// Undoes the creation of an actor whose name was taken.
    fn never_started(&self) {
        let cell = self.cell();
        if A::OWN_STACK {
            cell.host().core.budget.release();
        }
        life::never_started(cell);
    }

    /// Waits until it has started. `begin`, called first with the caller's parker, sees to it that it runs, and may run it here.
    ///
    /// Most have started then, and nobody was told: STARTED says so. For those that have not, the wait is as any other, in the
    /// extra part, which is made now. Whoever announces a start sets STARTED and then looks for that part; who waits makes it and
    /// then looks at STARTED; all four are sequentially consistent, so one of them sees the other. A part that was there before
    /// is found by the announcer, and the list is under its lock.
    fn wait_started(&self, begin: impl FnOnce(&'static Parker)) -> Result<(), SpawnError> {
        let cell = self.cell();
        let header = cell.header();
        {
            let starter = park::current();
            // Until it parks the wait is its own: others see it, and see its end by STARTED.
            let on = waits::on_start(header);
            let _waiting = Waiter::at(starter).map(|waiter| waiter.waits_for(on));
            begin(starter);
        }
        if header.has(STARTED) {
            return Ok(());
        }
        let started = |state: &mut State| match state.start_failed.take() {
            Some(error) => Some(Err(SpawnError::Start(error))),
            None => header.has_in_order(STARTED).then_some(Ok(())),
        };
        match wait_for(cell, waits::on_start(header), None, started) {
            Ok(started) => started.expect("there is no deadline"),
            Err(path) => {
                self.kill();
                Err(SpawnError::Deadlock(path))
            }
        }
    }
}

/// Whether an actor of this type may start now; takes its claim on a stack if it needs one from the start.
fn check_may_start<A: Actor>(host: &Arc<Host>) -> Result<(), SpawnError> {
    if host.core.is_stopping() {
        return Err(SpawnError::ShuttingDown);
    }
    if A::OWN_STACK && !host.core.budget.try_acquire() {
        return Err(SpawnError::StackLimit {
            limit: host.core.budget.limit(),
        });
    }
    Ok(())
}

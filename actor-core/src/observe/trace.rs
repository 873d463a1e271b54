//! Events as `tracing` events. Targets, levels and field names are part of the interface: filters and dashboards are
//! written against them.

use tracing::{Level, event};

use super::{Event, Who};

/// Tells `tracing`. Never inlined: the macros take a lot of stack.
#[inline(never)]
pub(super) fn emit(about: &Event) {
    match about {
        Event::Spawned { who } => {
            let Who { id, label, name } = who;
            event!(target: "actor_core::lifecycle", Level::TRACE, id, label, name = name.as_deref(), "spawned");
        }
        Event::Exited {
            who: Who { id, label, name },
            reason,
        } => {
            let name = name.as_deref();
            if Event::exit_level(reason) == Level::DEBUG {
                event!(target: "actor_core::lifecycle", Level::DEBUG, id, label, name, %reason, "exited");
            } else {
                event!(target: "actor_core::lifecycle", Level::WARN, id, label, name, %reason, "exited");
            }
        }
        Event::NameLost {
            who: Who { id, label, .. },
            name,
            holder,
        } => {
            event!(target: "actor_core::lifecycle", Level::DEBUG, id, label, name = &**name, holder, "name lost");
        }
        Event::HandlerFailed {
            who: Who { id, label, name },
            message,
            error,
        } => {
            let name = name.as_deref();
            event!(
                target: "actor_core::lifecycle", Level::WARN,
                id, label, name, message, error = &**error, "a handler failed"
            );
        }
        Event::Restarted {
            supervisor,
            child,
            incarnation,
        } => event!(
            target: "actor_core::supervision", Level::WARN,
            supervisor = supervisor.id, child = &**child, incarnation, "restarted"
        ),
        Event::StartFailed {
            supervisor,
            child,
            incarnation,
            reason,
        } => event!(
            target: "actor_core::supervision", Level::WARN,
            supervisor = supervisor.id, child = &**child, incarnation, %reason, "start failed"
        ),
        Event::StopOverdue {
            supervisor,
            child,
            incarnation,
        } => event!(
            target: "actor_core::supervision", Level::WARN,
            supervisor = supervisor.id, child = &**child, incarnation, "stop overdue, killing"
        ),
        Event::GaveUp { supervisor, child } => event!(
            target: "actor_core::supervision", Level::ERROR,
            supervisor = supervisor.id, child = &**child, "gave up: too many restarts"
        ),
        Event::Stuck {
            who: Who { id, label, name },
            worker,
            held,
        } => {
            let (name, held_ms) = (
                name.as_deref(),
                u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
            );
            event!(target: "actor_core::scheduler", Level::WARN, id, label, name, worker, held_ms, "worker held");
        }
        Event::Overflow {
            who: Who { id, label, name },
            worker,
            stack_size,
            abandoned,
        } => {
            let name = name.as_deref();
            event!(
                target: "actor_core::scheduler", Level::ERROR,
                id, label, name, worker, stack_size, abandoned, "stack overflow"
            );
        }
        Event::NotSaved { name, error } => event!(
            target: "actor_core::lifecycle", Level::WARN,
            name = &**name, error = &**error, "not saved"
        ),
        Event::DeadLetters {
            who: Who { id, label, name },
            count,
        } => {
            let name = name.as_deref();
            event!(target: "actor_core::mailbox", Level::DEBUG, id, label, name, count, "dead letters");
        }
        Event::SignalDropped {
            who: Who { id, label, name },
            from,
            reason,
        } => {
            let (name, from) = (name.as_deref(), from.as_ref().map(|from| from.id));
            event!(target: "actor_core::lifecycle", Level::DEBUG, id, label, name, from, %reason, "signal dropped");
        }
        Event::SnapshotFailed {
            who: Who { id, label, .. },
            name,
            error,
        } => event!(
            target: "actor_core::snapshot", Level::WARN,
            id, label, name = &**name, error = &**error, "no snapshot"
        ),
        Event::SnapshotDamaged {
            name,
            damaged,
            older,
        } => event!(
            target: "actor_core::snapshot", Level::WARN,
            name = &**name, damaged = &**damaged, older, "a snapshot is damaged"
        ),
        Event::WayOpened { node } => event!(
            target: "actor_core::migrate", Level::DEBUG,
            node = &**node, "a way is open"
        ),
        Event::WayEnded { node, why } => event!(
            target: "actor_core::migrate", Level::DEBUG,
            node = &**node, why = &**why, "a way has ended"
        ),
        Event::WayFailed { peer, error } => event!(
            target: "actor_core::migrate", Level::WARN,
            peer = &**peer, error = &**error, "no way"
        ),
        Event::Lagged { missed } => {
            event!(target: "actor_core::events", Level::DEBUG, missed, "a subscription missed events");
        }
    }
}

//! Saving things where they live: the driver of what the [handover](super::super::handover) says of it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tracing::Level;

use super::super::handover::State;
use super::kind::Running;
use super::wire::{Name, Packed};
use super::{Inner, Node, SaveError, lock};
use crate::channel::{self, Receiver, RecvTimeoutError, Sender};
use crate::observe::Event;
use crate::sync::{self, MutexGuard};

/// How many things are saved at once, when all are: while one is written, others are taken.
const AT_ONCE: usize = 16;

/// What an image is compared by with the one that was saved last.
pub(super) type Digest = [u8; 32];

/// Whose turn it is with a thing.
#[derive(Default)]
pub(super) struct Saver {
    /// Whoever saves it or moves it, from the beginning to the end.
    turn: sync::Mutex<()>,
    /// Whoever writes a record of it.
    writer: sync::Mutex<()>,
    /// The save that has not begun.
    next: Mutex<Option<Arc<Round>>>,
}

/// One save, for all who wait for it.
pub(super) struct Round {
    result: OnceLock<Result<(), SaveError>>,
    /// Ends when it is over.
    over: Receiver<()>,
}

impl Round {
    fn wait(&self) -> Result<(), SaveError> {
        // Nothing is sent.
        let _ = self.over.recv();
        let result = self.result.get().cloned();
        result.unwrap_or(Err(SaveError::Interrupted))
    }
}

/// Held by whoever makes a round: dropped, it is over, however that came.
struct Maker {
    saver: Arc<Saver>,
    round: Arc<Round>,
    _over: Sender<()>,
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.begins();
    }
}

impl Maker {
    /// Who comes later needs another: step 1 has not seen what they wait for.
    fn begins(&self) {
        let mut next = lock(&self.saver.next);
        if next.as_ref().is_some_and(|it| Arc::ptr_eq(it, &self.round)) {
            *next = None;
        }
    }
}

impl Saver {
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(|it| it.into_inner())
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(|it| it.into_inner())
    }

    /// The save that has not begun; and, for the first to ask for it, the making of it.
    fn join(self: &Arc<Self>) -> (Arc<Round>, Option<Maker>) {
        let mut next = lock(&self.next);
        if let Some(round) = &*next {
            return (round.clone(), None);
        }
        let (_over, over) = channel::bounded(0);
        let result = OnceLock::new();
        let round = Arc::new(Round { result, over });
        *next = Some(round.clone());
        let maker = Maker {
            saver: self.clone(),
            round: round.clone(),
            _over,
        };
        (round, Some(maker))
    }
}

impl Node {
    /// Saves the thing of this name as it is now, and waits for that: what it has done before this was called outlives a
    /// `kill -9` once it has returned, and so does what waits for it then, but for messages that were asked. It is taken at
    /// its next message boundary, or where the function waits, and goes on while it is written. If it is just as it was
    /// saved last, nothing is written.
    ///
    /// Many who call this at once wait for two saves at most, of which the second is for all of them. A move is waited for:
    /// then this fails with [`SaveError::NotHere`] if it has gone, and what it had done went with it.
    ///
    /// Not from the thing itself, which would have to come to a boundary first. The [module](crate::migrate#what-a-crash-loses)
    /// says how to count each message once.
    ///
    /// # Errors
    /// [`SaveError`]; the thing goes on in any case, unless that says otherwise.
    pub fn save(&self, name: &str) -> Result<(), SaveError> {
        self.inner.begin_save(&name.into())?.wait()
    }
}

impl Inner {
    /// Joins a save that has not begun, or begins one, on a microthread of the node's: who waits for it may be killed.
    fn begin_save(self: &Arc<Self>, name: &Name) -> Result<Arc<Round>, SaveError> {
        if self.store.is_none() {
            return Err(SaveError::NoStore);
        }
        let known = self.things().get(name).cloned();
        let saver = match known {
            Some(thing) => super::thing::lock(&thing).saver.clone(),
            None => return Err(SaveError::NotHere),
        };
        let (round, maker) = saver.join();
        if let Some(maker) = maker {
            let (node, name) = (self.clone(), name.clone());
            let body = move || {
                let result = node.save_now(&name, &maker);
                // Nobody else sets it.
                let _ = maker.round.result.set(result);
            };
            let spawned = self.sys.spawn_microthread(body);
            drop(spawned.map_err(SaveError::Spawn)?);
        }
        Ok(round)
    }

    fn save_now(self: &Arc<Self>, name: &Name, maker: &Maker) -> Result<(), SaveError> {
        let saver = &*maker.saver;
        let _turn = saver.turn();
        maker.begins();
        let (running, epoch) = self.with_thing(name, |thing| {
            match (&thing.running, thing.party.state(), &thing.broken) {
                (Some(running), Some(State::Here { epoch, .. }), _) => {
                    Ok((running.clone(), *epoch))
                }
                (None, Some(State::Here { .. }), Some(why)) => {
                    Err(SaveError::NotResumed(why.clone()))
                }
                _ => Err(SaveError::NotHere),
            }
        })?;
        let image = Packed::from(&running.image(self, self.patience)?); // step 1
        let digest: Digest = Sha256::digest(&image.0).into();
        let is = |now: &Option<Arc<dyn Running>>| {
            // Not another of that name either, which has begun when this had ended.
            now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &running))
        };
        let step_2 = self.with_thing(name, |thing| {
            if thing.saved == Some((epoch, digest)) && is(&thing.running) {
                return Ok(None);
            }
            let record = thing.party.keeps(epoch, image);
            let record = record.filter(|_| is(&thing.running));
            thing.saved = None;
            // Free: only under the lock of the thing does anybody wait for it.
            let writer = saver.writer();
            record
                .map(|it| Some((it, writer)))
                .ok_or(SaveError::NotHere)
        })?;
        let Some((record, writer)) = step_2 else {
            return Ok(());
        };
        let saved = self.save_record(name, &record);
        drop(writer);
        saved.map_err(|error| SaveError::NotSaved(Arc::new(error)))?;
        self.with_thing(name, |thing| {
            // A record that was written since is of another epoch.
            if is(&thing.running) {
                thing.saved = Some((epoch, digest));
            }
        });
        Ok(())
    }

    /// Saves all that lives here, so often, until the node is closed.
    pub(super) fn keep_saving(self: &Arc<Self>, period: Duration) {
        while self.closed.recv_timeout(period) == Err(RecvTimeoutError::TimedOut) {
            let names = self.all_living();
            for some in names.chunks(AT_ONCE) {
                let begun: Vec<_> = some.iter().map(|it| (it, self.begin_save(it))).collect();
                for (name, round) in begun {
                    self.report(name, round.and_then(|round| round.wait()));
                }
            }
        }
    }

    fn report(&self, name: &Name, saved: Result<(), SaveError>) {
        // What is not here any more is somebody else's to save.
        if let Err(error) = saved
            && !matches!(error, SaveError::NotHere)
        {
            let events = &self.sys.host().core.events;
            events.emit(Level::WARN, || Event::NotSaved {
                name: name.clone().into(),
                error: error.to_string().into(),
            });
        }
    }
}

impl fmt::Debug for Saver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saver").finish_non_exhaustive()
    }
}

//! Oneshot, broadcast and watch against their models, as `locks` does it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actor_core::channel::{RecvError, RecvTimeoutError, TryRecvError, broadcast, oneshot, watch};
use actor_core::microthread::{self, block_on};
use fastrand::Rng;
use tests::ms;

use super::linear::Model;
use super::subject::{Log, Subject, explained};

fn if_possible<M>(possible: bool, state: M) -> Vec<M> {
    if possible { vec![state] } else { Vec::new() }
}

// ---- oneshot ---------------------------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, Eq, Hash)]
struct OneModel {
    value: Option<u32>,
    sender: bool,
    receiver: bool,
}

#[derive(Clone, Debug)]
enum One {
    /// Whether there was a receiver.
    Send(u32, bool),
    DropSender,
    /// A receive begins.
    Come,
    Got(u32),
    Disconnected,
    /// There is nothing yet.
    Nothing,
    DropReceiver,
    IsDisconnected(bool),
}

impl Model for OneModel {
    type Point = One;

    fn happen(&self, _: usize, point: &One) -> Vec<Self> {
        let mut next = self.clone();
        let possible = match point {
            One::Send(value, sent) => {
                next.value = sent.then_some(*value);
                next.sender = false;
                self.receiver == *sent
            }
            One::DropSender => {
                next.sender = false;
                true
            }
            One::Come => true,
            One::Got(value) => next.value.take() == Some(*value),
            One::Disconnected => self.value.is_none() && !self.sender,
            One::Nothing => self.value.is_none() && self.sender,
            One::DropReceiver => {
                (next.receiver, next.value) = (false, None);
                true
            }
            One::IsDisconnected(gone) => self.receiver != *gone,
        };
        if_possible(possible, next)
    }
}

struct OneShot {
    sender: Mutex<Option<oneshot::Sender<u32>>>,
    receiver: Mutex<Option<oneshot::Receiver<u32>>>,
}

/// Held for a moment only, never while others may run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OneShot {
    /// Receives with it, and puts it back if it can be used again.
    fn receive(&self, rng: &mut Rng, log: &Log<One>, mut receiver: oneshot::Receiver<u32>) {
        let stuck = vec![One::Come, One::Nothing];
        let open = log.begin(vec![One::Come, One::DropReceiver], stuck);
        let how = rng.u8(..4);
        let received = match how {
            0 => match receiver.try_recv() {
                Ok(value) => Ok(value),
                Err(TryRecvError::Empty) => Err(One::Nothing),
                Err(_) => Err(One::Disconnected),
            },
            1 => match receiver.recv_timeout(ms(rng.u64(..3))) {
                Ok(value) => Ok(value),
                Err(RecvTimeoutError::TimedOut | RecvTimeoutError::Interrupted(_)) => {
                    Err(One::Nothing)
                }
                Err(_) => Err(One::Disconnected),
            },
            _ => {
                let received = match how {
                    2 => receiver.recv(),
                    _ => block_on(receiver),
                };
                let last = match received {
                    Ok(value) => One::Got(value),
                    Err(RecvError::Interrupted(_)) => One::Nothing,
                    Err(_) => One::Disconnected,
                };
                return open.end(vec![One::Come, last, One::DropReceiver]);
            }
        };
        let last = received.map_or_else(|why| why, One::Got);
        open.end(vec![One::Come, last]);
        *lock(&self.receiver) = Some(receiver);
    }
}

impl Subject for OneShot {
    type Model = OneModel;

    fn new() -> Self {
        let (sender, receiver) = oneshot::channel();
        OneShot {
            sender: Mutex::new(Some(sender)),
            receiver: Mutex::new(Some(receiver)),
        }
    }

    fn model() -> OneModel {
        OneModel {
            value: None,
            sender: true,
            receiver: true,
        }
    }

    fn step(&self, rng: &mut Rng, log: &Log<One>) {
        if rng.u8(..3) == 0 {
            let Some(sender) = lock(&self.sender).take() else {
                return;
            };
            match rng.u8(..4) {
                0 => log.at_once(|()| One::DropSender, || drop(sender)),
                1 => {
                    let gone = |gone: &bool| One::IsDisconnected(*gone);
                    log.at_once(gone, || sender.is_disconnected());
                    *lock(&self.sender) = Some(sender);
                }
                _ => {
                    let value = rng.u32(..);
                    let sent = |sent: &Result<_, _>| One::Send(value, sent.is_ok());
                    drop(log.at_once(sent, || sender.send(value)));
                }
            }
            return;
        }
        let Some(receiver) = lock(&self.receiver).take() else {
            return;
        };
        match rng.u8(..8) {
            0 => log.at_once(|()| One::DropReceiver, || drop(receiver)),
            _ => self.receive(rng, log, receiver),
        }
    }
}

#[test]
fn a_oneshot_is_explained_by_the_model() {
    explained::<OneShot>(150);
}

// ---- broadcast -------------------------------------------------------------------------------------------------------

/// How many values are kept.
const KEPT: u64 = 2;

#[derive(Clone, PartialEq, Eq, Hash)]
struct NewsModel {
    kept: VecDeque<u32>,
    /// How many were ever sent.
    sent: u64,
    /// How many each receiver has got, or lost.
    through: [u64; 3],
}

#[derive(Clone, Debug)]
enum News {
    Send(u32),
    Come,
    Got(usize, u32),
    Lagged(usize, u64),
    /// This receiver has got everything.
    Nothing(usize),
    Ahead(usize, usize),
}

impl Model for NewsModel {
    type Point = News;

    fn happen(&self, _: usize, point: &News) -> Vec<Self> {
        let mut next = self.clone();
        let oldest = self.sent - self.kept.len() as u64;
        let possible = match point {
            News::Send(value) => {
                next.sent += 1;
                next.kept.push_back(*value);
                if next.kept.len() as u64 > KEPT {
                    next.kept.pop_front();
                }
                true
            }
            News::Come => true,
            News::Got(who, value) => {
                let through = self.through[*who];
                next.through[*who] += 1;
                let at = through.checked_sub(oldest);
                at.and_then(|at| self.kept.get(at as usize)) == Some(value)
            }
            News::Lagged(who, lost) => {
                let through = self.through[*who];
                next.through[*who] = oldest;
                *lost > 0 && through + lost == oldest
            }
            News::Nothing(who) => self.through[*who] == self.sent,
            News::Ahead(who, ahead) => self.through[*who] + *ahead as u64 == self.sent,
        };
        if_possible(possible, next)
    }
}

/// Each microthread has a receiver of its own.
struct Broadcast {
    sender: broadcast::Sender<u32>,
    receivers: [broadcast::Receiver<u32>; 3],
}

impl Subject for Broadcast {
    type Model = NewsModel;

    fn new() -> Self {
        let (sender, first) = broadcast::channel(KEPT as usize);
        let receivers = [first, sender.subscribe(), sender.subscribe()];
        Broadcast { sender, receivers }
    }

    fn model() -> NewsModel {
        NewsModel {
            kept: VecDeque::new(),
            sent: 0,
            through: [0; 3],
        }
    }

    fn step(&self, rng: &mut Rng, log: &Log<News>) {
        let (who, receiver) = (log.who, &self.receivers[log.who]);
        match rng.u8(..7) {
            0..3 => {
                let value = rng.u32(..);
                let sent = log.at_once(|_| News::Send(value), || self.sender.send(value));
                assert_eq!(sent, Ok(3));
                return;
            }
            3 => {
                let ahead = |ahead: &usize| News::Ahead(who, *ahead);
                log.at_once(ahead, || receiver.len());
                return;
            }
            _ => {}
        }
        let open = log.begin(vec![News::Come], vec![News::Come, News::Nothing(who)]);
        let received = match rng.u8(..4) {
            0 => match receiver.try_recv() {
                Ok(value) => Ok(value),
                Err(broadcast::TryRecvError::Lagged(lost)) => {
                    Err(broadcast::RecvError::Lagged(lost))
                }
                Err(_) => return open.end(vec![News::Nothing(who)]),
            },
            1 => match receiver.recv_timeout(ms(rng.u64(..3))) {
                Ok(value) => Ok(value),
                Err(broadcast::RecvTimeoutError::Lagged(lost)) => {
                    Err(broadcast::RecvError::Lagged(lost))
                }
                Err(_) => return open.end(vec![News::Come, News::Nothing(who)]),
            },
            2 => block_on(receiver.recv_async()),
            _ => receiver.recv(),
        };
        open.end(match received {
            Ok(value) => vec![News::Come, News::Got(who, value)],
            Err(broadcast::RecvError::Lagged(lost)) => vec![News::Come, News::Lagged(who, lost)],
            Err(_) => vec![News::Come, News::Nothing(who)],
        });
    }
}

#[test]
fn a_broadcast_is_explained_by_the_model() {
    explained::<Broadcast>(80);
}

// ---- watch -----------------------------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, Eq, Hash)]
struct LatestModel {
    value: u32,
    version: u64,
    /// What each receiver has seen. `None`: nothing, by its own word.
    seen: [Option<u64>; 3],
}

#[derive(Clone, Debug)]
enum Latest {
    Come,
    Replace(u32),
    /// From, to.
    Modify(u32, u32),
    Get(u32),
    GetAndSee(usize, u32),
    HasChanged(usize, bool),
    /// It has seen the latest.
    Changed(usize),
    Mark(usize),
    /// Never.
    Impossible,
}

impl Model for LatestModel {
    type Point = Latest;

    fn happen(&self, _: usize, point: &Latest) -> Vec<Self> {
        let mut next = self.clone();
        let changed = |who: usize| self.seen[who] != Some(self.version);
        let possible = match point {
            Latest::Come => true,
            Latest::Replace(value) => {
                (next.value, next.version) = (*value, self.version + 1);
                true
            }
            Latest::Modify(old, new) => {
                (next.value, next.version) = (*new, self.version + 1);
                self.value == *old
            }
            Latest::Get(value) => self.value == *value,
            Latest::GetAndSee(who, value) => {
                next.seen[*who] = Some(self.version);
                self.value == *value
            }
            Latest::HasChanged(who, has) => changed(*who) == *has,
            Latest::Changed(who) => {
                next.seen[*who] = Some(self.version);
                changed(*who)
            }
            Latest::Mark(who) => {
                next.seen[*who] = None;
                true
            }
            Latest::Impossible => false,
        };
        if_possible(possible, next)
    }
}

/// Each microthread has a receiver of its own.
struct Watch {
    sender: watch::Sender<u32>,
    receivers: [watch::Receiver<u32>; 3],
}

impl Subject for Watch {
    type Model = LatestModel;

    fn new() -> Self {
        let (sender, first) = watch::channel(0);
        let receivers = [first, sender.subscribe(), sender.subscribe()];
        Watch { sender, receivers }
    }

    fn model() -> LatestModel {
        LatestModel {
            value: 0,
            version: 0,
            seen: [Some(0); 3],
        }
    }

    fn step(&self, rng: &mut Rng, log: &Log<Latest>) {
        use Latest::{Changed, Come, HasChanged, Impossible, Modify, Replace};
        let (who, receiver) = (log.who, &self.receivers[log.who]);
        match rng.u8(..12) {
            0 | 1 => {
                // It waits for its turn, which comes.
                let value = rng.u32(..);
                let open = log.begin(vec![Come], vec![Come, Impossible]);
                self.sender.send(value).unwrap();
                open.end(vec![Come, Replace(value)]);
            }
            2 | 3 => {
                let (mut old, mut new) = (0, 0);
                let open = log.begin(vec![Come], vec![Come, Impossible]);
                self.sender.send_modify(|value| {
                    old = *value;
                    microthread::yield_now();
                    *value = old.wrapping_mul(7).wrapping_add(1);
                    new = *value;
                });
                open.end(vec![Come, Modify(old, new)]);
            }
            4 => {
                log.at_once(|value| Latest::Get(*value), || receiver.get());
            }
            5 => {
                let see = |value: &u32| Latest::GetAndSee(who, *value);
                log.at_once(see, || *receiver.borrow_and_update());
            }
            6 => {
                let changed = |has: &Result<bool, _>| HasChanged(who, *has.as_ref().unwrap());
                drop(log.at_once(changed, || receiver.has_changed()));
            }
            7 => log.at_once(|()| Latest::Mark(who), || receiver.mark_changed()),
            how => {
                let unchanged = vec![Come, HasChanged(who, false)];
                let open = log.begin(vec![Come], unchanged.clone());
                let changed = match how {
                    8 => receiver.changed_timeout(ms(rng.u64(..3))).is_ok(),
                    9 => block_on(receiver.changed_async()).is_ok(),
                    _ => receiver.changed().is_ok(),
                };
                open.end(match changed {
                    true => vec![Come, Changed(who)],
                    false => unchanged,
                });
            }
        }
    }
}

#[test]
fn a_watch_is_explained_by_the_model() {
    explained::<Watch>(100);
}

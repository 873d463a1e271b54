//! Random programs for channels: what each of three microthreads does, and who is killed or gets an error thrown in. A run of
//! one records a history.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actor_core::channel::{
    Receiver, RecvError, RecvTimeoutError, Select, SelectError, SendError, SendTimeoutError,
    Sender, TryRecvError, TrySendError,
};
use actor_core::microthread::{self, block_on};
use fastrand::Rng;
use tests::ms;

use super::linear::History;
use super::model::{Act, Acts, Call, Channels, Gone, Leave, Outcome, Point, Return, Try};
use super::{Stop, channel};

#[derive(Clone, Copy, Debug)]
pub enum How {
    Wait,
    Try,
    For(u64),
    Future,
    /// A future that is polled twice and dropped.
    Fickle,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// One of them: a plain operation if there is one.
    Do(Acts, How),
    Close(usize, bool),
    Len(usize),
    Drop(usize, bool),
    Yield,
    Sleep(u64),
}

/// What the first microthread does to the others.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    Kill(usize),
    Throw(usize),
    Yield,
    Sleep(u64),
}

#[derive(Clone, Debug)]
pub struct Program {
    pub capacities: Vec<Option<usize>>,
    pub threads: Vec<Vec<Step>>,
    pub deeds: Vec<Deed>,
}

impl Program {
    pub fn random(seed: u64, capacities: &[Option<usize>], selects: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut value = 0;
        let channels = capacities.len();
        let mut step = |rng: &mut Rng| {
            let at = rng.usize(..channels);
            let mut act = |rng: &mut Rng| {
                value += 1;
                let act = if rng.bool() {
                    Act::Send(value)
                } else {
                    Act::Recv
                };
                (rng.usize(..channels), act)
            };
            let how = match rng.u8(..10) {
                0..4 => How::Wait,
                4..6 => How::Try,
                6..8 => How::For(rng.u64(1..4)),
                8 => How::Future,
                _ => How::Fickle,
            };
            match rng.u8(..20) {
                0 => Step::Close(at, true),
                1 => Step::Close(at, false),
                2 => Step::Drop(at, rng.bool()),
                3 => Step::Len(at),
                4 => Step::Yield,
                5 => Step::Sleep(rng.u64(1..4)),
                6..13 if selects => {
                    let acts = (0..rng.usize(2..4)).map(|_| act(rng)).collect();
                    Step::Do(acts, how)
                }
                _ => Step::Do(vec![act(rng)], how),
            }
        };
        let threads = (0..3)
            .map(|_| (0..4).map(|_| step(&mut rng)).collect())
            .collect();
        let deeds = (0..rng.usize(..12))
            .map(|_| match rng.u8(..10) {
                0 | 1 => Deed::Kill(rng.usize(..3)),
                2 => Deed::Throw(rng.usize(..3)),
                3 => Deed::Sleep(rng.u64(1..4)),
                _ => Deed::Yield,
            })
            .collect();
        Program {
            capacities: capacities.to_vec(),
            threads,
            deeds,
        }
    }

    /// Runs it, as the body of a run of the seeded scheduler, and gives what was seen.
    pub fn run(&self) -> History<Point> {
        let history = History::new();
        let first = Ends {
            who: 0,
            history: history.clone(),
            channels: self
                .capacities
                .iter()
                .map(|capacity| {
                    let (tx, rx) = channel(*capacity);
                    (Some(tx), Some(rx))
                })
                .collect(),
        };
        let handles: Vec<_> = self
            .threads
            .iter()
            .enumerate()
            .map(|(who, steps)| {
                let mut ends = Ends {
                    who: who + 1,
                    history: history.clone(),
                    channels: first.channels.clone(),
                };
                let steps = steps.clone();
                microthread::spawn(move || steps.iter().for_each(|step| ends.take(step)))
            })
            .collect();
        drop(first);
        for deed in &self.deeds {
            match deed {
                Deed::Kill(who) => handles[*who].kill(),
                Deed::Throw(who) => drop(handles[*who].throw(Stop(0))),
                Deed::Yield => microthread::yield_now(),
                Deed::Sleep(millis) => microthread::sleep(ms(*millis)),
            }
        }
        // Who waits then waits for ever.
        microthread::sleep(ms(1_000_000));
        history.stands_still();
        handles.iter().for_each(microthread::JoinHandle::kill);
        handles.into_iter().for_each(|it| drop(it.join()));
        history
    }

    pub fn model(&self) -> Channels {
        Channels::new(&self.capacities, self.threads.len() + 1)
    }
}

/// What is left of a channel's two sides.
type Handles = (Option<Sender<u32>>, Option<Receiver<u32>>);

/// What one microthread has of the channels. Dropping is an operation, too.
struct Ends {
    who: usize,
    history: History<Point>,
    channels: Vec<Handles>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        for at in 0..self.channels.len() {
            self.drop_end(at, true);
            self.drop_end(at, false);
        }
    }
}

/// How a call has ended, if it was not killed.
enum Ended {
    Done(usize, Outcome),
    /// Nothing could be done at once.
    NotReady,
    /// The time was over, or something was thrown.
    Left,
    /// The future was dropped.
    Dropped,
}

impl Ends {
    fn drop_end(&mut self, at: usize, sender: bool) {
        let (tx, rx) = &mut self.channels[at];
        let had = if sender { tx.is_some() } else { rx.is_some() };
        if !had {
            return;
        }
        let open = self.history.begin(self.who);
        if sender {
            *tx = None;
            open.end(vec![Point::DropSender(at)]);
        } else {
            *rx = None;
            open.end(vec![Point::DropReceiver(at)]);
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Yield => microthread::yield_now(),
            Step::Sleep(millis) => microthread::sleep(ms(*millis)),
            Step::Drop(at, sender) => self.drop_end(*at, *sender),
            Step::Close(at, close) => {
                let Some(tx) = &self.channels[*at].0 else {
                    return;
                };
                let open = self.history.begin(self.who);
                if *close {
                    tx.close()
                } else {
                    tx.reopen()
                }
                open.end(vec![Point::Close(*at, *close)]);
            }
            Step::Len(at) => {
                let Some(rx) = &self.channels[*at].1 else {
                    return;
                };
                let open = self.history.begin(self.who);
                let len = rx.len();
                open.end(vec![Point::Len(*at, len)]);
            }
            Step::Do(acts, how) => {
                let has = |(at, act): &(usize, Act)| match act {
                    Act::Send(_) => self.channels[*at].0.is_some(),
                    Act::Recv => self.channels[*at].1.is_some(),
                };
                let acts: Acts = acts.iter().filter(|act| has(act)).copied().collect();
                if !acts.is_empty() {
                    self.call(&acts, *how);
                }
            }
        }
    }

    fn call(&self, acts: &Acts, how: How) {
        let [killed, stuck] = [Gone, Leave].map(|last| vec![Call(acts.clone()), last]);
        let open = self.history.begin(self.who);
        let open = open.if_killed(killed).if_stuck(stuck);
        let ended = match acts[..] {
            [(at, Act::Send(value))] => {
                self.send(self.channels[at].0.as_ref().unwrap(), value, how)
            }
            [(at, Act::Recv)] => self.recv(self.channels[at].1.as_ref().unwrap(), how),
            _ => self.select(acts, how),
        };
        let acts = acts.clone();
        open.end(match (ended, how) {
            (Ended::Done(number, outcome), How::Try) => vec![Try(acts, Some((number, outcome)))],
            (Ended::Done(number, outcome), How::For(_)) if acts.len() > 1 => {
                vec![Call(acts.clone()), Point::ReturnLate(acts, number, outcome)]
            }
            (Ended::Done(number, outcome), _) => vec![Call(acts), Return(number, outcome)],
            (Ended::NotReady, _) => vec![Try(acts, None)],
            (Ended::Left, _) => vec![Call(acts), Leave],
            (Ended::Dropped, _) => vec![Call(acts), Gone],
        });
    }

    fn send(&self, tx: &Sender<u32>, value: u32, how: How) -> Ended {
        let sent = match how {
            How::Wait => tx.send(value),
            How::Future => block_on(tx.send_async(value)),
            How::Fickle => match poll_twice(tx.send_async(value)) {
                Some(sent) => sent,
                None => return Ended::Dropped,
            },
            How::Try => match tx.try_send(value) {
                Ok(()) => Ok(()),
                Err(TrySendError::Full(back)) => {
                    assert_eq!(back, value);
                    return Ended::NotReady;
                }
                Err(TrySendError::Disconnected(back)) => Err(SendError::Disconnected(back)),
                Err(TrySendError::Closed(back)) => Err(SendError::Closed(back)),
                Err(other) => panic!("{other:?}"),
            },
            How::For(millis) => match tx.send_timeout(value, ms(millis)) {
                Ok(()) => Ok(()),
                Err(SendTimeoutError::TimedOut(back)) => {
                    assert_eq!(back, value);
                    return Ended::Left;
                }
                Err(SendTimeoutError::Disconnected(back)) => Err(SendError::Disconnected(back)),
                Err(SendTimeoutError::Closed(back)) => Err(SendError::Closed(back)),
                Err(SendTimeoutError::Interrupted(back, why)) => {
                    Err(SendError::Interrupted(back, why))
                }
                Err(other) => panic!("{other:?}"),
            },
        };
        ended_send(0, value, sent)
    }

    fn recv(&self, rx: &Receiver<u32>, how: How) -> Ended {
        let received = match how {
            How::Wait => rx.recv(),
            How::Future => block_on(rx.recv_async()),
            How::Fickle => match poll_twice(rx.recv_async()) {
                Some(received) => received,
                None => return Ended::Dropped,
            },
            How::Try => match rx.try_recv() {
                Ok(value) => Ok(value),
                Err(TryRecvError::Empty) => return Ended::NotReady,
                Err(TryRecvError::Disconnected) => Err(RecvError::Disconnected),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
                Err(other) => panic!("{other:?}"),
            },
            How::For(millis) => match rx.recv_timeout(ms(millis)) {
                Ok(value) => Ok(value),
                Err(RecvTimeoutError::TimedOut) => return Ended::Left,
                Err(RecvTimeoutError::Disconnected) => Err(RecvError::Disconnected),
                Err(RecvTimeoutError::Closed) => Err(RecvError::Closed),
                Err(RecvTimeoutError::Interrupted(why)) => Err(RecvError::Interrupted(why)),
                Err(other) => panic!("{other:?}"),
            },
        };
        ended_recv(0, received)
    }

    fn select(&self, acts: &Acts, how: How) -> Ended {
        let mut select = Select::new();
        let mut sends = Vec::new();
        let mut receives = Vec::new();
        for (at, act) in acts {
            match act {
                Act::Send(value) => {
                    let tx = self.channels[*at].0.as_ref().unwrap();
                    sends.push((select.send(tx, *value), *value));
                }
                Act::Recv => receives.push(select.recv(self.channels[*at].1.as_ref().unwrap())),
            }
        }
        let chosen = match how {
            How::Try => select.try_wait(),
            How::For(millis) => select.wait_timeout(ms(millis)),
            _ => select.wait(),
        };
        match chosen {
            Err(SelectError::NotReady) => Ended::NotReady,
            Err(SelectError::TimedOut) => Ended::Left,
            Err(other) => panic!("{other:?}"),
            Ok(number) => {
                if let Some(branch) = receives.iter().find(|it| it.index() == number) {
                    return ended_recv(number, branch.take().unwrap());
                }
                let sent = sends.iter().find(|(it, _)| it.index() == number);
                let (branch, value) = sent.expect("a branch");
                ended_send(number, *value, branch.take().unwrap())
            }
        }
    }
}

fn ended_send(number: usize, value: u32, sent: Result<(), SendError<u32>>) -> Ended {
    let outcome = match &sent {
        Ok(()) => Outcome::Sent,
        Err(SendError::Disconnected(_)) => Outcome::Disconnected,
        Err(SendError::Closed(_)) => Outcome::Closed,
        Err(_) => {
            assert_eq!(sent.unwrap_err().into_inner(), value);
            return Ended::Left;
        }
    };
    if let Err(error) = sent {
        assert_eq!(error.into_inner(), value);
    }
    Ended::Done(number, outcome)
}

fn ended_recv(number: usize, received: Result<u32, RecvError>) -> Ended {
    let outcome = match received {
        Ok(value) => Outcome::Received(value),
        Err(RecvError::Disconnected) => Outcome::Disconnected,
        Err(RecvError::Closed) => Outcome::Closed,
        Err(RecvError::Interrupted(_)) => return Ended::Left,
        Err(other) => panic!("{other:?}"),
    };
    Ended::Done(number, outcome)
}

fn poll_twice<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
        return Some(output);
    }
    microthread::yield_now();
    match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => {
            microthread::yield_now();
            None
        }
    }
}

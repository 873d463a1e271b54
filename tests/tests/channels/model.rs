//! What channels do, as a sequential model for `linear`: the documentation in a hundred lines. Values in order, those who wait in
//! order, who is gone, whether it is closed. A call that waits stands in the queue from its first point to its second; a
//! `select` stands in several.

use std::collections::{BTreeMap, VecDeque};

use super::linear::Model;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Send(u32),
    Recv,
}

/// What a call may do: one of these, at this channel.
pub type Acts = Vec<(usize, Act)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Sent,
    Received(u32),
    Disconnected,
    Closed,
}

#[derive(Clone, Debug)]
pub enum Point {
    /// One of them is done, if one can be; else it waits for all of them.
    Call(Acts),
    /// One of them is done at once, or none of them can be.
    Try(Acts, Option<(usize, Outcome)>),
    /// It has been done, with this outcome.
    Return(usize, Outcome),
    /// As `Return`; or it waits no longer, and looks a last time: a `select` at its deadline.
    ReturnLate(Acts, usize, Outcome),
    /// It has not been done, and waits no longer.
    Leave,
    /// It is killed, or its future dropped: whatever had been received goes back.
    Gone,
    Close(usize, bool),
    Len(usize, usize),
    DropSender(usize),
    DropReceiver(usize),
}
pub use Point::{Call, Gone, Leave, Return, Try};

/// One that waits: which operation, and the number of its act.
pub type Waiter = (usize, usize);

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Channel {
    capacity: usize,
    values: VecDeque<u32>,
    senders: VecDeque<(Waiter, u32)>,
    receivers: VecDeque<Waiter>,
    closed: bool,
    sender_handles: usize,
    receiver_handles: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Channels {
    all: Vec<Channel>,
    /// What has been done for those who wait: which act, at which channel, and how it ended.
    settled: BTreeMap<usize, (usize, usize, Outcome)>,
    /// A wrong model: what came last is received first.
    pub last_first: bool,
}

/// The orders in which a call may stand in its queues: it matters if it is in one of them twice.
fn orders(acts: &Acts) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for number in 0..acts.len() {
        let put = |order: &Vec<usize>, place: usize| {
            let mut order = order.clone();
            order.insert(place, number);
            order
        };
        let places = |order: &Vec<usize>| (0..=order.len()).map(|it| put(order, it)).collect();
        orders = orders.iter().flat_map::<Vec<_>, _>(places).collect();
    }
    orders
}

impl Channels {
    pub fn new(capacities: &[Option<usize>], handles: usize) -> Self {
        let channel = |capacity: &Option<usize>| Channel {
            capacity: capacity.unwrap_or(usize::MAX),
            values: VecDeque::new(),
            senders: VecDeque::new(),
            receivers: VecDeque::new(),
            closed: false,
            sender_handles: handles,
            receiver_handles: handles,
        };
        Channels {
            all: capacities.iter().map(channel).collect(),
            settled: BTreeMap::new(),
            last_first: false,
        }
    }

    fn settle(&mut self, (operation, act): Waiter, at: usize, outcome: Outcome) {
        self.settled.insert(operation, (act, at, outcome));
        self.forget(operation);
    }

    /// It stands in no queue any more.
    fn forget(&mut self, operation: usize) {
        for channel in &mut self.all {
            channel.senders.retain(|((it, _), _)| *it != operation);
            channel.receivers.retain(|(it, _)| *it != operation);
        }
    }

    /// Does it, if it needs no waiting.
    fn attempt(&mut self, at: usize, act: Act) -> Option<Outcome> {
        match act {
            Act::Send(value) => self.send(at, value),
            Act::Recv => self.recv(at),
        }
    }

    fn send(&mut self, at: usize, value: u32) -> Option<Outcome> {
        let channel = &mut self.all[at];
        if let Some(receiver) = channel.receivers.pop_front() {
            self.settle(receiver, at, Outcome::Received(value));
        } else if channel.receiver_handles == 0 {
            return Some(Outcome::Disconnected);
        } else if channel.closed {
            return Some(Outcome::Closed);
        } else if channel.values.len() < channel.capacity {
            channel.values.push_back(value);
        } else {
            return None;
        }
        Some(Outcome::Sent)
    }

    fn recv(&mut self, at: usize) -> Option<Outcome> {
        let last_first = self.last_first;
        let channel = &mut self.all[at];
        let next = match last_first {
            true => channel.values.pop_back(),
            false => channel.values.pop_front(),
        };
        if let Some(value) = next {
            if channel.values.len() < channel.capacity
                && let Some((sender, value)) = channel.senders.pop_front()
            {
                channel.values.push_back(value);
                self.settle(sender, at, Outcome::Sent);
            }
            Some(Outcome::Received(value))
        } else if let Some((sender, value)) = channel.senders.pop_front() {
            self.settle(sender, at, Outcome::Sent);
            Some(Outcome::Received(value))
        } else if channel.sender_handles == 0 {
            Some(Outcome::Disconnected)
        } else {
            channel.closed.then_some(Outcome::Closed)
        }
    }

    /// Each way in which one of them is done at once.
    fn done_at_once(&self, acts: &Acts) -> Vec<(Self, usize, Outcome)> {
        let ways = acts.iter().enumerate().filter_map(|(number, (at, act))| {
            let mut next = self.clone();
            let outcome = next.attempt(*at, *act)?;
            Some((next, number, outcome))
        });
        ways.collect()
    }

    fn call(&self, operation: usize, acts: &Acts) -> Vec<Self> {
        let mut ways = Vec::new();
        for (mut next, number, outcome) in self.done_at_once(acts) {
            next.settle((operation, number), acts[number].0, outcome);
            ways.push(next);
        }
        if ways.is_empty() {
            ways.extend(orders(acts).iter().map(|order| {
                let mut next = self.clone();
                for &number in order {
                    let (at, act) = acts[number];
                    let (channel, waiter) = (&mut next.all[at], (operation, number));
                    match act {
                        Act::Send(value) => channel.senders.push_back((waiter, value)),
                        Act::Recv => channel.receivers.push_back(waiter),
                    }
                }
                next
            }));
        }
        ways
    }

    fn give_back(&mut self, at: usize, value: u32) {
        let channel = &mut self.all[at];
        if channel.receiver_handles == 0 {
        } else if let Some(receiver) = channel.receivers.pop_front() {
            self.settle(receiver, at, Outcome::Received(value));
        } else {
            channel.values.push_front(value);
        }
    }
}

impl Model for Channels {
    type Point = Point;

    fn happen(&self, operation: usize, point: &Point) -> Vec<Self> {
        let mut next = self.clone();
        let possible = match point {
            Call(acts) => return self.call(operation, acts),
            Try(acts, None) => self.done_at_once(acts).is_empty(),
            Try(acts, Some(wanted)) => {
                let ways = self.done_at_once(acts).into_iter();
                let ways = ways.filter(|(_, number, outcome)| (*number, *outcome) == *wanted);
                return ways.map(|(next, _, _)| next).collect();
            }
            Return(number, outcome) => next
                .settled
                .remove(&operation)
                .is_some_and(|(act, _, how)| (act, how) == (*number, *outcome)),
            Point::ReturnLate(acts, number, outcome) => {
                let (last, returned) = (
                    Try(acts.clone(), Some((*number, *outcome))),
                    Return(*number, *outcome),
                );
                let mut ways = self.happen(operation, &returned);
                for late in self.happen(operation, &Leave) {
                    ways.extend(late.happen(operation, &last));
                }
                return ways;
            }
            Leave => {
                next.forget(operation);
                !next.settled.contains_key(&operation)
            }
            Gone => {
                next.forget(operation);
                if let Some((_, at, Outcome::Received(value))) = next.settled.remove(&operation) {
                    next.give_back(at, value);
                }
                true
            }
            Point::Close(at, closed) => {
                next.all[*at].closed = *closed;
                true
            }
            Point::Len(at, len) => next.all[*at].values.len() == *len,
            Point::DropSender(at) => {
                next.all[*at].sender_handles -= 1;
                if next.all[*at].sender_handles == 0 {
                    while let Some(receiver) = next.all[*at].receivers.pop_front() {
                        next.settle(receiver, *at, Outcome::Disconnected);
                    }
                }
                true
            }
            Point::DropReceiver(at) => {
                next.all[*at].receiver_handles -= 1;
                if next.all[*at].receiver_handles == 0 {
                    next.all[*at].values.clear();
                    while let Some((sender, _)) = next.all[*at].senders.pop_front() {
                        next.settle(sender, *at, Outcome::Disconnected);
                    }
                }
                true
            }
        };
        if possible { vec![next] } else { Vec::new() }
    }
}

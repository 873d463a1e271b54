//! What the locks of `actor_core::sync` do, as sequential models for `linear`.

use std::collections::{BTreeMap, VecDeque};

use super::linear::Model;

fn if_possible<M>(possible: bool, state: M) -> Vec<M> {
    if possible { vec![state] } else { Vec::new() }
}

// ---- permits: semaphore, rwlock, mutex -------------------------------------------------------------------------------

/// A number of permits. A mutex has one; a reader takes one of many, a writer all of them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Permits {
    pub free: usize,
    queue: VecDeque<(usize, usize)>,
    /// How many each operation was granted that waited, and has not returned yet. `None`: the semaphore was closed.
    granted: BTreeMap<usize, Option<usize>>,
    closed: bool,
    /// First come, first served. A mutex lets others overtake.
    fair: bool,
    /// What is guarded.
    value: u32,
}

#[derive(Clone, Debug)]
pub enum Permit {
    /// Takes so many, or stands in the queue.
    Want(usize),
    /// It has so many.
    Have(usize),
    /// A mutex may have been handed to it before it was killed.
    MaybeHave(usize),
    /// It was refused, as the semaphore is closed.
    Closed,
    /// It waits no longer, and has nothing.
    Leave,
    /// As `Leave`: it could have waited for ever for so many.
    Stuck(usize),
    /// It is killed. What it was granted goes on.
    Gone,
    /// Takes so many at once, or cannot.
    Try(usize, bool),
    Give(usize),
    /// Takes up to so many out of use; how many it were.
    Forget(usize, usize),
    Free(usize),
    Close,
    Read(u32),
    Write(u32),
}

impl Permits {
    pub fn new(free: usize, fair: bool) -> Self {
        Permits {
            free,
            queue: VecDeque::new(),
            granted: BTreeMap::new(),
            closed: false,
            fair,
            value: 0,
        }
    }

    fn can(&self, want: usize) -> bool {
        !self.closed && self.queue.is_empty() && self.free >= want
    }

    fn want(&mut self, operation: usize, want: usize) {
        if self.closed {
            self.granted.insert(operation, None);
        } else if self.can(want) {
            self.free -= want;
            self.granted.insert(operation, Some(want));
        } else {
            self.queue.push_back((operation, want));
        }
    }

    fn serve(&mut self) {
        while let Some((operation, want)) = self.queue.front().copied()
            && self.free >= want
        {
            self.queue.pop_front();
            self.free -= want;
            self.granted.insert(operation, Some(want));
        }
    }

    fn forget(&mut self, operation: usize) {
        self.queue.retain(|(it, _)| *it != operation);
    }
}

impl Model for Permits {
    type Point = Permit;

    fn happen(&self, operation: usize, point: &Permit) -> Vec<Self> {
        let mut next = self.clone();
        let possible = match point {
            // Who overtakes whom is open: it is taken when it is had.
            Permit::Want(_) if !self.fair => true,
            Permit::Have(want) if !self.fair => {
                next.free = next.free.saturating_sub(*want);
                self.free >= *want
            }
            Permit::Stuck(want) if !self.fair => self.free < *want,
            Permit::MaybeHave(want) if !self.fair && self.free >= *want => {
                next.free -= want;
                next.granted.insert(operation, Some(*want));
                return vec![self.clone(), next];
            }
            Permit::MaybeHave(_) => true,
            Permit::Want(want) => {
                next.want(operation, *want);
                true
            }
            Permit::Have(want) => next.granted.remove(&operation) == Some(Some(*want)),
            Permit::Closed => next.granted.remove(&operation) == Some(None),
            Permit::Leave | Permit::Stuck(_) => {
                next.forget(operation);
                next.serve();
                !next.granted.contains_key(&operation)
            }
            Permit::Gone => {
                next.forget(operation);
                if let Some(Some(had)) = next.granted.remove(&operation) {
                    next.free += had;
                }
                next.serve();
                true
            }
            Permit::Try(want, had) => {
                if *had {
                    next.free = next.free.saturating_sub(*want);
                }
                self.can(*want) == *had
            }
            Permit::Give(had) => {
                next.free += had;
                next.serve();
                true
            }
            Permit::Forget(most, forgotten) => {
                next.free = next.free.saturating_sub(*forgotten);
                self.free.min(*most) == *forgotten
            }
            Permit::Free(free) => self.free == *free,
            Permit::Close => {
                next.closed = true;
                for (operation, _) in std::mem::take(&mut next.queue) {
                    next.granted.insert(operation, None);
                }
                true
            }
            Permit::Read(value) => self.value == *value,
            Permit::Write(value) => {
                next.value = *value;
                true
            }
        };
        if_possible(possible, next)
    }
}

// ---- notify, and a condition variable with its mutex -----------------------------------------------------------------

/// How one was notified.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum By {
    One,
    All,
}

/// Those who wait to be notified.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct News {
    waiting: VecDeque<usize>,
    notified: BTreeMap<usize, By>,
    /// A notification that nobody waited for. A condition variable keeps none.
    permit: bool,
    /// The mutex of the condition variable.
    locked: bool,
    /// There is such a mutex.
    monitor: bool,
}

#[derive(Clone, Debug)]
pub enum Note {
    /// Waits to be notified; a monitor's mutex is released.
    Wait,
    /// It was notified; has the mutex again.
    Notified,
    /// It was not notified, and waits no longer.
    Leave,
    /// It is killed. Its notification goes on.
    Gone,
    One,
    All,
    /// Waits for the mutex. Who gets it first is open.
    Come,
    /// It could wait for ever.
    Locked,
    Lock,
    Unlock,
}

impl News {
    pub fn notify() -> Self {
        News::default()
    }

    pub fn monitor() -> Self {
        News {
            monitor: true,
            ..News::default()
        }
    }

    fn notify_one(&mut self) {
        match self.waiting.pop_front() {
            Some(first) => drop(self.notified.insert(first, By::One)),
            None => self.permit = !self.monitor,
        }
    }

    fn wait(&mut self, operation: usize) {
        self.locked = false;
        if std::mem::take(&mut self.permit) {
            self.notified.insert(operation, By::One);
        } else {
            self.waiting.push_back(operation);
        }
    }
}

impl Model for News {
    type Point = Note;

    fn happen(&self, operation: usize, point: &Note) -> Vec<Self> {
        let mut next = self.clone();
        let possible = match point {
            Note::Wait => {
                next.wait(operation);
                true
            }
            Note::Notified => {
                next.locked = self.monitor;
                next.notified.remove(&operation).is_some() && !self.locked
            }
            Note::Leave => {
                next.waiting.retain(|it| *it != operation);
                !next.notified.contains_key(&operation)
            }
            Note::Gone => {
                next.waiting.retain(|it| *it != operation);
                if next.notified.remove(&operation) == Some(By::One) {
                    next.notify_one();
                }
                true
            }
            Note::One => {
                next.notify_one();
                true
            }
            Note::All => {
                for waiter in std::mem::take(&mut next.waiting) {
                    next.notified.insert(waiter, By::All);
                }
                true
            }
            Note::Come => true,
            Note::Locked => self.locked,
            Note::Lock => {
                next.locked = true;
                !self.locked
            }
            Note::Unlock => {
                next.locked = false;
                self.locked
            }
        };
        if_possible(possible, next)
    }
}

// ---- barrier ---------------------------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Group {
    parties: usize,
    arrived: Vec<usize>,
    /// Who may go on, and whether it leads.
    through: BTreeMap<usize, bool>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Arrive,
    /// It is through, and leads or does not.
    Through(bool),
    /// It waits no longer, and has not arrived.
    Leave,
    Gone,
}

impl Group {
    pub fn new(parties: usize) -> Self {
        Group {
            parties,
            arrived: Vec::new(),
            through: BTreeMap::new(),
        }
    }

    fn arrive(&mut self, operation: usize) {
        self.arrived.push(operation);
        if self.arrived.len() == self.parties {
            for it in std::mem::take(&mut self.arrived) {
                self.through.insert(it, it == operation);
            }
        }
    }
}

impl Model for Group {
    type Point = Step;

    fn happen(&self, operation: usize, point: &Step) -> Vec<Self> {
        let mut next = self.clone();
        let possible = match point {
            Step::Arrive => {
                next.arrive(operation);
                true
            }
            Step::Through(leads) => next.through.remove(&operation) == Some(*leads),
            Step::Leave | Step::Gone => {
                next.arrived.retain(|it| *it != operation);
                let through = next.through.remove(&operation).is_some();
                !through || matches!(point, Step::Gone)
            }
        };
        if_possible(possible, next)
    }
}

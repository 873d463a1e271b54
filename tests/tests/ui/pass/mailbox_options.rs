//! Policies in any order, priorities under `cfg`, in generic actors, and beside a stranger's `Priority`.
#![deny(warnings)]

use actor_core::prelude::*;

#[allow(dead_code)]
struct Priority;

#[actor(when_full = "drop_oldest", mailbox = 16, name = "gauge")]
#[derive(Debug)]
struct Gauge<T> {
    last: Option<T>,
}

#[actor]
impl<T: Send + Clone + 'static> Gauge<T> {
    pub fn read(&mut self, value: T) {
        self.last = Some(value);
    }

    #[priority(high)]
    pub fn last(&self) -> Option<T> {
        self.last.clone()
    }

    #[cfg(any())]
    #[priority(high)]
    pub fn absent(&self) {}

    /// Urgent under one `cfg`, ordinary under the other.
    #[cfg(any())]
    #[priority(high)]
    pub fn reset(&mut self) {
        self.last = None;
    }

    #[cfg(not(any()))]
    #[priority(normal)]
    pub fn reset(&mut self) {
        self.last = None;
    }
}

fn main() {
    let sys = System::new().unwrap();
    let gauge = sys.spawn(Gauge { last: None }).unwrap();
    gauge.tell().reset().unwrap();
    gauge.ask().read(1.5).unwrap();
    assert_eq!(gauge.ask().last().unwrap(), Some(1.5));
}

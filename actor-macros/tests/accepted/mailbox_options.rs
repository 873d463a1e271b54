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

/// With parameters, whose urgent messages are under `cfg` or have a default.
#[protocol]
trait Resets<T: Send + 'static> {
    #[cfg(any())]
    #[priority(high)]
    fn absent(&self);

    #[priority(high)]
    fn reset_to(&mut self, value: T, cx: &mut Cx<Self>);

    #[priority(high)]
    fn describe(&self) -> String {
        "a gauge".into()
    }

    #[priority(normal)]
    fn soothe(&mut self) {}
}

/// Says nothing of priorities.
#[protocol]
trait Quiet {
    fn hush(&self) {}
}

impl<T: Send + Clone + 'static> Resets<T> for Gauge<T> {
    fn reset_to(&mut self, value: T, _: &mut Cx<Self>) {
        self.last = Some(value);
    }
}

impl<T: Send + Clone + 'static> Quiet for Gauge<T> {}

/// Takes part, and has nothing urgent.
#[actor]
struct Calm;

#[actor(protocols = [Quiet])]
impl Calm {}

impl Quiet for Calm {}

const _: () = assert!(Gauge::<u8>::HAS_PRIORITIES && !Calm::HAS_PRIORITIES);

#[actor(protocols = [Resets<T>, Quiet])]
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

#[test]
fn runs() {
    let sys = System::new().unwrap();
    let gauge = sys.spawn(Gauge { last: None }).unwrap();
    gauge.tell().reset().unwrap();
    gauge.ask().read(1.5).unwrap();
    assert_eq!(gauge.ask().last().unwrap(), Some(1.5));
    let resets = gauge.narrow::<dyn Resets<f64>>();
    resets.ask().reset_to(2.5).unwrap();
    resets.tell().soothe().unwrap();
    gauge.narrow::<dyn Quiet>().ask().hush().unwrap();
    assert_eq!(resets.ask().describe().unwrap(), "a gauge");
    assert_eq!(gauge.ask().last().unwrap(), Some(2.5));
    sys.spawn(Calm)
        .unwrap()
        .narrow::<dyn Quiet>()
        .ask()
        .hush()
        .unwrap();
}

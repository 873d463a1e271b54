//! A signal hook takes any of its arguments in any order, stands in a generic block, and may be behind a `cfg`.
#![deny(warnings)]
use actor_core::Actor;
use actor_core::prelude::*;

#[actor]
struct Both;

#[actor]
impl Both {
    #[on_signal]
    fn hear(&mut self, signal: Signal, cx: &mut Cx<Self>) {
        if signal.from().is_none() {
            cx.stop();
        }
    }
}

#[actor]
struct Neither;

#[actor]
impl Neither {
    #[on_signal]
    fn hear(&self) {}
}

#[actor]
struct Generic<T>(Vec<T>, Vec<ExitReason>);

#[actor]
impl<T: Send + 'static> Generic<T> {
    pub fn push(&mut self, item: T) {
        self.0.push(item);
    }

    #[on_signal]
    fn hear(&mut self, signal: actor_core::Signal) {
        self.1.push(signal.reason().clone());
    }

    #[cfg(any())]
    #[on_stop]
    fn stop(&mut self) {}
}

#[actor]
struct Unconfigured;

#[actor]
impl Unconfigured {
    #[cfg(any())]
    #[on_signal]
    fn hear(&mut self, _: Signal) {}
}

fn is_actor<A: Actor>() {}

#[test]
fn compiles() {
    is_actor::<Both>();
    is_actor::<Neither>();
    is_actor::<Generic<u8>>();
    is_actor::<Unconfigured>();
}

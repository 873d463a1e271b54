//! Who waits for an answer is told, also if the stack is lost on which it would have been given. In child processes: an overflow is a
//! fault.

use actor_core::prelude::*;
use actor_core::{ChildTemplate, DynamicSupervisor};
use tests::{Gate, child, recurse, within};

const LIMIT: u64 = 30;

/// Takes the stack with it that it is dropped on, if it is armed.
#[derive(Debug)]
pub(crate) struct Mine(bool);

impl Drop for Mine {
    fn drop(&mut self) {
        if self.0 {
            recurse(0);
        }
    }
}

#[actor]
struct Field {
    gate: Gate,
}

#[actor]
impl Field {
    pub(crate) fn wait(&mut self) {
        self.gate.wait();
    }
    pub(crate) fn bury(&mut self, mine: Mine) -> bool {
        mine.0
    }
    #[priority(high)]
    pub(crate) fn bury_soon(&mut self, mine: Mine) -> bool {
        mine.0
    }
    pub(crate) fn put_away(&mut self, cx: &mut Cx<Self>, mine: Mine) -> bool {
        cx.stash(FieldMsg::PutAway { mine });
        true
    }
}

/// Whichever lane the message is in that does it, and wherever the others are.
#[test]
fn whoever_asked_is_told_when_a_message_takes_the_stack_that_drops_it() {
    child!(|| within(LIMIT, || for armed in 0..5 {
        let sys = System::builder().workers(1).build().unwrap();
        let gate = Gate::new();
        let field = sys.spawn(Field { gate: gate.clone() }).unwrap();
        let mine = |n| Mine(n == armed);
        let stashed = field.request().put_away(mine(0));
        field.tell().wait().unwrap();
        tests::until(|| gate.waiting() == 1);
        let urgent = [
            field.request().bury_soon(mine(1)),
            field.request().bury_soon(mine(2)),
        ];
        let queued = [field.request().bury(mine(3)), field.request().bury(mine(4))];
        field.kill();
        gate.open();
        stashed.wait().unwrap_err();
        for answer in urgent {
            answer.wait().unwrap_err();
        }
        for answer in queued {
            answer.wait().unwrap_err();
        }
        field.join();
        sys.spawn(Field { gate }).unwrap().ask().wait().unwrap();
    }))
    .succeeds();
}

#[actor]
struct Large;

#[actor]
impl Large {
    pub(crate) fn is_there(&self) {}
}

/// A factory runs on the supervisor's stack.
#[test]
fn whoever_starts_a_child_is_told_when_its_factory_takes_the_supervisors_stack() {
    child!(|| within(LIMIT, || for batch in [true, false] {
        let sys = System::builder().workers(1).build().unwrap();
        let template = ChildTemplate::new("large", |n: &u8| {
            if *n == 1 {
                recurse(0);
            }
            Large
        });
        let sup = DynamicSupervisor::builder(template).start(&sys).unwrap();
        match batch {
            true => {
                sup.start_children([0, 0]).unwrap();
                sup.start_children([0, 1, 0]).unwrap_err();
            }
            false => drop(sup.start_child(1).unwrap_err()),
        }
        sup.start_children([0]).unwrap_err();
        sys.spawn(Large).unwrap().ask().is_there().unwrap();
    }))
    .succeeds();
}

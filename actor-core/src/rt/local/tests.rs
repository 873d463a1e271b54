//! What channels are built on: handing over, and the hook for channels.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use super::{Budget, ChannelEvent, Outcome, Scheduler, StateError, schedule, switch_trap};
use crate::rt::park::{self, Parker};
use crate::rt::wait::{self, Interrupt, Next};

/// A place where one waits for a value and another brings it.
#[derive(Default)]
struct Meeting {
    waiter: Cell<Option<&'static Parker>>,
    value: Cell<Option<u32>>,
}

impl Meeting {
    fn wait(&self) -> u32 {
        self.waiter.set(Some(park::current()));
        loop {
            if let Some(value) = self.value.take() {
                return value;
            }
            wait::wait(None).unwrap();
        }
    }

    fn bring(&self, value: u32, next: Next) -> Result<(), Interrupt> {
        wait::may_hand_over(next)?;
        self.value.set(Some(value));
        let waiter = self.waiter.take().expect("somebody waits");
        wait::hand_over(waiter, next);
        Ok(())
    }
}

type Log = Rc<RefCell<Vec<&'static str>>>;

/// The order in which things happen when a value is brought with `next`, with a bystander before and one after whoever
/// brings it.
fn order(next: Next) -> String {
    let (sched, log) = (Scheduler::new(), Log::default());
    let meeting = Rc::new(Meeting::default());
    let bystander = |name| {
        let log = log.clone();
        sched.spawn(move || log.borrow_mut().push(name))
    };
    {
        let (meeting, log) = (meeting.clone(), log.clone());
        sched.spawn(move || {
            assert_eq!(meeting.wait(), 7);
            log.borrow_mut().push("waiter");
        });
    }
    sched.run().unwrap();
    bystander("before");
    {
        let log = log.clone();
        sched.spawn(move || {
            meeting.bring(7, next).unwrap();
            log.borrow_mut().push("bringer");
        });
    }
    bystander("after");
    sched.run().unwrap();
    log.borrow().join(" ")
}

#[test]
fn handing_over_to_the_partner_lets_the_caller_run_last() {
    assert_eq!(order(Next::Partner), "before waiter after bringer");
}

#[test]
fn handing_over_with_the_caller_first_puts_the_partner_at_the_end() {
    assert_eq!(order(Next::Caller), "before bringer after waiter");
}

#[test]
fn handing_over_to_the_successor_puts_the_partner_at_the_end_and_the_caller_behind_it() {
    assert_eq!(order(Next::Successor), "before after waiter bringer");
}

#[test]
fn a_hand_over_that_would_switch_is_refused_in_a_switch_trap() {
    let (sched, meeting) = (Scheduler::new(), Rc::new(Meeting::default()));
    let waiter = sched.spawn({
        let meeting = meeting.clone();
        move || meeting.wait()
    });
    sched.run().unwrap();
    sched
        .main(move || {
            switch_trap(|| {
                for next in [Next::Partner, Next::Successor] {
                    assert_eq!(meeting.bring(7, next), Err(Interrupt::SwitchTrap));
                }
                meeting.bring(7, Next::Caller).unwrap();
            });
        })
        .unwrap();
    assert_eq!(waiter.join().unwrap(), 7);
}

#[test]
fn a_soft_budget_does_not_end_its_run_at_a_hand_over_but_at_the_next_switch() {
    let (sched, meeting) = (Scheduler::new(), Rc::new(Meeting::default()));
    let log = Log::default();
    {
        let (meeting, log) = (meeting.clone(), log.clone());
        sched.spawn(move || {
            meeting.wait();
            log.borrow_mut().push("waiter");
            schedule().unwrap();
        });
    }
    sched.run().unwrap();
    {
        let log = log.clone();
        sched.spawn(move || {
            for _ in 0..10 {
                crate::microthread::checkpoint();
            }
            meeting.bring(7, Next::Partner).unwrap();
            log.borrow_mut().push("bringer");
        });
    }
    let outcome = sched.run_for(Budget::points(5).soft()).unwrap();
    assert!(matches!(outcome, Outcome::Done | Outcome::Expired));
    assert_eq!(*log.borrow(), ["waiter"]);
    assert!(matches!(outcome, Outcome::Expired), "{outcome:?}");
    sched.run().unwrap();
    assert_eq!(*log.borrow(), ["waiter", "bringer"]);
}

#[test]
fn a_partner_of_another_scheduler_is_just_woken() {
    let (here, there) = (Scheduler::new(), Scheduler::new());
    let (log, meeting) = (Log::default(), Rc::new(Meeting::default()));
    let waiter = there.spawn({
        let meeting = meeting.clone();
        move || meeting.wait()
    });
    there.run().unwrap();
    let inside = log.clone();
    here.main(move || {
        meeting.bring(7, Next::Partner).unwrap();
        inside.borrow_mut().push("goes on");
    })
    .unwrap();
    assert!(waiter.is_alive());
    assert_eq!(waiter.join().unwrap(), 7);
}

#[test]
fn the_channel_hook_is_told_who_does_what_and_may_use_no_channel() {
    let (sched, events) = (Scheduler::new(), Rc::new(RefCell::new(Vec::new())));
    sched.set_channel_hook(Some(Rc::new({
        let events = events.clone();
        move |event: &ChannelEvent| {
            let name = event.tasklet().name().map(str::to_owned);
            let flags = (event.is_sending(), event.will_block());
            events.borrow_mut().push((name, event.channel(), flags));
            let refused = Err(Interrupt::SwitchTrap);
            assert_eq!(
                wait::channel_event(Some(channel_use(1, true, false))),
                refused
            );
            assert_eq!(wait::may_hand_over(Next::Caller), refused);
            assert_eq!(schedule(), Err(StateError::Refused(Interrupt::SwitchTrap)));
            panic!("which is ignored");
        }
    })));
    let operate = |name: &str, sending| {
        let operation = sched.tasklet().name(name).spawn(move || {
            wait::channel_event(Some(channel_use(5, sending, !sending))).unwrap();
        });
        operation.join().unwrap();
    };
    operate("r", false);
    operate("s", true);
    assert_eq!(
        *events.borrow(),
        [
            (Some("r".to_owned()), 5, (false, true)),
            (Some("s".to_owned()), 5, (true, false))
        ]
    );
    // Elsewhere there is no hook.
    wait::channel_event(Some(channel_use(5, true, true))).unwrap();
}

fn channel_use(channel: usize, sending: bool, will_block: bool) -> wait::ChannelUse {
    wait::ChannelUse {
        channel,
        sending,
        will_block,
    }
}

#[test]
fn a_scheduler_that_ends_waits_for_a_wake_up_that_is_on_its_way() {
    struct Dropped(Rc<Cell<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    struct Tells(mpsc::Sender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (sched, place) = (Scheduler::new(), Rc::new(Cell::new(None)));
    let ended = Rc::new(Cell::new(false));
    sched.spawn({
        let (place, dropped) = (place.clone(), Dropped(ended.clone()));
        move || {
            let _dropped = dropped;
            place.set(Some(park::current()));
            let _ = wait::wait(None);
        }
    });
    sched.run().unwrap();
    let parker = place.get().expect("it waits");
    let shared = sched.inner().shared.clone();
    let ((notified, first), (ends, then)) = (mpsc::channel(), mpsc::channel());
    let waker = thread::spawn(move || {
        assert!(parker.unpark_in_place());
        notified.send(()).unwrap();
        // It loses the processor here, until the scheduler is about to end.
        then.recv().unwrap();
        shared.wake(parker);
    });
    first.recv().unwrap();
    let tells = Tells(ends);
    sched.spawn(move || drop(tells));
    drop(sched);
    assert!(ended.get(), "it was leaked");
    waker.join().unwrap();
}

/// Calls `f` where the stack has reached its reserve.
#[inline(never)]
fn at_the_reserve(f: &mut dyn FnMut()) {
    let frame = std::hint::black_box([0_u8; 64]);
    match crate::stack::check_headroom() {
        Ok(()) => at_the_reserve(f),
        Err(_) => f(),
    }
    std::hint::black_box(&frame);
}

#[test]
fn orders_that_arrive_where_the_stack_is_used_up_are_carried_out_all_the_same() {
    let sched = Scheduler::new();
    let (one, other) = (sched.bind(|| 1), sched.bind(|| 2));
    let remotes = [one.remote().unwrap(), other.remote().unwrap()];
    let me = sched.spawn(move || {
        thread::spawn(move || remotes.each_ref().map(|remote| remote.insert().unwrap()))
            .join()
            .unwrap();
        at_the_reserve(&mut || {
            super::inner::on_stack(|inner| assert!(inner.arrivals()));
        });
    });
    sched.run().unwrap();
    me.join().unwrap();
    assert!(!one.is_alive() && !other.is_alive());
}

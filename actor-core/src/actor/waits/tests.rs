//! Edges and walks, without a runtime.

use super::fixture::ACTOR_TABLE;
use super::*;
use crate::actor::reply::Port;

/// An actor on a stack of its own. (The memory of actors stays.)
fn actor(id: u64) -> Waiter {
    on_stack(id, Box::leak(Box::new(Parker::new())))
}

/// An actor on a stack that has run others.
fn on_stack(id: u64, parker: &'static Parker) -> Waiter {
    let header = Box::leak(Box::new(Header::new(&ACTOR_TABLE, id, 0)));
    parker.edge().set_task(header);
    let header = NonNull::from(header);
    Waiter { parker, header }
}

impl Waiter {
    fn as_header(&self) -> &Header {
        // SAFETY: it stays.
        unsafe { self.header.as_ref() }
    }

    fn waits_for_actor(self, other: Waiter) -> Waiting {
        self.waits_for(on_actor(other.as_header()))
    }
}

#[test]
fn a_walk_finds_the_circle_and_names_it_from_the_walker() {
    let [a, b, c] = [1, 2, 3].map(actor);
    let _ab = a.waits_for_actor(b);
    let _bc = b.waits_for_actor(c);
    assert_eq!(a.circle(), None);
    let ca = c.waits_for_actor(a);
    let path = c.circle().expect("there is one");
    assert_eq!(path.to_string(), "It#3 -> It#1 -> It#2 -> It#3");
    drop(ca);
    assert_eq!(a.circle(), None);
}

#[test]
fn one_that_waits_for_itself_is_a_circle() {
    let a = actor(1);
    let _aa = a.waits_for_actor(a);
    assert_eq!(a.circle().expect("it is").to_string(), "It#1 -> It#1");
}

#[test]
fn a_walk_into_the_circle_of_others_ends_and_finds_nothing() {
    for len in 1..20 {
        let all: Vec<_> = (0..len).map(actor).collect();
        let next = all.iter().cycle().skip(1);
        let _waits: Vec<_> = all
            .iter()
            .zip(next)
            .map(|(it, next)| it.waits_for_actor(*next))
            .collect();
        let tail = [100, 101, 102].map(actor);
        let _tail = [
            tail[0].waits_for_actor(tail[1]),
            tail[1].waits_for_actor(tail[2]),
            tail[2].waits_for_actor(all[0]),
        ];
        assert_eq!(tail[0].circle(), None);
        let own = all[0].circle().expect("it is in one");
        assert_eq!(own.actors().len(), len as usize);
    }
}

#[test]
fn an_edge_on_a_stack_that_runs_another_is_not_ones_own() {
    let (a, b) = (actor(1), actor(2));
    drop(a.waits_for_actor(b)); // so it is noted where it was parked last
    let c = on_stack(3, a.parker);
    let _cb = c.waits_for_actor(b);
    let _ba = b.waits_for_actor(a);
    assert_eq!(b.circle(), None);
}

/// An ask of `a`'s, registered in its slot as waiting, and the port.
fn ask(a: Waiter) -> (Port, reply::Receiver<u8>, Waiting) {
    let (port, receiver) = reply::slot_waiting::<u8>();
    let waiting = a.waits_for(receiver.as_raw());
    (port, receiver, waiting)
}

#[test]
fn an_answer_ends_the_edge_before_the_asker_runs() {
    // `slot_waiting` registers the thread's own parker.
    let (a, b) = (on_stack(1, park::current()), actor(2));
    let (port, receiver, _waiting) = ask(a);
    port.hand_to(b.as_header());
    {
        let _ba = b.waits_for_actor(a);
        assert!(b.circle().is_some());
    }
    assert_eq!(port.send(5_u8), Ok(()));
    let _ba = b.waits_for_actor(a);
    assert_eq!(b.circle(), None);
    drop(receiver);
    a.parker.edge().set_task(std::ptr::null());
}

#[test]
fn a_port_that_no_actor_has_leads_nowhere_until_it_is_handed_on() {
    let (a, b, c) = (on_stack(1, park::current()), actor(2), actor(3));
    let (port, receiver, waiting) = ask(a);
    port.hand_to(b.as_header());
    port.leave_owner();
    let ba = b.waits_for_actor(a);
    assert_eq!(b.circle(), None);
    assert_eq!(breaks_circle_of(&port), None);
    port.hand_to(c.as_header());
    assert_eq!(breaks_circle_of(&port), None);
    let _ca = c.waits_for_actor(b);
    let path = breaks_circle_of(&port).expect("handed on into a circle");
    assert_eq!(path.to_string(), "It#1 -> It#3 -> It#2 -> It#1");
    // What is not waited for closes no circle.
    drop((ba, waiting));
    let _ba = b.waits_for_actor(a);
    assert_eq!(breaks_circle_of(&port), None);
    drop(receiver);
    assert_eq!(breaks_circle_of(&port), None);
    a.parker.edge().set_task(std::ptr::null());
}

#[test]
fn a_walk_gives_up_no_reference_while_it_reads() {
    let a = actor(1); // it waits for nothing
    let mut held = Vec::new();
    let reading = grace::read();
    // SAFETY: reading, and the memory of actors stays.
    assert!(!unsafe { holds_together(a.header, 1, &mut held) });
    drop(reading);
    // To be given up now: it might have been the last, and to free the actor waits for readers.
    assert_eq!(held.len(), 1);
}

/// `a` asks the supervisor `s`, which waits for a step of `c`'s, and `c` waits for `a`.
#[test]
fn what_does_not_stand_in_line_does_not_wait_for_the_step() {
    // `slot_waiting` registers the thread's own parker, so each of the two that wait for a slot has a thread.
    let of_s = park::current();
    let (step, of_step) = reply::slot_waiting::<()>();
    let check = move || {
        let (a, s, c) = (on_stack(1, park::current()), on_stack(2, of_s), actor(3));
        let (port, receiver, waiting) = ask(a);
        port.hand_to(s.as_header());
        step.hand_to(c.as_header());
        step.stand_in_line();
        let in_step = s.waits_for_step(of_step.as_raw());
        let _ca = c.waits_for_actor(a);
        for it in [a, s, c] {
            assert_eq!(it.circle(), None, "it is answered meanwhile");
        }
        port.stand_in_line();
        for it in [a, s, c] {
            assert!(it.circle().is_some());
        }
        let path = breaks_circle_of(&port).expect("it is one now");
        assert_eq!(path.to_string(), "It#1 -> It#2 -> It#3 -> It#1");

        // A wait that is no step: nothing is answered meanwhile.
        drop(in_step);
        port.hand_to(s.as_header());
        drop({
            let in_factory = s.waits_for_actor(c);
            assert!(a.circle().is_some());
            in_factory
        });

        // A step that is over.
        port.stand_in_line();
        let _in_step = s.waits_for_step(of_step.as_raw());
        assert!(a.circle().is_some());
        drop(step);
        assert_eq!(a.circle(), None);
        drop((waiting, port, receiver, of_step));
        for it in [a, s] {
            it.parker.edge().set_task(std::ptr::null());
        }
    };
    std::thread::scope(|scope| scope.spawn(check).join()).unwrap();
}

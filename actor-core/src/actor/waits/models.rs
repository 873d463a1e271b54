//! Loom models of edges and walks.

use super::fixture::ACTOR_TABLE;
use super::*;
use crate::sys::atomic::{AtomicBool, Ordering};
use loom::sync::Arc;
use loom::thread;

/// An actor, shared between the threads of a model.
#[derive(Clone, Copy)]
struct Model(Waiter);

// SAFETY: the models use each from one thread at a time but for what is atomic.
unsafe impl Send for Model {}

fn actors<const N: usize>() -> [Model; N] {
    std::array::from_fn(|id| {
        let header = Box::leak(Box::new(Header::new(&ACTOR_TABLE, id as u64, 0)));
        let parker: &'static Parker = Box::leak(Box::new(Parker::new()));
        parker.edge().set_task(header);
        header.set_parker(parker);
        let header = NonNull::from(header);
        Model(Waiter { parker, header })
    })
}

impl Model {
    fn begins(self, other: Model) -> Wait {
        // SAFETY: it stays.
        self.0.publish(on_actor(unsafe { other.0.header.as_ref() }))
    }

    fn finds(self) -> bool {
        self.0.circle().is_some()
    }
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

#[test]
fn loom_of_waits_in_a_circle_one_is_found() {
    model(3, || {
        let [a, b] = actors();
        let other = thread::spawn(move || {
            a.begins(b);
            a.finds()
        });
        b.begins(a);
        let found = b.finds();
        assert!(other.join().unwrap() | found);
    });
}

#[test]
fn loom_of_three_waits_in_a_circle_one_is_found() {
    model(2, || {
        let [a, b, c] = actors();
        let others = [(a, b), (b, c)].map(|(one, next)| {
            thread::spawn(move || {
                one.begins(next);
                one.finds()
            })
        });
        c.begins(a);
        let found = c.finds();
        let others = others.map(|it| it.join().unwrap());
        assert!(others.contains(&true) || found);
    });
}

/// `a` asks an idle `b`, by the fast path; `b` runs because of that message, and closes the circle with `c`.
#[test]
fn loom_an_edge_without_a_fence_is_found_too() {
    model(3, || {
        let [a, b, c] = actors();
        let mailbox = Arc::new(AtomicBool::new(false));
        let asks = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                a.begins(b);
                mailbox.store(true, Ordering::Release);
            })
        };
        let handles = thread::spawn(move || {
            mailbox.load(Ordering::Acquire).then(|| {
                b.begins(c);
                b.finds()
            })
        });
        c.begins(a);
        let found = c.finds();
        asks.join().unwrap();
        if let Some(other) = handles.join().unwrap() {
            assert!(other || found, "nobody has found it");
        }
    });
}

/// `b` waits for `c` no more when `c` begins to wait for `a`.
#[test]
fn loom_edges_that_were_never_there_at_once_are_no_circle() {
    model(3, || {
        let [a, b, c] = actors();
        let first = b.begins(c);
        let walker = thread::spawn(move || {
            a.begins(b);
            assert!(!a.finds());
        });
        b.0.parker.edge().end(first);
        c.begins(a);
        walker.join().unwrap();
    });
}

/// As before, again and again: each round of a walk may find them all.
#[test]
fn loom_edges_that_come_and_go_in_turn_are_no_circle() {
    model(5, || {
        let [a, b, c] = actors();
        let first = b.begins(c);
        let others = thread::spawn(move || {
            let mut wait = first;
            for _ in 0..2 {
                b.0.parker.edge().end(wait);
                let of_c = c.begins(a);
                c.0.parker.edge().end(of_c);
                wait = b.begins(c);
            }
            b.0.parker.edge().end(wait);
            c.begins(a);
        });
        a.begins(b);
        assert!(!a.finds());
        others.join().unwrap();
    });
}

//! States and messages of unusual size and alignment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actor_core::prelude::*;

use super::support::*;

/// Nothing at all.
#[actor]
pub struct Nothing;

#[actor]
impl Nothing {
    pub fn nothing(&mut self) {}
    pub fn unit(&mut self, unit: ()) {
        let () = unit;
    }
}

#[test]
fn zero_sized() {
    let sys = system(1);
    let (one, two) = (sys.spawn(Nothing).unwrap(), sys.spawn(Nothing).unwrap());
    assert_ne!(one, two, "two all the same");
    for _ in 0..1000 {
        one.tell().nothing().unwrap();
        one.tell().unit(()).unwrap();
    }
    one.ask().nothing().unwrap();
    assert_eq!(one.queued(), 0);
    one.stop();
    assert_eq!(end(&one), ExitReason::Normal);
    assert!(two.is_alive());
}

/// 8 KiB of state, with messages and answers as large. Unoptimised code copies them many times.
#[actor(stack = 512 * 1024)]
pub struct Large([u8; 8192]);

#[actor]
impl Large {
    pub fn swap(&mut self, with: [u8; 8192]) -> [u8; 8192] {
        std::mem::replace(&mut self.0, with)
    }
}

#[test]
fn large() {
    let sys = system(2);
    let filled = |n: u8| -> [u8; 8192] { std::array::from_fn(|i| (i as u8).wrapping_add(n)) };
    let all: Vec<_> = (0..20)
        .map(|n| sys.spawn(Large(filled(n))).unwrap())
        .collect();
    for (n, large) in (0..).zip(&all) {
        for k in 1..10 {
            large.tell().swap(filled(n + k)).unwrap();
        }
        assert_eq!(large.ask().swap(filled(0)).unwrap(), filled(n + 9));
    }
    // Left in the mailbox at the end.
    for large in &all {
        large.tell().swap(filled(1)).unwrap();
        large.stop();
        large.tell().swap(filled(2)).ok();
        assert_eq!(end(large), ExitReason::Normal);
    }
}

#[repr(align(4096))]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Page([u8; 16]);

impl Page {
    fn is_aligned(&self) -> bool {
        (&raw const *self).addr().is_multiple_of(4096)
    }
}

/// Over-aligned in every respect.
#[actor(stack = 512 * 1024)]
pub struct Aligned {
    page: Page,
    placed: bool,
}

#[actor]
impl Aligned {
    pub fn swap(&mut self, with: Page) -> Page {
        self.placed &= self.page.is_aligned() && with.is_aligned();
        std::mem::replace(&mut self.page, with)
    }
    pub fn placed(&self) -> bool {
        self.placed
    }
}

#[test]
fn over_aligned() {
    let sys = system(2);
    let all: Vec<_> = (0..20)
        .map(|n| {
            let page = Page([n; 16]);
            sys.spawn(Aligned { page, placed: true }).unwrap()
        })
        .collect();
    for (n, aligned) in (0..).zip(&all) {
        aligned.tell().swap(Page([n + 1; 16])).unwrap();
        let last = aligned.ask().swap(Page([0; 16])).unwrap();
        assert!(last.is_aligned());
        assert_eq!(last, Page([n + 1; 16]));
        assert!(aligned.ask().placed().unwrap());
    }
    for aligned in &all {
        aligned.stop();
        end(aligned);
    }
}

/// With a body that owns it.
#[actor(stack = 512 * 1024)]
pub struct Owned {
    page: Page,
    large: [u8; 8192],
}

#[actor(message = Page)]
impl Owned {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        while let Ok(page) = inbox.recv() {
            if !page.is_aligned() || !self.page.is_aligned() {
                return Exit::failed("misplaced");
            }
            if page == self.page && self.large[8191] == 3 {
                return Exit::Normal;
            }
        }
        Exit::failed("closed")
    }
}

#[test]
fn on_its_own_stack() {
    let sys = system(1);
    let (page, large) = (Page([1; 16]), [3; 8192]);
    let owned = sys.spawn(Owned { page, large }).unwrap();
    owned.send(Page([2; 16])).unwrap();
    owned.send(Page([1; 16])).unwrap();
    assert_eq!(end(&owned), ExitReason::Normal);
}

/// As large as half its stack: nothing may copy it there.
#[actor]
pub struct Huge {
    bytes: [u8; 40 * 1024],
    counted: Counted,
}

#[actor]
impl Huge {
    pub fn byte(&self, at: usize) -> u8 {
        let _ = &self.counted;
        self.bytes[at]
    }
    pub fn boom(&self) {
        panic!("as told");
    }
}

#[test]
fn a_state_that_would_not_fit_on_the_stack_twice() {
    let sys = system(1);
    let alive = Arc::default();
    for (how, reason) in [
        (Addr::stop as fn(&Addr<Huge>), ExitReason::Normal),
        (Addr::kill, ExitReason::Killed),
        (
            |huge| huge.tell().boom().unwrap(),
            ExitReason::Panicked("as told".into()),
        ),
    ] {
        let counted = Counted::new(&alive);
        let huge = sys
            .spawn(Huge {
                bytes: [7; 40 * 1024],
                counted,
            })
            .unwrap();
        assert_eq!(huge.ask().byte(40_000).unwrap(), 7);
        how(&huge);
        assert_eq!(end(&huge), reason);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
    assert_eq!(sys.stats().stacks_abandoned, 0);
}

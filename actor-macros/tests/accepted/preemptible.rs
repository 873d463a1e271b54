//! `#[preemptible]` leaves every other meaning of a function as it was, wherever it is written.
#![deny(
    warnings,
    missing_docs,
    unused,
    nonstandard_style,
    unused_qualifications,
    unreachable_pub,
    clippy::all
)]
#![allow(
    clippy::identity_op,
    clippy::manual_is_multiple_of,
    clippy::never_loop,
    clippy::new_without_default
)]
#![forbid(unsafe_code)]

use actor_core::prelude::*;

/// Labels, `continue`, values of `break`, nested loops, patterns, loops in conditions.
#[preemptible]
pub fn shapes(to: u32) -> u32 {
    let mut sum = 0;
    'outer: for i in 0..to {
        if i == 3 {
            continue;
        }
        let mut j = 0;
        while j < i {
            j += 1;
            if j == 5 {
                continue 'outer;
            }
            if i == 9 {
                break 'outer;
            }
        }
        sum += loop {
            break j;
        };
    }
    while let Some(n) = (sum > 100).then_some(1) {
        sum -= n;
    }
    sum
}

/// What the compiler evaluates is left alone, and so is what runs elsewhere.
#[preemptible]
pub fn constants() -> usize {
    const fn count(to: usize) -> usize {
        let mut n = 0;
        while n < to {
            n += 1;
        }
        n
    }
    const THREE: usize = {
        let mut n = 0;
        while n < 3 {
            n += 1;
        }
        n
    };
    let filled = [0_u8; {
        let mut n = 0;
        while n < 2 {
            n += 1;
        }
        n
    }];
    let typed: [u8; {
        let mut n = 0;
        while n < 1 {
            n += 1;
        }
        n
    }] = [0];
    let block = const {
        let mut n = 0;
        loop {
            n += 1;
            if n == 4 {
                break n;
            }
        }
    };
    let closure = || {
        let mut n = 0;
        while n < 5 {
            n += 1;
        }
        n
    };
    drop(async {
        loop {
            std::future::ready(()).await;
        }
    });
    count(1) + THREE + filled.len() + typed.len() + block + closure()
}

/// Generic, borrowing, and never returning.
#[preemptible]
pub fn longest<'a, T: AsRef<str> + ?Sized>(of: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let mut found: Option<&'a T> = None;
    for text in of {
        if found.is_none_or(|f| f.as_ref().len() < text.as_ref().len()) {
            found = Some(text);
        }
    }
    found
}

/// Never returns.
#[preemptible]
pub fn forever() -> ! {
    loop {}
}

/// An actor with the attribute on a method, and a `const fn` beside it.
#[actor]
pub struct One;

#[actor]
impl One {
    /// Counts.
    #[preemptible]
    pub fn count(&self, to: u32) -> u32 {
        let mut n = 0;
        while n < to {
            n += 1;
        }
        n
    }

    /// New.
    #[must_use]
    pub const fn new() -> Self {
        One
    }
}

/// On the block, below `#[actor]`.
#[actor]
pub struct Below;

#[actor]
#[preemptible]
impl Below {
    /// Counts.
    pub fn count(&mut self, _cx: &mut Cx<Self>, to: u32) -> u32 {
        let mut n = 0;
        for i in 0..to {
            n += i;
        }
        n
    }

    /// Has no loop.
    #[must_use]
    pub const fn new() -> Self {
        Below
    }
}

/// On the block, above `#[actor]`, with a stack of its own.
#[actor]
pub struct Above;

#[preemptible]
#[actor]
impl Above {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        while inbox.recv().is_ok() {}
        Exit::Normal
    }
}

/// On the `impl` of a trait.
pub struct Countdown(u32);

#[preemptible]
impl Iterator for Countdown {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.0 > 0 {
            self.0 -= 1;
            if self.0 % 2 == 0 {
                return Some(self.0);
            }
        }
        None
    }
}

#[test]
fn runs() {
    assert_eq!(shapes(6), 1 + 2 + 4 + 0);
    assert_eq!(constants(), 1 + 3 + 2 + 1 + 4 + 5);
    assert_eq!(longest(["a", "bcd", "ef"].into_iter()), Some("bcd"));
    assert_eq!(Countdown(5).sum::<u32>(), 4 + 2);
    let _ = (One::new(), Below::new(), Above);
}

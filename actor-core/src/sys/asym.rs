//! Asymmetric fences: [`light`] for the side that runs all the time, [`heavy`] for the rare one.
//!
//! # The problem
//! Two threads each announce themselves and then look for the other (Dekker's pattern):
//!
//! ```text
//!   frequent:  a = 1; fence; read b          rare:  b = 1; fence; read a
//! ```
//!
//! At least one must see the other. With ordinary memory that needs a full fence on both sides, about
//! 6 ns each. A run queue is entered by its owner a hundred million times a second and by a thief a few
//! thousand times, so the fence belongs on the thief's side alone.
//!
//! # How
//! Linux's `membarrier(PRIVATE_EXPEDITED)` makes every *running* thread of this process execute a full
//! fence before the call returns; a thread that is not running passes one when it is switched in. So
//! [`light`] need only keep the *compiler* from moving the read above the write: when the rare side calls
//! [`heavy`], then either the frequent thread's write was executed before the fence that the kernel put
//! into it, and is visible once `heavy` returns; or that thread's read comes after the fence, and sees
//! the rare side's write, which was made visible before the call. Cost of `heavy`: about 0.4 us.
//!
//! Where the system call is missing (other systems, seccomp filters, Miri) both sides are a sequentially
//! consistent fence. Under loom too, so that models check the pattern and not the system call.
//!
//! # The choice is made once
//! The first [`heavy`] or [`init`] in the process registers and thereby decides for good. Two orders of
//! events need an argument:
//! - `light` before the decision is a real fence: stronger than needed, and right for both outcomes.
//! - `heavy` always decides first, hence never falls back to a fence while some `light` relies on the
//!   system call. (Were `heavy` to read the flag instead, it could miss a registration that a `light` on
//!   another thread has already seen.)
//!
//! `--cfg asym_fences` at compile time, or [`force_fences`] before the first use, force the fallback.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, when this process is registered for expedited membarriers.
static EXPEDITED: AtomicBool = AtomicBool::new(false);
static DECIDED: Once = Once::new();

/// Decides how the fences work, if nobody has yet. Call it when a runtime starts, so that [`light`] is
/// free from the start.
pub(crate) fn init() {
    DECIDED.call_once(|| {
        if !cfg!(any(loom, miri, asym_fences)) && membarrier::register() {
            EXPEDITED.store(true, Ordering::Release);
        }
    });
}

/// Decides for fences on both sides, if nobody has decided yet. Returns whether fences are in force.
#[cfg(all(test, not(loom)))]
pub(crate) fn force_fences() -> bool {
    DECIDED.call_once(|| {});
    !is_expedited()
}

/// Whether [`light`] is free and [`heavy`] is a system call.
#[cfg(not(loom))]
pub(crate) fn is_expedited() -> bool {
    EXPEDITED.load(Ordering::Relaxed)
}

/// The frequent side's fence, between its write and its read.
#[inline(always)]
pub(crate) fn light() {
    #[cfg(not(loom))]
    if EXPEDITED.load(Ordering::Relaxed) {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    } else {
        fallback();
    }
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(not(loom))]
#[cold]
fn fallback() {
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// The rare side's fence, between its write and its read.
///
/// # Panics
/// If the kernel refuses the barrier it registered this process for (a seccomp filter installed later):
/// going on would be unsound. Hold whatever must be released in a guard.
pub(crate) fn heavy() {
    #[cfg(not(loom))]
    {
        init();
        // Not left to the system call: it may skip the calling thread's own fence when the process has
        // but one thread, and the compiler must not move accesses across either way.
        std::sync::atomic::fence(Ordering::SeqCst);
        if is_expedited() {
            membarrier::barrier();
        }
    }
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(target_os = "linux")]
mod membarrier {
    // From linux/membarrier.h; libc has no names for them on every target.
    const QUERY: libc::c_int = 0;
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn call(command: libc::c_int) -> libc::c_long {
        // SAFETY: membarrier takes two integers (command, flags) and an unused cpu number, and touches
        // no memory of ours. An unknown command or a missing system call is an error return.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    pub(super) fn register() -> bool {
        let supported = call(QUERY);
        supported > 0
            && supported & libc::c_long::from(PRIVATE_EXPEDITED) != 0
            && call(REGISTER_PRIVATE_EXPEDITED) == 0
    }

    #[cfg(not(loom))]
    pub(super) fn barrier() {
        assert_eq!(
            call(PRIVATE_EXPEDITED),
            0,
            "the kernel refuses membarrier(PRIVATE_EXPEDITED) though it was registered"
        );
    }
}

#[cfg(not(target_os = "linux"))]
mod membarrier {
    pub(super) fn register() -> bool {
        false
    }

    #[cfg(not(loom))]
    pub(super) fn barrier() {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, AtomicUsize};

    #[test]
    fn the_choice_is_made_once() {
        init();
        let chosen = is_expedited();
        assert_eq!(
            force_fences(),
            !chosen,
            "a decision in force is not overturned"
        );
        heavy();
        assert_eq!(is_expedited(), chosen);
    }

    /// Dekker's pattern, many rounds: never do both sides miss each other.
    #[test]
    fn one_side_always_sees_the_other() {
        const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
        init();
        let (a, b) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let arrived = AtomicU32::new(0);
        let meet = |target: u32| {
            arrived.fetch_add(1, Ordering::AcqRel);
            let mut backoff = crate::sys::atomic::Backoff::new();
            while arrived.load(Ordering::Acquire) < target {
                backoff.wait();
            }
        };
        std::thread::scope(|s| {
            s.spawn(|| {
                for round in 1..=ROUNDS {
                    meet(round as u32 * 4 - 2);
                    a.store(round, Ordering::Relaxed);
                    light();
                    seen[0].store(b.load(Ordering::Relaxed), Ordering::Relaxed);
                    meet(round as u32 * 4);
                }
            });
            for round in 1..=ROUNDS {
                meet(round as u32 * 4 - 2);
                b.store(round, Ordering::Relaxed);
                heavy();
                seen[1].store(a.load(Ordering::Relaxed), Ordering::Relaxed);
                meet(round as u32 * 4);
                let both = [
                    seen[0].load(Ordering::Relaxed),
                    seen[1].load(Ordering::Relaxed),
                ];
                assert!(
                    both.contains(&round),
                    "round {round}: both sides missed, saw {both:?}"
                );
            }
        });
    }
}

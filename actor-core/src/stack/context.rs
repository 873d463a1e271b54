//! A stack, its control block, and the switch.
//!
//! # The switch
//!
//! 1. [`Stack::resume`] makes the stack's [`Ctx`] the thread's current one, remembers the one before it (stacks nest:
//!    a local scheduler runs inside a microthread), and switches.
//! 2. The stack runs until [`suspend`], until its body returns, or until it hits its guard.
//! 3. Whichever it was left its word in `Ctx::outcome`; `resume` puts the previous `Ctx` back and returns the outcome.
//!
//! Between the code that waits and the switch there is as little as can be: a processor predicts where a call returns to by the
//! calls before, which were another stack's, so each frame that is returned through after a switch costs a misprediction. Hence
//! `inline(always)` from here up to the calls that users make (a yield: 26 ns, and 38 without).
//!
//! The thread's current `Ctx` says which of our stacks was resumed last, not that the caller runs on it: a user's own
//! generator, resumed on one of our stacks, runs elsewhere. [`current`] therefore compares the stack pointer too.

use std::cell::Cell;
use std::fmt;
use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use generator::{LocalGenerator, Scope};

use super::guard;
use super::limits::Counters;

pub(super) type Gen = LocalGenerator<'static, (), ()>;
pub(super) type StackScope = Scope<'static, 'static, (), ()>;

/// What [`check_headroom`] keeps free above the guard: enough to unwind without a panic hook.
const SOFT_RESERVE: usize = 12 * 1024;

/// How far below the stack pointer seen by [`Ctx::suspend_unchecked`] the frames of the switch may reach.
const SWITCH_FRAMES: usize = if cfg!(debug_assertions) { 2048 } else { 1024 };

thread_local! {
    /// Const-initialised and without a destructor: the signal handler reads it.
    static CURRENT: Cell<*const Ctx> = const { Cell::new(ptr::null()) };
}

/// Why [`Stack::resume`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Resumed {
    /// The body called [`suspend`].
    Suspended,
    /// The body returned. Resuming again starts it afresh.
    Finished,
    /// The stack hit its guard and is abandoned: dropping the [`Stack`] leaks it, as it must.
    Overflowed,
}

/// The payload with which the runtime unwinds a stack that is short of headroom.
#[derive(Debug)]
pub(crate) struct Overflow;

/// Control block of a stack. Lives in the entry loop's frame, on the stack's top page.
pub(crate) struct Ctx {
    /// Lowest usable address.
    bottom: usize,
    /// Bytes above `bottom` that are the soft reserve.
    reserve: usize,
    top: usize,
    /// Start of the mapping, which is the start of the guard; the guard ends at `bottom`.
    low: usize,
    scope: Cell<*mut StackScope>,
    /// Stack pointer at the last suspension.
    parked_sp: Cell<usize>,
    data: Cell<*mut ()>,
    /// Owner of the counts, from `Arc::into_raw`.
    counters: *const Counters,
    body: fn(),
    id: u64,
    /// Scopes on this stack that have lent its memory to others. Read by the signal handler.
    lending: AtomicU32,
    outcome: Cell<Resumed>,
    retiring: Cell<bool>,
    guarded: bool,
    aborts: bool,
    class: u8,
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx")
            .field("id", &self.id)
            .field("outcome", &self.outcome.get())
            .finish_non_exhaustive()
    }
}

impl Ctx {
    /// Number of the stack, unique in the process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The addresses code may use.
    pub(crate) fn bounds(&self) -> Range<usize> {
        self.bottom..self.top
    }

    /// The user slot.
    pub(crate) fn data(&self) -> *mut () {
        self.data.get()
    }

    pub(crate) fn set_data(&self, data: *mut ()) {
        self.data.set(data);
    }

    /// Back to the resumer; returns when resumed again.
    ///
    /// # Safety
    ///
    /// The caller runs on this very stack: [`current`] just said so.
    #[inline(always)]
    pub(crate) unsafe fn suspend_unchecked(&self) {
        self.parked_sp.set(stack_pointer());
        // SAFETY: `scope` points into the entry loop's frame, which lives as long as anything runs on this stack. Only
        // the running side uses it, one call at a time. generator's top context is ours, because the caller runs on
        // this stack and contexts are pushed and popped with the switches.
        unsafe { (*self.scope.get()).yield_with(()) };
    }

    pub(super) fn guard(&self) -> Range<usize> {
        self.low..self.bottom
    }

    pub(super) fn aborts(&self) -> bool {
        self.aborts
    }

    pub(super) fn is_lending(&self) -> bool {
        self.lending.load(Ordering::Relaxed) != 0
    }

    /// For the signal handler: leaves the running frames behind and continues after `resume`.
    ///
    /// # Safety
    ///
    /// The thread was running on this stack when the signal arrived, and generator's top context is this stack's.
    pub(super) unsafe fn abandon(&self) -> ! {
        self.outcome.set(Resumed::Overflowed);
        // SAFETY: as in `suspend_unchecked`; the call runs on the signal stack, whose frame is never returned to,
        // because an overflowed stack is never resumed. The kernel takes the signal stack as free as soon as the stack
        // pointer has left it.
        unsafe { (*self.scope.get()).yield_with(()) };
        std::process::abort()
    }
}

/// What the entry loop needs to make the control block; lives on the creator's stack until the entry loop has read it.
pub(super) struct Seed {
    pub(super) low: usize,
    pub(super) bottom: usize,
    pub(super) top: usize,
    pub(super) counters: *const Counters,
    pub(super) body: fn(),
    pub(super) id: u64,
    pub(super) guarded: bool,
    pub(super) aborts: bool,
    pub(super) class: u8,
    /// Answer: where the control block is.
    pub(super) made: *const Ctx,
}

/// The function at the root of each stack.
///
/// # Safety
///
/// `seed` stays valid, and is not otherwise accessed, until the first yield.
#[inline]
pub(super) unsafe fn entry(mut scope: Scope<'_, '_, (), ()>, seed: *mut Seed) {
    let ctx;
    // SAFETY: as required above.
    unsafe {
        let size = (*seed).top - (*seed).bottom;
        ctx = Ctx {
            bottom: (*seed).bottom,
            reserve: SOFT_RESERVE.min(size / 8 * 3),
            top: (*seed).top,
            low: (*seed).low,
            scope: Cell::new((&raw mut scope).cast()),
            parked_sp: Cell::new(0),
            data: Cell::new(ptr::null_mut()),
            counters: (*seed).counters,
            body: (*seed).body,
            id: (*seed).id,
            lending: AtomicU32::new(0),
            outcome: Cell::new(Resumed::Finished),
            retiring: Cell::new(false),
            guarded: (*seed).guarded,
            aborts: (*seed).aborts,
            class: (*seed).class,
        };
        (*seed).made = &raw const ctx;
    }
    loop {
        // SAFETY: this is the stack of `ctx`.
        unsafe { ctx.suspend_unchecked() };
        if !ctx.retiring.get() {
            call(ctx.body);
            ctx.outcome.set(Resumed::Finished);
        }
        if ctx.retiring.get() {
            return;
        }
    }
}

/// A body must catch its own panics. One that escapes would leave the control block dangling, so it stops here: leaving
/// an `extern "C"` function by unwinding aborts with a message.
#[expect(
    improper_ctypes_definitions,
    reason = "called from Rust only; the ABI is for its abort on unwinding"
)]
extern "C" fn call(body: fn()) {
    body();
}

/// A stack taken from a [`Pool`](super::Pool). Bound to the thread of the pool.
///
/// Give it back when it is idle. Dropping it instead leaks the stack and counts it as abandoned.
pub(crate) struct Stack {
    generator: ManuallyDrop<Gen>,
    ctx: NonNull<Ctx>,
    not_send: PhantomData<*mut ()>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.ctx(), f)
    }
}

impl Stack {
    /// # Safety
    ///
    /// `generator` runs [`entry`] with `seed`, whose fields describe it, and has not been started.
    pub(super) unsafe fn start(mut generator: Gen, seed: *mut Seed) -> Stack {
        // Runs the entry loop up to its first yield, which fills in `made`.
        generator.resume();
        // SAFETY: `made` points to the entry loop's control block, which lives until the generator is done.
        let ctx = unsafe { NonNull::new_unchecked((*seed).made.cast_mut()) };
        Stack {
            generator: ManuallyDrop::new(generator),
            ctx,
            not_send: PhantomData,
        }
    }

    pub(super) fn ctx(&self) -> &Ctx {
        // SAFETY: the entry loop's frame lives as long as the generator is not done, and it is done only in `retire`,
        // which consumes the stack. All fields that change are cells or atomics, and the other party that changes them,
        // the code on the stack, runs on this thread.
        unsafe { self.ctx.as_ref() }
    }

    /// Runs the stack until it suspends, finishes or overflows.
    #[inline(always)]
    pub(crate) fn resume(&mut self) -> Resumed {
        let ctx = self.ctx.as_ptr();
        if self.ctx().outcome.replace(Resumed::Suspended) == Resumed::Overflowed {
            self.ctx().outcome.set(Resumed::Overflowed);
            return Resumed::Overflowed;
        }
        let before = CURRENT.replace(ctx);
        self.generator.resume();
        CURRENT.set(before);
        self.ctx().outcome.get()
    }

    /// The addresses code on this stack may use.
    pub(crate) fn bounds(&self) -> Range<usize> {
        self.ctx().bounds()
    }

    /// Number of the stack, unique in the process.
    #[cfg(test)]
    pub(crate) fn id(&self) -> u64 {
        self.ctx().id
    }

    /// Bytes from the top of the stack to its lowest resident page: the deepest it has been, by page, since its pages
    /// were last given back.
    #[cfg(test)]
    pub(crate) fn high_water(&self) -> usize {
        high_water(self.bounds())
    }

    /// Sets the user slot, which code on the stack reads with [`current_data`].
    pub(crate) fn set_data(&mut self, data: *mut ()) {
        self.ctx().set_data(data);
    }

    /// The user slot.
    pub(crate) fn data(&self) -> *mut () {
        self.ctx().data()
    }

    pub(super) fn class(&self) -> usize {
        usize::from(self.ctx().class)
    }

    pub(super) fn is_overflowed(&self) -> bool {
        self.ctx().outcome.get() == Resumed::Overflowed
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.ctx().guarded
    }

    pub(super) fn counters(&self) -> *const Counters {
        self.ctx().counters
    }

    /// The whole mapping, guard included.
    pub(super) fn mapping(&self) -> Range<usize> {
        self.ctx().low..self.ctx().top
    }

    /// Gives back every page below the frames of the suspended stack.
    pub(super) fn discard(&self) {
        let ctx = self.ctx();
        let live = (ctx.parked_sp.get() - SWITCH_FRAMES) & !(guard::page_size() - 1);
        if live > ctx.bottom {
            // SAFETY: the stack is suspended (we hold it, and it is not running), so nothing below the frames of the
            // switch is live.
            unsafe { guard::discard(ctx.bottom..live) };
        }
    }

    /// Asks an idle stack to return from its body and entry loop. On success the generator is done: it may be dropped
    /// once its guard is disarmed. Otherwise the body did not comply, and the stack comes back.
    pub(super) fn retire(mut self) -> Result<Retired, Stack> {
        if self.is_overflowed() {
            return Err(self);
        }
        let (mapping, guarded, counters) = (self.mapping(), self.is_guarded(), self.counters());
        self.ctx().retiring.set(true);
        // Not through `resume`, which reads the control block afterwards.
        let before = CURRENT.replace(self.ctx.as_ptr());
        self.generator.resume();
        CURRENT.set(before);
        if !self.generator.is_done() {
            self.ctx().retiring.set(false);
            return Err(self);
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again, so the generator is taken once. `counters` came from `Arc::into_raw`, and
        // the stack's share ends here.
        let (generator, counters) = unsafe {
            (
                ManuallyDrop::take(&mut this.generator),
                Arc::from_raw(counters),
            )
        };
        Ok(Retired {
            generator: ManuallyDrop::new(generator),
            mapping,
            guarded,
            counters,
        })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // The generator is leaked, and with it the stack's share of the counters: see `ManuallyDrop`.
        // SAFETY: the share the stack holds keeps the counters alive.
        unsafe { (*self.counters()).abandon() };
    }
}

/// A stack whose generator is done. Dropping this leaks it; [`Retired::unmap`] does not.
pub(super) struct Retired {
    generator: ManuallyDrop<Gen>,
    pub(super) mapping: Range<usize>,
    pub(super) guarded: bool,
    pub(super) counters: Arc<Counters>,
}

impl Retired {
    /// # Safety
    ///
    /// A guarded stack has been disarmed.
    pub(super) unsafe fn unmap(mut self) {
        // SAFETY: `self` is consumed, so this happens once.
        unsafe { ManuallyDrop::drop(&mut self.generator) };
    }
}

/// The stack the caller runs on; `None` on an OS thread's own stack and inside a generator that is not ours.
#[inline]
#[cfg(test)]
pub(crate) fn current() -> Option<NonNull<Ctx>> {
    on_current(|ctx| NonNull::from(ctx))
}

#[inline(always)]
fn on_current<R>(f: impl FnOnce(&Ctx) -> R) -> Option<R> {
    let ctx = CURRENT.get();
    if ctx.is_null() {
        return None;
    }
    // SAFETY: `resume` sets CURRENT for as long as the stack runs, and the control block outlives that.
    let ctx = unsafe { &*ctx };
    ctx.bounds().contains(&stack_pointer()).then(|| f(ctx))
}

/// The addresses that the stack the caller runs on may use.
pub(crate) fn current_bounds() -> Option<Range<usize>> {
    on_current(Ctx::bounds)
}

/// Bytes from the top of a stack with these bounds to its lowest resident page: the deepest it has been, by page, since its
/// pages were last given back. Reads page tables, and no memory.
pub(crate) fn high_water(bounds: Range<usize>) -> usize {
    bounds.end - guard::lowest_resident(bounds)
}

/// The stack last resumed on this thread, without a look at the stack pointer: for the signal handler.
pub(super) fn resumed_last() -> Option<NonNull<Ctx>> {
    NonNull::new(CURRENT.get().cast_mut())
}

/// The user slot of the stack the caller runs on; null when it runs on none.
#[inline]
pub(crate) fn current_data() -> *mut () {
    on_current(Ctx::data).unwrap_or(ptr::null_mut())
}

/// Whether the stack the caller runs on is to be retired: the body must return.
#[inline]
pub(crate) fn retiring() -> bool {
    on_current(|ctx| ctx.retiring.get()).unwrap_or(false)
}

/// Back to the resumer; returns when resumed again.
///
/// # Panics
///
/// When the caller does not run on one of our stacks: the runtime asks [`current`] first.
#[inline(always)]
pub(crate) fn suspend() {
    // SAFETY: `on_current` checked that we run on this stack.
    let suspended = on_current(|ctx| unsafe { ctx.suspend_unchecked() });
    assert!(suspended.is_some(), "suspend() called off a stack");
}

/// As [`suspend`], unless the stack is to be retired. Whether it is, once this returns: then the body must return.
///
/// # Panics
///
/// As [`suspend`].
#[inline(always)]
pub(crate) fn suspend_idle() -> bool {
    let retiring = on_current(|ctx| {
        if !ctx.retiring.get() {
            // SAFETY: as in `suspend`.
            unsafe { ctx.suspend_unchecked() };
        }
        ctx.retiring.get()
    });
    retiring.expect("suspend_idle() called off a stack")
}

/// Begins (or ends) a span in which memory of the current stack is lent to others, who would go on using it if the
/// stack were abandoned: an overflow then aborts the process. Spans nest. Does nothing off a stack.
pub(crate) fn set_lending(lends: bool) {
    on_current(|ctx| {
        let depth = ctx.lending.load(Ordering::Relaxed);
        ctx.lending.store(
            if lends {
                depth + 1
            } else {
                depth.saturating_sub(1)
            },
            Ordering::Relaxed,
        );
        // The reader is a signal handler on this thread: order against the code between begin and end.
        compiler_fence(Ordering::SeqCst);
    });
}

/// Bytes left above the soft reserve: zero when it is reached, `usize::MAX` off our stacks.
#[inline]
#[cfg(test)]
pub(crate) fn headroom() -> usize {
    on_current(|ctx| stack_pointer().saturating_sub(ctx.bottom + ctx.reserve)).unwrap_or(usize::MAX)
}

/// `Err` when the caller's stack has reached its soft reserve. The caller raises it with [`raise_overflow`].
#[inline]
pub(crate) fn check_headroom() -> Result<(), Overflow> {
    let ctx = CURRENT.get();
    if ctx.is_null() {
        return Ok(());
    }
    // SAFETY: as in `on_current`.
    let ctx = unsafe { &*ctx };
    // One comparison answers both "on this stack" and "in its reserve".
    if stack_pointer().wrapping_sub(ctx.bottom) < ctx.reserve {
        Err(Overflow)
    } else {
        Ok(())
    }
}

/// How much of the stack [`before_section`] sees to.
const SECTION: usize = 4096;

/// Makes an overflow that is near happen here: for the entry of a section that must not be left in the middle, where nothing can
/// be raised. A stack that is abandoned here has not entered it.
#[inline]
pub(crate) fn before_section() {
    if check_headroom().is_err() {
        touch_ahead();
    }
}

#[cold]
#[inline(never)]
fn touch_ahead() {
    let mut ahead = [MaybeUninit::<u8>::uninit(); SECTION];
    ahead[0].write(0);
    black_box(&mut ahead);
}

/// Unwinds with the payload [`Overflow`]; no panic hook runs.
#[cold]
pub(crate) fn raise_overflow() -> ! {
    std::panic::resume_unwind(Box::new(Overflow))
}

#[inline(always)]
pub(super) fn stack_pointer() -> usize {
    let sp: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags));
    }
    sp
}

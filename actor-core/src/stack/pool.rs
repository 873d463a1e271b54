//! Pools of idle stacks: growing, caching and shrinking.
//!
//! Each worker has a [`Pool`]; all pools of a runtime share a [`Shared`]. Taking and giving back a cached stack touches
//! no shared memory: counts are the pool's own (others only read them), and permits against `max_stacks` are drawn and
//! returned in chunks of at most a thousandth of the limit. With fewer than 2,048 stacks allowed the chunk is one, and
//! the limit exact; above, a worker may refuse when the others hold up to two unused chunks each.
//!
//! A permit is for a *live* stack. Idle ones do not count, so that a burst on one worker does not starve the others.
//!
//! # Growing
//!
//! A pool with many live stacks maps new ones in batches, up to [`RUN`] at once, and one pool of the process at a time.
//! The kernel places mappings side by side, so a batch is contiguous; were stacks mapped singly, those of two workers
//! would alternate in memory, no run would ever be idle as a whole, and shrinking would find nothing to unmap.
//!
//! # Shrinking
//!
//! [`Pool::trim`] first unmaps, where more than `keep_idle` stacks of a size are idle, whole address-contiguous runs of
//! at least [`RUN`] of them (why: the invariant in [`guard`]); protected stacks go singly. It then gives back all pages
//! of the remaining idle stacks except those with live frames, usually one. A stack trimmed once is not visited again
//! until it has been used, and runs are not looked for again until a share of the idle stacks is new.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use generator::Gn;

use super::context::{self, Retired, Seed, Stack};
use super::guard::{self, Armed, MAPPINGS_EACH};
use super::limits::{Counters, LimitReached, MIN_SIZE, OverflowPolicy, Shared, bump};
use super::overflow;

/// Shortest run of guarded stacks that is unmapped.
pub(super) const RUN: usize = 64;

/// Stacks for which one probe of the address space is taken to hold.
const PROBE_AHEAD: usize = 64;

/// Size classes: powers of two pages. Address space is what rounding up costs, not memory.
const CLASSES: usize = 32;

/// Idle stacks of one size.
#[derive(Debug, Default)]
struct Class {
    idle: Vec<Stack>,
    /// This many at the bottom of `idle` have been trimmed and not used since.
    clean: usize,
    /// This many at the bottom of `idle` were there when runs were last looked for, and not used since.
    settled: usize,
    /// Runs to be unmapped, each in order of address.
    doomed: Vec<Vec<Stack>>,
}

impl Class {
    #[inline]
    fn pop(&mut self) -> Option<Stack> {
        if self.idle.is_empty() {
            // Needed again before it was unmapped.
            self.idle = self.doomed.pop()?;
        }
        let stack = self.idle.pop()?;
        self.clean = self.clean.min(self.idle.len());
        self.settled = self.settled.min(self.idle.len());
        Some(stack)
    }

    /// How many idle stacks are beyond `keep_idle`; zero when looking for them would hardly be worth a visit to each:
    /// too few for a run, or too few of them new since the last look.
    fn surplus(&self, shared: &Shared) -> usize {
        let surplus = self.idle.len().saturating_sub(shared.config.keep_idle);
        let new = self.idle.len() - self.settled;
        let (enough, enough_new) = if shared.guarded {
            (RUN, (self.settled / 32).max(RUN / 4))
        } else {
            (1, 1)
        };
        if surplus >= enough && new >= enough_new {
            surplus
        } else {
            0
        }
    }
}

/// A worker's stacks. Bound to its thread.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    body: fn(),
    classes: [Class; CLASSES],
    default_class: usize,
    /// Permits drawn and not used.
    spare: usize,
    /// Bytes of address space the last probe vouches for.
    probed: usize,
}

impl Pool {
    /// A pool for this thread. `body` runs on a stack each time it is resumed from the start. It must catch its panics,
    /// and return when [`retiring`](super::retiring) says so after [`suspend`](super::suspend).
    pub(crate) fn new(shared: Arc<Shared>, body: fn()) -> Self {
        overflow::prepare_thread();
        let counters = Counters::new(&shared);
        let default_class = class_of(shared.config.stack_size);
        Pool {
            shared,
            counters,
            body,
            classes: Default::default(),
            default_class,
            spare: 0,
            probed: 0,
        }
    }

    /// A stack of at least `size` bytes (0: the configured size), whose next `resume` runs or continues the body.
    #[inline]
    pub(crate) fn take(&mut self, size: usize) -> Result<Stack, LimitReached> {
        let class = if size == 0 {
            self.default_class
        } else {
            class_of(size)
        };
        if self.spare > 0
            && let Some(stack) = self.classes.get_mut(class).and_then(Class::pop)
        {
            bump(&self.counters.idle, -1);
            self.spare -= 1;
            bump(&self.counters.live, 1);
            return Ok(stack);
        }
        self.take_slowly(class, size)
    }

    /// Without a permit in hand, or without a stack.
    #[cold]
    fn take_slowly(&mut self, class: usize, size: usize) -> Result<Stack, LimitReached> {
        if class >= CLASSES {
            return Err(LimitReached::TooLarge {
                size,
                limit: guard::max_stack_size(),
            });
        }
        if self.spare == 0 {
            self.spare = self.shared.draw();
            if self.spare == 0 {
                return Err(LimitReached::Configured {
                    limit: self.shared.config.max_stacks,
                });
            }
        }
        let stack = match self.classes[class].pop() {
            Some(stack) => {
                bump(&self.counters.idle, -1);
                stack
            }
            None => match self.grow(class) {
                Ok(stack) => stack,
                Err(refused) => {
                    self.shared.put_back(std::mem::take(&mut self.spare));
                    return Err(refused);
                }
            },
        };
        self.spare -= 1;
        bump(&self.counters.live, 1);
        Ok(stack)
    }

    /// Takes back an idle stack: one whose body has returned or is suspended with nothing on it. An overflowed stack is
    /// abandoned.
    #[inline]
    pub(crate) fn give(&mut self, stack: Stack) {
        debug_assert!(
            ptr::eq(stack.counters(), &raw const *self.counters),
            "a stack goes back to its own pool"
        );
        if stack.is_overflowed() {
            return;
        }
        bump(&self.counters.live, -1);
        bump(&self.counters.idle, 1);
        self.classes[stack.class()].idle.push(stack);
        self.spare += 1;
        if self.spare >= 2 * self.shared.chunk || self.shared.chunk == 1 {
            let back = self.spare.min(self.shared.chunk);
            self.shared.put_back(back);
            self.spare -= back;
        }
    }

    /// Shrinks what idle stacks hold; for a worker that is about to sleep.
    pub(crate) fn trim(&mut self) {
        while self.trim_some(usize::MAX) {}
    }

    /// Whether trimming would find anything to do.
    pub(crate) fn wants_trim(&self) -> bool {
        self.classes.iter().any(|class| {
            class.surplus(&self.shared) > 0
                || !class.doomed.is_empty()
                || class.clean < class.idle.len()
        })
    }

    /// As [`trim`](Self::trim), but leaves off after unmapping or visiting about `budget` stacks; true when there is more
    /// to do. Unmapping a stack takes some 10 us, a visit 1 us.
    pub(crate) fn trim_some(&mut self, mut budget: usize) -> bool {
        for class in 0..CLASSES {
            self.doom_surplus(class);
            while let Some(mut run) = self.classes[class].doomed.pop() {
                if budget == 0 {
                    self.classes[class].doomed.push(run);
                    return true;
                }
                // From the upper end, leaving nothing or a run: the pieces border on one another, so that they split
                // the mapping once, as one run would.
                let portion = budget.max(RUN);
                if run.len() >= portion.saturating_add(RUN) {
                    let upper = run.split_off(run.len() - portion);
                    self.classes[class].doomed.push(run);
                    run = upper;
                }
                budget = budget.saturating_sub(run.len());
                self.unmap(run);
            }
            let class = &mut self.classes[class];
            while class.clean < class.idle.len() {
                if budget == 0 {
                    return true;
                }
                class.idle[class.clean].discard();
                class.clean += 1;
                budget -= 1;
            }
        }
        false
    }

    /// Selects idle stacks of a class beyond `keep_idle` for unmapping.
    fn doom_surplus(&mut self, class: usize) {
        let class = &mut self.classes[class];
        let mut surplus = class.surplus(&self.shared);
        if surplus == 0 {
            return;
        }
        let mut keep = Vec::new();
        for mut run in runs(std::mem::take(&mut class.idle)) {
            let fit = run.len().min(surplus);
            if fit >= RUN || (fit > 0 && !run[0].is_guarded()) {
                keep.extend(run.drain(fit..));
                surplus -= fit;
                class.doomed.push(run);
            } else {
                keep.extend(run);
            }
        }
        // From now on in order of address, the lowest first; taking prefers the highest.
        (class.clean, class.settled) = (0, keep.len());
        class.idle = keep;
    }

    /// Retires and unmaps a run of idle stacks, which are in order of address.
    fn unmap(&mut self, run: Vec<Stack>) {
        let mut retired: Vec<Retired> = Vec::with_capacity(run.len());
        for stack in run {
            bump(&self.counters.idle, -1);
            match stack.retire() {
                Ok(stack) => retired.push(stack),
                Err(stubborn) => {
                    // The body did not return. The stack is leaked: live for a moment, so that its `Drop` counts right.
                    bump(&self.counters.live, 1);
                    drop(stubborn);
                    free(&mut retired);
                }
            }
        }
        free(&mut retired);
    }

    /// Maps new stacks; returns one, and caches the others.
    #[cold]
    fn grow(&mut self, class: usize) -> Result<Stack, LimitReached> {
        /// Held while a batch is mapped, so that nothing of another pool gets in between.
        static GROWING: Mutex<()> = Mutex::new(());

        let batch = (self.counters.live.load(Ordering::Relaxed) / 8).clamp(1, RUN);
        let growing = GROWING.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.create(class)?;
        for _ in 1..batch {
            let Ok(stack) = self.create(class) else { break };
            bump(&self.counters.idle, 1);
            self.classes[class].idle.push(stack);
        }
        drop(growing);
        Ok(first)
    }

    /// Maps a new stack.
    fn create(&mut self, class: usize) -> Result<Stack, LimitReached> {
        let page = guard::page_size();
        let guarded = self.shared.guarded;
        let size = page << class;
        // A guard covers the lowest stack page too: ask for one more.
        let len = if guarded { size + page } else { size };
        if len + 2 * page > guard::max_stack_size() {
            return Err(LimitReached::TooLarge {
                size,
                limit: guard::max_stack_size(),
            });
        }
        let mappings = || LimitReached::Mappings {
            limit: guard::mapping_budget() / MAPPINGS_EACH,
            max_map_count: guard::max_map_count(),
        };
        if !guarded && !guard::reserve_mappings(MAPPINGS_EACH) {
            return Err(mappings());
        }
        let result = self.map(class, len, guarded, mappings);
        if result.is_err() && !guarded {
            guard::release_mappings(MAPPINGS_EACH);
        }
        result
    }

    fn map(
        &mut self,
        class: usize,
        len: usize,
        guarded: bool,
        mappings: impl Fn() -> LimitReached,
    ) -> Result<Stack, LimitReached> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);

        let page = guard::page_size();
        self.probe(len + page)?;
        let mut seed = Seed {
            low: 0,
            bottom: 0,
            top: 0,
            counters: ptr::null(),
            body: self.body,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            guarded: false,
            aborts: self.shared.config.overflow == OverflowPolicy::Abort,
            class: class as u8,
            made: ptr::null(),
        };
        let at = &raw mut seed;
        // An even number of words: an odd one would make generator mark, and so touch, every page.
        let words = len / size_of::<usize>();
        let make = || {
            Gn::<()>::new_scoped_opt_local(words, move |scope| {
                // SAFETY: `seed` outlives `Stack::start`, in which the entry loop reads it.
                unsafe { context::entry(scope, at) }
            })
        };
        // The probe makes a refusal unlikely, not impossible.
        let Ok(generator) = catch_unwind(AssertUnwindSafe(make)) else {
            return Err(LimitReached::Memory {
                size: len,
                errno: 0,
            });
        };
        // The control block is smaller than a page and sits at the very top, so its address tells where the top is.
        let block = generator.into_raw();
        let top = (block as usize & !(page - 1)) + page;
        let bottom = top - len;
        let low = bottom - page;
        // SAFETY: `block` was made by `into_raw` just now, with this very type.
        let generator = unsafe { context::Gen::from_raw(block) };
        let armed = if guarded {
            // SAFETY: the stack has not run; by generator's layout `low` is where its mapping and its guard page begin.
            unsafe { guard::arm(low) }
        } else {
            Armed::Protected
        };
        match armed {
            Armed::Guarded => {}
            Armed::Protected if !guarded || guard::reserve_mappings(MAPPINGS_EACH) => {
                // The sentinel's page need not stay resident: whoever drops the generator restores it.
                // SAFETY: the stack has not run; its lowest page holds the sentinel only.
                unsafe { guard::discard(bottom..bottom + page) };
            }
            // Dropping a generator that has not started unmaps it, and looks at nothing.
            Armed::Protected | Armed::Unprotected => return Err(mappings()),
        }
        // SAFETY: `at` is `seed`, and nobody else uses it now.
        unsafe {
            (*at).low = low;
            (*at).bottom = if armed == Armed::Guarded {
                bottom + page
            } else {
                bottom
            };
            (*at).top = top;
            (*at).guarded = armed == Armed::Guarded;
            (*at).counters = Arc::into_raw(Arc::clone(&self.counters));
            Ok(Stack::start(generator, at))
        }
    }

    /// Makes sure that the kernel would map `len` bytes; asks it about every sixty-fourth time.
    fn probe(&mut self, len: usize) -> Result<(), LimitReached> {
        if self.probed < len {
            self.probed = len * PROBE_AHEAD;
            if guard::probe_map(self.probed).is_err() {
                self.probed = len;
                if let Err(error) = guard::probe_map(len) {
                    self.probed = 0;
                    return Err(LimitReached::Memory {
                        size: len,
                        errno: error.raw_os_error().unwrap_or(0),
                    });
                }
            }
        }
        self.probed -= len;
        Ok(())
    }
}

impl Drop for Pool {
    /// Unmaps idle stacks: runs, and short runs while mappings are plentiful; leaks the others.
    fn drop(&mut self) {
        self.shared.put_back(self.spare);
        // A short run may leave a hole in a mapping, which is then two.
        let mut holes = None;
        for class in 0..CLASSES {
            let mut stacks = std::mem::take(&mut self.classes[class].idle);
            stacks.extend(self.classes[class].doomed.drain(..).flatten());
            for run in runs(stacks) {
                let short = run[0].is_guarded() && run.len() < RUN;
                let holes = holes.get_or_insert_with(|| {
                    (guard::max_map_count() / 2).saturating_sub(guard::count_maps())
                });
                if short && *holes == 0 {
                    for stack in run {
                        bump(&self.counters.idle, -1);
                        bump(&self.counters.live, 1);
                        stack.discard();
                        drop(stack);
                    }
                } else {
                    *holes -= usize::from(short);
                    self.unmap(run);
                }
            }
        }
    }
}

/// Disarms and unmaps a run, lowest first, so that at most one mapping is split.
fn free(run: &mut Vec<Retired>) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return;
    };
    let (guarded, span) = (first.guarded, first.mapping.start..last.mapping.end);
    // SAFETY: the stacks are done, contiguous, and all guarded or all not.
    if !unsafe { guard::disarm(guarded, span, run.iter().map(|stack| stack.mapping.start)) } {
        run.iter().for_each(|stack| stack.counters.abandon_idle());
        run.clear();
        return;
    }
    for stack in run.drain(..) {
        if !guarded {
            guard::release_mappings(MAPPINGS_EACH);
        }
        // SAFETY: disarmed above.
        unsafe { stack.unmap() };
    }
}

/// Sorts stacks by address and cuts them into contiguous runs, guarded in the same way.
fn runs(mut stacks: Vec<Stack>) -> impl Iterator<Item = Vec<Stack>> {
    stacks.sort_unstable_by_key(|stack| stack.mapping().start);
    let mut rest = stacks.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut run = vec![rest.next()?];
        while let Some(next) = rest.next_if(|next| follows(&run, next)) {
            run.push(next);
        }
        Some(run)
    })
}

/// Whether `next` begins where `run` ends, and is guarded in the same way.
fn follows(run: &[Stack], next: &Stack) -> bool {
    run.last().is_some_and(|last| {
        last.mapping().end == next.mapping().start && last.is_guarded() == next.is_guarded()
    })
}

/// The class whose stacks have at least `size` bytes; `CLASSES` or more when there is none.
fn class_of(size: usize) -> usize {
    let pages = size.max(MIN_SIZE).div_ceil(guard::page_size());
    match pages.checked_next_power_of_two() {
        Some(pages) => pages.trailing_zeros() as usize,
        None => CLASSES,
    }
}

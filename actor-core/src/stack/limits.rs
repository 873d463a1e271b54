//! What the pools of a runtime share: settings, the limit, the counts, and the error.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::guard::{self, GuardMode};

/// Smallest stack, and the default.
pub(super) const MIN_SIZE: usize = 16 * 1024;
const DEFAULT_SIZE: usize = 64 * 1024;

/// What to do when a stack hits its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverflowPolicy {
    /// Abandon the stack where that can be done, otherwise abort.
    Abandon,
    /// Abort the process.
    Abort,
}

/// Settings of all pools of a runtime.
#[derive(Clone, Debug)]
pub(crate) struct PoolConfig {
    /// Bytes of a stack when none are asked for; at least 16 KiB, rounded up to a power of two.
    pub(crate) stack_size: usize,
    /// Live stacks allowed, over all workers.
    pub(crate) max_stacks: usize,
    /// How guards are made.
    pub(crate) guard: GuardMode,
    /// Idle stacks of each size that a pool keeps mapped when it trims.
    pub(crate) keep_idle: usize,
    /// What an overflow does.
    pub(crate) overflow: OverflowPolicy,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            stack_size: DEFAULT_SIZE,
            max_stacks: 1 << 20,
            guard: GuardMode::Auto,
            keep_idle: 256,
            overflow: OverflowPolicy::Abandon,
        }
    }
}

/// No stack can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum LimitReached {
    /// `max_stacks` stacks are live.
    Configured {
        /// The limit.
        limit: usize,
    },
    /// Protected guard pages have used what `vm.max_map_count` allows.
    Mappings {
        /// Stacks that fit.
        limit: usize,
        /// `vm.max_map_count`.
        max_map_count: usize,
    },
    /// The kernel refused the memory.
    Memory {
        /// Bytes asked for.
        size: usize,
        /// The error, as in `errno`; zero when unknown.
        errno: i32,
    },
    /// The stack asked for is larger than `RLIMIT_STACK` lets a stack be.
    TooLarge {
        /// Bytes asked for.
        size: usize,
        /// Largest possible, in bytes.
        limit: usize,
    },
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            LimitReached::Configured { limit } => {
                write!(
                    f,
                    "all {limit} stacks are in use; raise `max_stacks`, or block in fewer places at once"
                )
            }
            LimitReached::Mappings {
                limit,
                max_map_count,
            } => write!(
                f,
                "about {limit} stacks with protected guard pages fit into vm.max_map_count = {max_map_count}; raise it \
                 with sysctl, or use guards in the page tables (`Guard::Auto`, Linux 6.13)"
            ),
            LimitReached::Memory { size, errno } => write!(
                f,
                "the kernel refused {size} bytes for a stack ({}); see RLIMIT_AS, vm.overcommit_memory and \
                 vm.max_map_count",
                std::io::Error::from_raw_os_error(errno)
            ),
            LimitReached::TooLarge { size, limit } => write!(
                f,
                "a stack of {size} bytes is larger than {limit}, the hard limit of RLIMIT_STACK; raise that, or ask for \
                 less"
            ),
        }
    }
}

impl std::error::Error for LimitReached {}

/// Counts over all pools, each exact for its pool at some recent moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Stacks taken and not given back, without abandoned ones.
    pub(crate) live: usize,
    /// Stacks in caches.
    pub(crate) idle: usize,
    /// Stacks leaked: overflowed, or dropped while live. They count against the limit.
    pub(crate) abandoned: usize,
    /// Mappings due to stacks with protected guards in this process (an estimate).
    pub(crate) mappings: usize,
}

/// What the pools of a runtime share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) config: PoolConfig,
    /// The guard mode after asking the kernel.
    pub(super) guarded: bool,
    /// Permits drawn from the shared count at once.
    pub(super) chunk: usize,
    permits: AtomicUsize,
    pools: Mutex<Vec<Weak<Counters>>>,
}

impl Shared {
    /// Clamps the configuration to what is possible, and asks the kernel what it can do.
    pub(crate) fn new(mut config: PoolConfig) -> Arc<Self> {
        config.stack_size = config.stack_size.max(MIN_SIZE);
        Arc::new(Shared {
            guarded: config.guard == GuardMode::Auto && guard::kernel_has_guards(),
            chunk: (config.max_stacks / 1024).clamp(1, 32),
            permits: AtomicUsize::new(config.max_stacks),
            pools: Mutex::new(Vec::new()),
            config,
        })
    }

    /// Whether stacks get guards in the page tables.
    #[cfg(test)]
    pub(crate) fn guards_in_page_tables(&self) -> bool {
        self.guarded
    }

    /// The current counts.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            mappings: guard::mappings(),
            ..Stats::default()
        };
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for pool in pools.iter().filter_map(Weak::upgrade) {
            stats.live += pool.live.load(Ordering::Relaxed);
            stats.idle += pool.idle.load(Ordering::Relaxed);
            stats.abandoned += pool.abandoned.load(Ordering::Relaxed);
        }
        stats
    }

    /// Draws up to a chunk of permits.
    pub(super) fn draw(&self) -> usize {
        let draw = |left: usize| (left > 0).then(|| left - left.min(self.chunk));
        match self
            .permits
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, draw)
        {
            Ok(left) => left.min(self.chunk),
            Err(_) => 0,
        }
    }

    pub(super) fn put_back(&self, permits: usize) {
        self.permits.fetch_add(permits, Ordering::Relaxed);
    }
}

/// Counts of one pool. Written by its thread only, hence without read-modify-writes; outlives the pool for as long as
/// one of its stacks exists, leaked ones included.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) live: AtomicUsize,
    pub(super) idle: AtomicUsize,
    abandoned: AtomicUsize,
}

#[inline]
pub(super) fn bump(count: &AtomicUsize, by: isize) {
    count.store(
        count.load(Ordering::Relaxed).wrapping_add_signed(by),
        Ordering::Relaxed,
    );
}

impl Counters {
    /// Counts for a new pool, known to `shared`.
    pub(super) fn new(shared: &Shared) -> Arc<Self> {
        let zero = || AtomicUsize::new(0);
        let counters = Arc::new(Counters {
            live: zero(),
            idle: zero(),
            abandoned: zero(),
        });
        let mut pools = shared.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(&counters));
        counters
    }

    /// A live stack was leaked. Its permit is never put back.
    pub(super) fn abandon(&self) {
        bump(&self.live, -1);
        bump(&self.abandoned, 1);
    }

    /// An idle stack, already taken out of the count, was leaked.
    pub(super) fn abandon_idle(&self) {
        bump(&self.abandoned, 1);
    }
}

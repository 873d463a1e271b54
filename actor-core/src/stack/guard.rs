//! Guards, and the count of kernel mappings.
//!
//! `generator` protects each stack's lowest page with `mprotect`, which costs two mappings a stack (guard and stack have
//! different protections, so the kernel cannot merge them). At the default `vm.max_map_count` of 65530 a process would
//! end at about 32,700 stacks, and badly: past the limit, ordinary allocation fails too.
//!
//! Since Linux 6.13 `madvise(MADV_GUARD_INSTALL)` marks pages as guards in the page tables. For each stack:
//!
//! 1. let `generator` map it and protect its guard page;
//! 2. give the guard page back `PROT_READ | PROT_WRITE`: it merges with the stack, and the stack with its neighbours;
//! 3. install the guard over the guard page *and* the lowest stack page. The latter holds `generator`'s sentinel (eight
//!    marked words, by which its `Drop` tells whether the stack was filled), so this frees the page they had touched.
//!
//! Each step is checked. Where the install fails (locked memory), that stack is protected again and counts two mappings.
//! Before a guarded stack is dropped the guard is removed and the sentinel restored ([`disarm`]).
//!
//! **Invariant.** The mappings due to stacks are at most: one a run of address-contiguous guarded stacks, plus two for
//! each stack that is protected the old way, plus two for each thread that is between steps 1 and 2. Unmapping a guarded
//! stack out of the middle of a run would split the run, so guarded stacks are unmapped only in runs of at least
//! [`RUN`](super::pool::RUN): each adds at most one mapping and removes at least that many stacks. An `mprotect`ed stack
//! takes its two mappings with it and may go singly.

use std::io;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How the guard below a stack is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardMode {
    /// In the page tables when the kernel can (Linux 6.13), otherwise as [`GuardMode::Mprotect`].
    Auto,
    /// A protected page: two mappings a stack.
    Mprotect,
}

const MADV_GUARD_INSTALL: libc::c_int = 102;
const MADV_GUARD_REMOVE: libc::c_int = 103;

/// What `generator` writes to the lowest words of a stack, and how many of them when the word count is even.
const SENTINEL: usize = 0xDEAD_BEEF;
const SENTINEL_WORDS: usize = 8;

/// Mappings that a protected stack costs.
pub(super) const MAPPINGS_EACH: usize = 2;

/// Mappings estimated to be due to the stacks of this process: the limit is the process's, so is the count.
static MAPPINGS: AtomicUsize = AtomicUsize::new(0);

pub(super) fn page_size() -> usize {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    let known = PAGE.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: sysconf has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    PAGE.store(page, Ordering::Relaxed);
    page
}

/// The largest stack `generator` maps: the hard limit of `RLIMIT_STACK`.
pub(super) fn max_stack_size() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is a valid place to write an `rlimit`.
        let result = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) };
        if result != 0 {
            1 << 30
        } else {
            usize::try_from(limit.rlim_max).unwrap_or(usize::MAX)
        }
    })
}

/// `vm.max_map_count`.
pub(super) fn max_map_count() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        text.trim().parse().unwrap_or(65530)
    })
}

/// Mappings that stacks may use: an eighth, and not less than 2,048, is left to the rest of the process.
pub(super) fn mapping_budget() -> usize {
    let max = max_map_count();
    max - (max / 8).max(2048).min(max)
}

/// The current estimate of mappings due to stacks that are protected or lie outside a run.
pub(super) fn mappings() -> usize {
    MAPPINGS.load(Ordering::Relaxed)
}

/// Counts `n` mappings against the budget, or nothing when they do not fit.
pub(super) fn reserve_mappings(n: usize) -> bool {
    let fits = |used: usize| (used + n <= mapping_budget()).then_some(used + n);
    MAPPINGS
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
        .is_ok()
}

pub(super) fn release_mappings(n: usize) {
    let _ = MAPPINGS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
        Some(used.saturating_sub(n))
    });
}

/// The mappings this process has now; zero when that cannot be read.
pub(super) fn count_maps() -> usize {
    std::fs::read("/proc/self/maps")
        .map_or(0, |maps| maps.iter().filter(|byte| **byte == b'\n').count())
}

/// Whether the kernel can put guards into the page tables. Probed once.
pub(super) fn kernel_has_guards() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let page = page_size();
        let Ok(probe) = map(page) else { return false };
        // SAFETY: `probe` is a fresh mapping of one page that nothing else refers to.
        unsafe {
            let installed = libc::madvise(probe as *mut _, page, MADV_GUARD_INSTALL) == 0;
            libc::munmap(probe as *mut _, page);
            installed
        }
    })
}

/// Maps and unmaps `len` bytes as `generator` would, to learn whether the kernel would refuse: `generator` answers a
/// refusal with a panic.
pub(super) fn probe_map(len: usize) -> io::Result<()> {
    let at = map(len)?;
    // SAFETY: `at` is a fresh mapping of `len` bytes that nothing refers to.
    unsafe { libc::munmap(at as *mut _, len) };
    Ok(())
}

fn map(len: usize) -> io::Result<usize> {
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no existing memory.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(at as usize)
    }
}

/// What [`arm`] left in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    /// Guard in the page tables, over two pages.
    Guarded,
    /// `generator`'s protected page, as it was.
    Protected,
    /// Nothing guards the stack: it must not be used, and may be dropped as it is.
    Unprotected,
}

/// Turns the protected page at `low` into a guard over it and the page above it (steps 2 and 3).
///
/// # Safety
///
/// `low` is the start of a mapping made by `generator` for a stack that has not run, its first page protected, the
/// second holding the sentinel and nothing else.
pub(super) unsafe fn arm(low: usize) -> Armed {
    let page = page_size();
    let at = low as *mut libc::c_void;
    // SAFETY: both pages belong to the stack's own mapping and hold nothing but the sentinel, which `disarm` restores.
    unsafe {
        // The sentinel tells that the layout is the one we expect; without it nothing is touched.
        if *((low + page) as *const usize) != SENTINEL {
            return Armed::Protected;
        }
        if libc::mprotect(at, page, libc::PROT_READ | libc::PROT_WRITE) != 0 {
            return Armed::Protected;
        }
        if libc::madvise(at, 2 * page, MADV_GUARD_INSTALL) == 0 {
            return Armed::Guarded;
        }
        // A failed install may have covered the first page: its sentinel is outside, but be sure.
        libc::madvise(at, 2 * page, MADV_GUARD_REMOVE);
        write_sentinel(low);
        if libc::mprotect(at, page, libc::PROT_NONE) == 0 {
            Armed::Protected
        } else {
            Armed::Unprotected
        }
    }
}

/// Undoes [`arm`] for every stack in `span`, so that they may be dropped: removes the guards, if `guarded`, and restores
/// the sentinels, without which `generator` takes the stack for filled.
///
/// # Safety
///
/// `span` is made of whole mappings of stacks that will not run again; `lows` are their starts.
pub(super) unsafe fn disarm(
    guarded: bool,
    span: Range<usize>,
    lows: impl Iterator<Item = usize>,
) -> bool {
    // SAFETY: removing guards changes no page that holds data; a sentinel's page is a guard, or of a dead stack.
    unsafe {
        if guarded && libc::madvise(span.start as *mut _, span.len(), MADV_GUARD_REMOVE) != 0 {
            return false;
        }
        lows.for_each(|low| write_sentinel(low));
    }
    true
}

/// # Safety
///
/// `low` is the start of a stack's mapping whose second page is writable and holds nothing of value.
unsafe fn write_sentinel(low: usize) {
    let bottom = (low + page_size()) as *mut usize;
    for word in 0..SENTINEL_WORDS {
        // SAFETY: see above; eight words fit into the page.
        unsafe { bottom.add(word).write(SENTINEL) };
    }
}

/// Gives the pages in `range` back to the kernel; they read as zero when next touched.
///
/// # Safety
///
/// `range` is page aligned and holds nothing of value.
pub(super) unsafe fn discard(range: Range<usize>) {
    if !range.is_empty() {
        // SAFETY: as above. A failure (locked memory) leaves the pages resident, which is harmless.
        unsafe { libc::madvise(range.start as *mut _, range.len(), libc::MADV_DONTNEED) };
    }
}

/// The lowest resident page in `range`, or its end.
pub(super) fn lowest_resident(range: Range<usize>) -> usize {
    let page = page_size();
    let mut seen = [0_u8; 64];
    let mut at = range.start;
    while at < range.end {
        let len = (range.end - at).min(seen.len() * page);
        // SAFETY: `seen` has a byte for each page asked about; mincore only reads page tables.
        if unsafe { libc::mincore(at as *mut _, len, seen.as_mut_ptr()) } != 0 {
            return range.start;
        }
        if let Some(first) = seen[..len / page].iter().position(|flags| flags & 1 != 0) {
            return at + first * page;
        }
        at += len;
    }
    range.end
}

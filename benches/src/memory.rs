//! What the process occupies, as the kernel counts it.
//!
//! Resident memory is read from `/proc/self/smaps_rollup`, which walks the page tables and is exact; the counters
//! behind `/proc/self/status` are kept in portions for each CPU and lag by up to some hundred pages.
//!
//! # Counting guards
//! Whether stacks are guarded is not asked of the library that claims so, but of the kernel. A guard is one of
//! - a run of pages that `/proc/self/pagemap` marks as guard region (bit 58, Linux 6.15): guards in the page tables;
//! - a mapping of one page without any permission: `mprotect`ed guards, of our stacks or of OS threads.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// A look at the process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// Resident bytes.
    pub resident: u64,
    /// Bytes of address space.
    pub virt: u64,
    /// Memory mappings: what `vm.max_map_count` limits.
    pub mappings: u64,
}

impl Memory {
    /// As of now. Looking allocates up to the size of `/proc/self/maps`, and frees it.
    ///
    /// # Errors
    /// If `/proc` does not give it.
    pub fn now() -> io::Result<Self> {
        let statm = fs::read_to_string("/proc/self/statm")?;
        let pages = statm.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
        let resident = rollup.lines().find_map(|line| {
            let kib = line.strip_prefix("Rss:")?.strip_suffix("kB")?;
            Some(kib.trim().parse::<u64>().ok()? * 1024)
        });
        let mappings = fs::read("/proc/self/maps")?;
        Ok(Memory {
            resident: resident.ok_or_else(|| unreadable("smaps_rollup"))?,
            virt: pages.ok_or_else(|| unreadable("statm"))? * page_size(),
            mappings: mappings.iter().filter(|byte| **byte == b'\n').count() as u64,
        })
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::other(format!("/proc/self/{what} is not as expected"))
}

/// The size of a page, from the vector of facts that the kernel gives each process.
fn page_size() -> u64 {
    const AT_PAGESZ: u64 = 6;
    static PAGE: OnceLock<u64> = OnceLock::new();
    *PAGE.get_or_init(|| {
        let facts = fs::read("/proc/self/auxv").unwrap_or_default();
        let words: Vec<u64> = facts
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")))
            .collect();
        let fact = words.chunks_exact(2).find(|fact| fact[0] == AT_PAGESZ);
        fact.map_or(4096, |fact| fact[1])
    })
}

/// Bytes of `pagemap` for each page.
const ENTRY: u64 = 8;
const GUARD_REGION: u64 = 1 << 58;

/// How many guards there are, over all stacks of whatever kind. See the [module](self). `None` if `/proc` does not say.
///
/// Looks at the page tables of all anonymous memory: about a second for a million stacks.
pub fn guards() -> Option<u64> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let pagemap = File::open("/proc/self/pagemap").ok()?;
    let mut guards = 0;
    for line in maps.lines() {
        let Some(mapping) = Mapping::parse(line) else {
            continue;
        };
        match mapping.access {
            "---p" if mapping.range.end - mapping.range.start == page_size() => guards += 1,
            "rw-p" if mapping.anonymous => guards += regions(&pagemap, mapping.range)?,
            _ => {}
        }
    }
    Some(guards)
}

/// Runs of pages in `range` that are marked as guards.
fn regions(pagemap: &File, range: Range<u64>) -> Option<u64> {
    const PAGES: u64 = 1 << 16;
    let mut buffer = vec![0_u8; (PAGES * ENTRY) as usize];
    let (mut regions, mut inside) = (0, false);
    let mut page = range.start / page_size();
    let end = range.end / page_size();
    while page < end {
        let len = ((end - page).min(PAGES) * ENTRY) as usize;
        pagemap
            .read_exact_at(&mut buffer[..len], page * ENTRY)
            .ok()?;
        for entry in buffer[..len].chunks_exact(ENTRY as usize) {
            let entry = u64::from_ne_bytes(entry.try_into().ok()?);
            let guard = entry & GUARD_REGION != 0;
            regions += u64::from(guard && !inside);
            inside = guard;
        }
        page += PAGES;
    }
    Some(regions)
}

struct Mapping<'a> {
    range: Range<u64>,
    access: &'a str,
    anonymous: bool,
}

impl<'a> Mapping<'a> {
    /// One line of `/proc/self/maps`: `start-end access offset device inode [path]`.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let access = fields.next()?;
        let inode = fields.nth(2)?;
        Some(Mapping {
            range: u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?,
            access,
            anonymous: inode == "0",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_is_resident() {
        let before = Memory::now().unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let with = Memory::now().unwrap();
        drop(block);
        assert!(with.resident >= before.resident + (60 << 20));
        assert!(with.virt >= before.virt + (60 << 20));
    }

    #[test]
    fn the_guard_of_a_thread_is_counted() {
        let before = guards().unwrap();
        let (ready, go) = (std::sync::Barrier::new(17), std::sync::Barrier::new(17));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    ready.wait();
                    go.wait();
                });
            }
            ready.wait();
            let with = guards().unwrap();
            go.wait();
            // Threads of other tests, or their stacks that the C library keeps, may be among those before.
            assert!(
                with >= before + 8,
                "{before} before, {with} with 16 threads"
            );
        });
    }
}

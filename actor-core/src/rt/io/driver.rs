//! A worker's entries, and the reading of its poller.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::task::Waker;
use std::time::Duration;

use polling::{Events, Poller};

use super::super::park::Parker;
use super::Interest;

/// Events read by one call.
const BATCH: usize = 256;
/// The key `polling` uses for its own descriptors.
const NOTIFY_KEY: u64 = u64::MAX;

/// A worker's registrations. Only its thread touches them.
pub(crate) struct Driver {
    entries: Vec<Entry>,
    free: Vec<usize>,
    raw: Box<[libc::epoll_event]>,
    /// For `polling`'s own wait.
    events: Events,
    /// The kernel has `epoll_pwait2`, as far as is known.
    precise: bool,
}

/// What is kept of one registration.
#[derive(Default)]
struct Entry {
    readers: Waiters,
    writers: Waiters,
    /// The last edge told that the descriptor is open for more: neither its end nor anything urgent is in sight. Not so
    /// before the first.
    open: bool,
    /// All there was has been read, and no edge has been seen since.
    drained: bool,
}

impl Entry {
    fn waiters(&mut self, interest: Interest) -> &mut Waiters {
        match interest {
            Interest::Read => &mut self.readers,
            Interest::Write => &mut self.writers,
        }
    }

    /// An edge. `open` as in [`Entry`].
    fn notify(
        &mut self,
        (read, write): (bool, bool),
        open: bool,
        wake: &mut impl FnMut(Waiter),
    ) -> bool {
        self.open = open;
        self.drained &= open && !read;
        let readers = read && self.readers.wake_all(wake);
        let writers = write && self.writers.wake_all(wake);
        readers || writers
    }
}

/// Who waits.
pub(in crate::rt) enum Waiter {
    Stack(&'static Parker),
    /// What owns no stack. Not taken out if it gives up: then it is woken for nothing.
    Task(Waker),
}

impl Waiter {
    fn is(&self, other: &Waiter) -> bool {
        match (self, other) {
            (Self::Stack(this), Self::Stack(other)) => ptr::eq(*this, *other),
            (Self::Task(this), Self::Task(other)) => this.will_wake(other),
            _ => false,
        }
    }
}

/// Who waits for one direction of a descriptor: rarely more than one, for whom nothing is allocated.
#[derive(Default)]
struct Waiters {
    first: Option<Waiter>,
    more: Vec<Waiter>,
}

impl Waiters {
    fn push(&mut self, waiter: Waiter) {
        match self.first {
            None => self.first = Some(waiter),
            Some(_) => self.more.push(waiter),
        }
    }

    fn contains(&self, waiter: &Waiter) -> bool {
        self.first.iter().chain(&self.more).any(|it| it.is(waiter))
    }

    fn remove(&mut self, waiter: &Waiter) {
        if self.first.as_ref().is_some_and(|first| first.is(waiter)) {
            self.first = None;
        } else if !self.more.is_empty() {
            self.more.retain(|other| !other.is(waiter));
        }
    }

    /// Empties the list. Whether there was anyone.
    fn wake_all(&mut self, wake: &mut impl FnMut(Waiter)) -> bool {
        let any = self.first.is_some() || !self.more.is_empty();
        self.first.take().into_iter().for_each(&mut *wake);
        self.more.drain(..).for_each(&mut *wake);
        any
    }
}

impl Driver {
    pub(in crate::rt) fn new() -> Self {
        Driver {
            entries: Vec::new(),
            free: Vec::new(),
            raw: vec![libc::epoll_event { events: 0, u64: 0 }; BATCH].into_boxed_slice(),
            events: Events::with_capacity(NonZeroUsize::new(BATCH).expect("not zero")),
            precise: true,
        }
    }

    /// The key of a new entry.
    pub(super) fn insert(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() - 1
        })
    }

    /// Registers `fd` with `poller` under `key`, edge-triggered, for both directions. Not by `polling`'s own function, which
    /// has no way to ask for `EPOLLRDHUP`.
    ///
    /// # Safety
    /// The registration is deleted before `fd` is closed.
    pub(super) unsafe fn register(poller: &Poller, fd: RawFd, key: usize) -> io::Result<()> {
        let events =
            libc::EPOLLET | libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP;
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: key as u64,
        };
        let (epoll, add) = (poller.as_raw_fd(), libc::EPOLL_CTL_ADD);
        // SAFETY: the event is live; the poller is borrowed, so its descriptor is open.
        match unsafe { libc::epoll_ctl(epoll, add, fd, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// A read has taken all there was.
    pub(super) fn drained(&mut self, key: usize) {
        let entry = &mut self.entries[key];
        entry.drained = entry.open;
    }

    /// Whether a read would find nothing, as things stand.
    pub(super) fn is_drained(&self, key: usize) -> bool {
        self.entries[key].drained
    }

    /// Frees an entry whose registration is gone from the kernel.
    pub(super) fn remove(&mut self, key: usize) {
        // Stacks that waited are gone already: each holds the source.
        self.entries[key] = Entry::default();
        self.free.push(key);
    }

    /// Puts `waiter` among those who wait. (step 3)
    pub(super) fn enlist(&mut self, key: usize, interest: Interest, waiter: Waiter) {
        let waiters = self.entries[key].waiters(interest);
        // A stack is not: it takes itself out.
        let is_there = matches!(waiter, Waiter::Task(_)) && waiters.contains(&waiter);
        if !is_there {
            waiters.push(waiter);
        }
    }

    /// Takes `parker` out again, if no event has.
    pub(super) fn retract(&mut self, key: usize, interest: Interest, parker: &'static Parker) {
        let waiter = Waiter::Stack(parker);
        self.entries[key].waiters(interest).remove(&waiter);
    }

    fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// Reads events, waiting for at most `timeout`, and calls `wake` with who waits for them. Whether there were any.
    pub(in crate::rt) fn poll(
        &mut self,
        poller: &Poller,
        timeout: Option<Duration>,
        mut wake: impl FnMut(Waiter),
    ) -> bool {
        if timeout == Some(Duration::ZERO) && self.is_empty() {
            return false;
        }
        match self.fetch(poller, timeout) {
            Some(count) => self.dispatch(poller, count, &mut wake),
            None => self.wait_foreign(poller, timeout, &mut wake),
        }
    }

    /// Fills `raw`; the number of events. `None`: this kernel cannot wait for so precise a time.
    fn fetch(&mut self, poller: &Poller, timeout: Option<Duration>) -> Option<usize> {
        let (fd, buffer) = (poller.as_raw_fd(), self.raw.as_mut_ptr());
        let timeout_ms = match timeout {
            None => -1,
            Some(Duration::ZERO) => 0,
            Some(_) if !self.precise => return None,
            Some(timeout) => {
                let spec = libc::timespec {
                    tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
                    tv_nsec: timeout.subsec_nanos().into(),
                };
                // SAFETY: the descriptor is the poller's, which is borrowed; the buffer has room for BATCH events;
                // `spec` is live; no signal mask is given. By number: not every libc has the function.
                let n = unsafe {
                    libc::syscall(
                        libc::SYS_epoll_pwait2,
                        fd,
                        buffer,
                        BATCH as libc::c_int,
                        &raw const spec,
                        ptr::null::<libc::sigset_t>(),
                        0usize,
                    )
                };
                if n < 0 && is_missing(&io::Error::last_os_error()) {
                    self.precise = false;
                    return None;
                }
                return Some(usize::try_from(n).unwrap_or(0));
            }
        };
        // SAFETY: as above.
        let n = unsafe { libc::epoll_wait(fd, buffer, BATCH as libc::c_int, timeout_ms) };
        // The descriptor is valid, so the only error is an interruption: as good as no event.
        Some(usize::try_from(n).unwrap_or(0))
    }

    /// Wakes who waits for the first `count` events in `raw`.
    fn dispatch(&mut self, poller: &Poller, count: usize, wake: &mut impl FnMut(Waiter)) -> bool {
        let (mut any, mut notified) = (false, false);
        for event in &self.raw[..count] {
            let (flags, key) = (event.events, event.u64);
            if key == NOTIFY_KEY {
                notified = true;
                continue;
            }
            let broken = flags & (libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
            let read = broken || flags & (libc::EPOLLIN | libc::EPOLLPRI) as u32 != 0;
            let write = broken || flags & libc::EPOLLOUT as u32 != 0;
            let open = flags & (libc::EPOLLRDHUP | libc::EPOLLPRI) as u32 == 0 && !broken;
            let entry = usize::try_from(key)
                .ok()
                .and_then(|key| self.entries.get_mut(key));
            if let Some(entry) = entry {
                any |= entry.notify((read, write), open, wake);
            }
        }
        if notified {
            // Only `polling` can re-arm its notification.
            any |= self.wait_foreign(poller, Some(Duration::ZERO), wake);
        }
        any
    }

    /// As [`poll`](Self::poll), by `polling`'s own wait.
    fn wait_foreign(
        &mut self,
        poller: &Poller,
        timeout: Option<Duration>,
        wake: &mut impl FnMut(Waiter),
    ) -> bool {
        self.events.clear();
        if poller.wait(&mut self.events, timeout).is_err() {
            // The descriptor is ours and valid; nothing but a transient lack of memory is possible.
            return false;
        }
        let mut any = false;
        for event in self.events.iter() {
            if let Some(entry) = self.entries.get_mut(event.key) {
                // These events do not tell of the end of a stream.
                any |= entry.notify((event.readable, event.writable), false, wake);
            }
        }
        any
    }
}

/// Whether a system call is not there, or kept from us by a filter that does not know it.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

//! The wait of code that is on no stack: `poll(2)` on the one descriptor.

use std::io;
use std::os::fd::RawFd;
use std::time::Instant;

use super::Interest;

/// Blocks the thread until `fd` may be ready, or `deadline`.
///
/// Urgent data is not asked for: it stays reported until it is read, which a plain read does not do, so the caller's
/// loop would spin.
#[cold]
pub(super) fn wait(fd: RawFd, interest: Interest, deadline: Option<Instant>) -> io::Result<()> {
    let events = match interest {
        Interest::Read => libc::POLLIN,
        Interest::Write => libc::POLLOUT,
    };
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    loop {
        let timeout_ms = match deadline {
            None => -1,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                // Rounded up, lest the last fraction of a millisecond becomes a busy loop.
                libc::c_int::try_from(left.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
            }
        };
        // SAFETY: one live pollfd.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            0 => {}
            n if n > 0 => return Ok(()),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

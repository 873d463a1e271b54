//! What all sockets have in common: the descriptor, where it is registered, its limits, and the loop that waits.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::task::{Poll, Waker};
use std::time::Instant;

use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, c_int};
use socket2::SockRef;

use crate::rt::io::{Interest, Source, take_turn};
use crate::rt::wait;

use super::limits::{Limit, Limits};

/// The most buffers one vectored call takes.
const MAX_BUFFERS: usize = 1024;

/// A socket of std's, and how to wait for it. Handles share it (`try_clone` is another reference), so that there is
/// one descriptor, one registration at each worker that has waited for it, and one set of limits.
#[derive(Debug)]
pub(super) struct Socket<T> {
    // Before `inner`: a source is dropped before its descriptor is closed.
    source: Source,
    limits: Limits,
    inner: T,
}

impl<T: AsFd + AsRawFd> Socket<T> {
    pub(super) fn new(inner: T) -> Self {
        Socket {
            source: Source::new(inner.as_raw_fd()),
            limits: Limits::default(),
            inner,
        }
    }

    pub(super) fn inner(&self) -> &T {
        &self.inner
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn limit(&self, interest: Interest) -> &Limit {
        self.limits.of(interest)
    }

    /// The socket of std's. The registrations go, though the descriptor stays.
    pub(super) fn into_inner(self) -> T {
        let Socket { source, inner, .. } = self;
        drop(source);
        inner
    }

    /// Waits until `inner` may be ready. For operations with a course of their own.
    pub(super) fn wait(&self, interest: Interest, deadline: Option<Instant>) -> io::Result<()> {
        self.source.wait(interest, deadline)
    }

    /// Calls `operation`, which does not block, until it does not say that it would; waits in between, within the
    /// limits of its direction.
    pub(super) fn run<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        take_turn();
        let limit = self.limits.of(interest);
        if limit.has_passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // The end of the wait, once there is one.
        let mut until = None;
        let mut try_first = interest == Interest::Write || !self.source.is_drained();
        loop {
            if try_first {
                match operation(&self.inner) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
            }
            try_first = true;
            let until = *until.get_or_insert_with(|| limit.end_of_wait());
            if let Err(error) = self.source.wait(interest, until) {
                if error.kind() != io::ErrorKind::TimedOut {
                    return Err(error);
                }
                // A worker that was held up finds the event and the end of the time together: what came counts.
                return operation(&self.inner).map_err(|last| match last.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => error,
                    _ => last,
                });
            }
        }
    }

    /// As [`run`](Self::run) until then, for what owns no stack: pending, `waker` is woken when it is worth another call. `None`: it
    /// would not be, here.
    pub(super) fn poll<R>(
        &self,
        interest: Interest,
        until: Option<Instant>,
        waker: &Waker,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Option<Poll<io::Result<R>>> {
        if self.limits.of(interest).has_passed() {
            return Some(Poll::Ready(Err(io::ErrorKind::TimedOut.into())));
        }
        loop {
            match operation(&self.inner) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                done => return Some(Poll::Ready(done)),
            }
        }
        if until.is_some_and(|until| until <= wait::now()) {
            return Some(Poll::Ready(Err(io::ErrorKind::TimedOut.into())));
        }
        match self.source.wake_when_ready(interest, waker) {
            Ok(true) => Some(Poll::Pending),
            Ok(false) => None,
            Err(error) => Some(Poll::Ready(Err(error))),
        }
    }

    pub(super) fn recv(&self, buffer: &mut [u8], flags: c_int) -> io::Result<usize> {
        let buffer = as_uninit(buffer);
        self.run(Interest::Read, |inner| {
            SockRef::from(inner).recv_with_flags(buffer, flags | MSG_DONTWAIT)
        })
    }

    /// As [`recv`](Self::recv) without flags, of a byte stream.
    pub(super) fn recv_stream(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.recv(buffer, 0)?;
        if 0 < length && length < buffer.len() {
            self.source.drained();
        }
        Ok(length)
    }

    pub(super) fn recv_from(
        &self,
        buffer: &mut [u8],
        flags: c_int,
    ) -> io::Result<(usize, SocketAddr)> {
        let buffer = as_uninit(buffer);
        let (length, address) = self.run(Interest::Read, |inner| {
            SockRef::from(inner).recv_from_with_flags(buffer, flags | MSG_DONTWAIT)
        })?;
        match address.as_socket() {
            Some(address) => Ok((length, address)),
            // A socket made elsewhere and passed in as what it is not.
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(super) fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.run(Interest::Read, |inner| {
            // SAFETY: a message header of all zeroes is a valid one, with nothing in it.
            let mut message: libc::msghdr = unsafe { mem::zeroed() };
            // `IoSliceMut` is what the system calls an `iovec`, as std's documentation guarantees.
            message.msg_iov = buffers.as_mut_ptr().cast();
            // The field is of another type in other C libraries.
            message.msg_iovlen = buffers.len().min(MAX_BUFFERS) as _;
            // SAFETY: `message` names `msg_iovlen` live buffers, borrowed mutably, and nothing else.
            let length = unsafe {
                libc::recvmsg(inner.as_raw_fd(), ptr::from_mut(&mut message), MSG_DONTWAIT)
            };
            usize::try_from(length).map_err(|_| io::Error::last_os_error())
        })
    }

    pub(super) fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        self.run(Interest::Write, |inner| {
            SockRef::from(inner).send_with_flags(buffer, MSG_DONTWAIT | MSG_NOSIGNAL)
        })
    }

    pub(super) fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let buffers = &buffers[..buffers.len().min(MAX_BUFFERS)];
        self.run(Interest::Write, |inner| {
            SockRef::from(inner).send_vectored_with_flags(buffers, MSG_DONTWAIT | MSG_NOSIGNAL)
        })
    }

    pub(super) fn send_to(&self, buffer: &[u8], address: SocketAddr) -> io::Result<usize> {
        let address = address.into();
        self.run(Interest::Write, |inner| {
            let flags = MSG_DONTWAIT | MSG_NOSIGNAL;
            SockRef::from(inner).send_to_with_flags(buffer, &address, flags)
        })
    }
}

fn as_uninit(buffer: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the layout is the same, and those this is passed to, socket2's receiving functions, promise to write
    // nothing but bytes.
    unsafe { &mut *(ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) }
}

//! Sockets in an image: a listener is written as its address, and bound again where it is read.
//!
//! Only within an image: whoever writes one looks how many listeners are in it, as they have to be closed here before they can be
//! bound again on the same machine; and whoever reads one learns by its type which address could not be had.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::TcpListener;

/// An address that could not be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unbound {
    pub(crate) address: SocketAddr,
    pub(crate) error: io::ErrorKind,
}

thread_local! {
    static WITHIN: Cell<bool> = const { Cell::new(false) };
    static MET: Cell<usize> = const { Cell::new(0) };
    static UNBOUND: RefCell<Option<Unbound>> = const { RefCell::new(None) };
}

/// Calls `f`, which writes or reads one image.
pub(crate) fn image<R>(f: impl FnOnce() -> R) -> R {
    /// Also when `f` panics.
    struct Outer(bool);
    impl Drop for Outer {
        fn drop(&mut self) {
            WITHIN.set(self.0);
        }
    }
    let _outer = Outer(WITHIN.replace(true));
    MET.set(0);
    UNBOUND.set(None);
    f()
}

/// How many listeners there were in the image that this thread wrote last.
pub(crate) fn met() -> usize {
    MET.get()
}

/// Why the image that this thread read last could not be read, if a listener is why.
pub(crate) fn unbound() -> Option<Unbound> {
    UNBOUND.take()
}

const OUTSIDE: &str = "a listener cannot be serialised by itself, only in an image";

/// In an image: its address, and its timeout. Elsewhere an error.
impl Serialize for TcpListener {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !WITHIN.get() {
            return Err(S::Error::custom(OUTSIDE));
        }
        let address = self.local_addr().map_err(S::Error::custom)?;
        MET.set(MET.get() + 1);
        (address.to_string(), self.timeout()).serialize(to)
    }
}

/// In an image: listens on the address again. Elsewhere an error, as is an address that cannot be had.
impl<'de> Deserialize<'de> for TcpListener {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !WITHIN.get() {
            return Err(D::Error::custom(OUTSIDE));
        }
        let (address, timeout) = <(String, Option<Duration>)>::deserialize(from)?;
        let address: SocketAddr = address.parse().map_err(D::Error::custom)?;
        let bound = TcpListener::bind(address).map_err(|error| {
            let error = error.kind();
            UNBOUND.set(Some(Unbound { address, error }));
            D::Error::custom(format_args!("{address} cannot be listened on: {error}"))
        })?;
        let timeout = timeout.filter(|it| !it.is_zero());
        bound.set_timeout(timeout).map_err(D::Error::custom)?;
        Ok(bound)
    }
}

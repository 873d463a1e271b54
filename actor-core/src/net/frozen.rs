//! Sockets in an image: a listener is written as its address, and bound again where it is read.
//!
//! In a migratable function `accept` is a wait like a receive, at which it can be frozen.
//!
//! Only within an image ([`scope`]): whoever writes one looks how many listeners are in it, as they have to be closed here before
//! they can be bound again on the same machine; and whoever reads one learns by its type which address could not be had.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::{TcpListener, TcpStream};
use crate::image::{DecodeError, scope};
use crate::rt::cx::{Cx, Until};

const OUTSIDE: &str = "a listener cannot be serialised by itself, only in an image";

/// In an image: its address, and its timeout. Elsewhere an error.
impl Serialize for TcpListener {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !scope::is_here() {
            return Err(S::Error::custom(OUTSIDE));
        }
        let address = self.local_addr().map_err(S::Error::custom)?;
        scope::note();
        (address.to_string(), self.timeout()).serialize(to)
    }
}

/// In an image: listens on the address again. Elsewhere an error, as is an address that cannot be had.
impl<'de> Deserialize<'de> for TcpListener {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !scope::is_here() {
            return Err(D::Error::custom(OUTSIDE));
        }
        let (address, timeout) = <(String, Option<Duration>)>::deserialize(from)?;
        let address: SocketAddr = address.parse().map_err(D::Error::custom)?;
        let bound = TcpListener::bind(address).map_err(|error| {
            let error = error.kind();
            D::Error::custom(scope::refuse(DecodeError::Bind { address, error }))
        })?;
        let timeout = timeout.filter(|it| !it.is_zero());
        bound.set_timeout(timeout).map_err(D::Error::custom)?;
        Ok(bound)
    }
}

/// What a migratable function can accept from.
#[diagnostic::on_unimplemented(
    message = "`.accept()` waits in a migratable function, and `{Self}` is nothing that it can wait for",
    note = "a listener that it can wait at, and keep, is an `actor_core::net::TcpListener`",
    note = "to call a method of that name that does not wait, write `{Self}::accept(&value)`; to wait on this machine only, call a function that does"
)]
pub trait Accept {
    /// What it gives.
    type Accepted;

    /// When a wait that begins now is over at the latest.
    fn until(&self) -> Until;

    /// Accepts, or waits.
    fn poll_accept(&self, until: &Until, cx: &mut Cx<'_>) -> Poll<Self::Accepted>;
}

impl Accept for TcpListener {
    type Accepted = io::Result<(TcpStream, SocketAddr)>;

    fn until(&self) -> Until {
        Until::at_most(self.end_of_wait())
    }

    fn poll_accept(&self, until: &Until, cx: &mut Cx<'_>) -> Poll<Self::Accepted> {
        let accepted = TcpListener::poll_accept(self, until.at(), cx.waker());
        match accepted.is_ready() {
            true => cx.done_at_once(),
            false => cx.go_on_at(until.at()),
        }
        accepted
    }
}

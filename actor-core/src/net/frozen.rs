//! Sockets in an image: a listener is written as its address, and bound again where it is read.
//!
//! Only within an image ([`scope`]): whoever writes one looks how many listeners are in it, as they have to be closed here before
//! they can be bound again on the same machine; and whoever reads one learns by its type which address could not be had.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::TcpListener;
use crate::image::{DecodeError, scope};

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

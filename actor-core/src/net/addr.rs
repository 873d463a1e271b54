//! What can be connected or bound to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Deref;

use crate::microthread::blocking;

/// What names one or more socket addresses: those types of std's trait of that name that std itself provides.
///
/// A trait of its own, because std's does not tell whether a look-up is needed: addresses, and strings that hold one,
/// are taken as they are; host names are looked up on an offload thread. For a type with only std's trait, call its
/// `to_socket_addrs` (in [`blocking`] if it may block) and pass the result as a slice.
///
/// ```no_run
/// use actor_core::net::TcpStream;
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// TcpStream::connect("example.org:80")?;
/// TcpStream::connect(("example.org", 80))?;
/// TcpStream::connect((Ipv4Addr::LOCALHOST, 80))?;
/// TcpStream::connect(&["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()][..] as &[SocketAddr])?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

/// One address, as a rule.
#[derive(Debug)]
pub enum Addrs {
    One(SocketAddr),
    Many(Vec<SocketAddr>),
}

impl Deref for Addrs {
    type Target = [SocketAddr];

    fn deref(&self) -> &[SocketAddr] {
        match self {
            Addrs::One(address) => std::slice::from_ref(address),
            Addrs::Many(addresses) => addresses,
        }
    }
}

mod sealed {
    use std::io;

    pub trait Resolve {
        fn resolve(&self) -> io::Result<super::Addrs>;
    }
}

use sealed::Resolve;

/// The addresses of `what`; on a microthread a look-up parks it.
pub(crate) fn resolve(what: &(impl Resolve + ?Sized)) -> io::Result<Addrs> {
    what.resolve()
}

macro_rules! literal {
    ($($kind:ty),*) => {$(
        impl Resolve for $kind {
            fn resolve(&self) -> io::Result<Addrs> {
                Ok(Addrs::One((*self).into()))
            }
        }
    )*};
}

literal!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl Resolve for [SocketAddr] {
    fn resolve(&self) -> io::Result<Addrs> {
        Ok(Addrs::Many(self.to_vec()))
    }
}

impl Resolve for str {
    fn resolve(&self) -> io::Result<Addrs> {
        match self.parse() {
            Ok(address) => Ok(Addrs::One(address)),
            Err(_) => look_up(self),
        }
    }
}

impl Resolve for String {
    fn resolve(&self) -> io::Result<Addrs> {
        self.as_str().resolve()
    }
}

impl Resolve for (&str, u16) {
    fn resolve(&self) -> io::Result<Addrs> {
        match self.0.parse::<IpAddr>() {
            Ok(address) => Ok(Addrs::One((address, self.1).into())),
            Err(_) => look_up(*self),
        }
    }
}

impl Resolve for (String, u16) {
    fn resolve(&self) -> io::Result<Addrs> {
        (self.0.as_str(), self.1).resolve()
    }
}

impl<T: Resolve + ?Sized> Resolve for &T {
    fn resolve(&self) -> io::Result<Addrs> {
        T::resolve(self)
    }
}

fn look_up(name: impl std::net::ToSocketAddrs + Sync) -> io::Result<Addrs> {
    blocking(|| Ok(Addrs::Many(name.to_socket_addrs()?.collect())))
}

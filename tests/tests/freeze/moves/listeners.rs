//! Listeners that move with what has them.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actor_core::image::{DecodeError, Head, Image, Kind};
use actor_core::migrate::{MoveError, Node, Refusal};
use actor_core::net::{TcpListener, TcpStream};
use actor_core::prelude::*;
use actor_core::store::MemoryStore;
use actor_core::{microthread, migratable};
use tests::within;

use super::nodes::{BRIEF, connect};

#[actor(snapshot)]
struct Door {
    listener: TcpListener,
    guests: u32,
}

#[actor]
impl Door {
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
    /// Lets one in, and tells it how many were before.
    pub(crate) fn admit(&mut self) -> u32 {
        let (stream, _) = self.listener.accept().unwrap();
        std::io::Write::write_all(&mut &stream, &self.guests.to_be_bytes()).unwrap();
        self.guests += 1;
        self.guests
    }
}

/// As often as it says, lets one in.
#[migratable]
fn porter(listener: TcpListener, times: u32) {
    let mut guests = 0u32;
    while guests < times {
        microthread::yield_now();
        if admits(&listener, guests) {
            guests += 1;
        }
    }
}

fn admits(listener: &TcpListener, guests: u32) -> bool {
    match listener.accept() {
        Ok((mut stream, _)) => {
            std::io::Write::write_all(&mut stream, &guests.to_be_bytes()).is_ok()
        }
        Err(_) => false,
    }
}

fn node(name: &str, sys: &System) -> Node {
    let builder = Node::builder(name, sys).patience(Duration::from_secs(5));
    let builder = builder.accept_actor::<Door>().accept::<porter>();
    builder.store(Arc::new(MemoryStore::new())).start().unwrap()
}

fn two(a: &System, b: &System) -> (Node, Node) {
    let (here, there) = (node("a", a), node("b", b));
    connect(&here, &there);
    (here, there)
}

/// A door at the node `at`, in its system, and where it is.
fn door(at: &Node, sys: &System, guests: u32) -> (Addr<Door>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = sys.spawn(Door { listener, guests }).unwrap();
    at.adopt("door", &door).unwrap();
    let address = door.ask().address().unwrap();
    (door, address)
}

fn visit(address: SocketAddr) -> u32 {
    loop {
        let mut guests = [0; 4];
        // Between the two there is nobody at the door.
        if let Ok(mut stream) = TcpStream::connect(address)
            && stream.read_exact(&mut guests).is_ok()
        {
            return u32::from_be_bytes(guests);
        }
    }
}

#[test]
fn a_listener_that_an_actor_has_is_bound_again_where_it_goes() {
    within(60, || {
        let (sys_a, sys_b) = (System::new().unwrap(), System::new().unwrap());
        let (a, b) = two(&sys_a, &sys_b);
        let (door, address) = door(&a, &sys_a, 0);
        door.tell().admit().unwrap();
        assert_eq!(visit(address), 0);
        assert!(a.migrate("door", "b").unwrap().confirmed);
        assert!(b.has("door"));
        assert_eq!(door.ask().address().unwrap(), address);
        let admitted = door.request().admit();
        assert_eq!(visit(address), 1);
        assert_eq!(admitted.wait().unwrap(), 2);
    });
}

#[test]
fn a_listener_that_cannot_be_bound_there_stays_and_listens_on() {
    within(60, || {
        let (sys_a, sys_b) = (System::new().unwrap(), System::new().unwrap());
        let a = node("a", &sys_a);
        // Does not know what a door is: it is refused, after the listener was closed here.
        let b = Node::builder("b", &sys_b).patience(BRIEF).start().unwrap();
        connect(&a, &b);
        let (door, address) = door(&a, &sys_a, 7);
        let error = a.migrate("door", "b").unwrap_err();
        assert!(
            matches!(error, MoveError::Refused(Refusal::Unknown(_))),
            "{error}"
        );
        let admitted = door.request().admit();
        assert_eq!(visit(address), 7);
        assert_eq!(admitted.wait().unwrap(), 8);
    });
}

#[test]
fn a_listener_that_a_function_has_is_bound_again_where_it_goes() {
    within(60, || {
        let (sys_a, sys_b) = (System::new().unwrap(), System::new().unwrap());
        let (a, b) = two(&sys_a, &sys_b);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It waits for guests on its own stack: only between two such waits can it be stopped.
        listener
            .set_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        a.spawn("porter", porter(listener, 3)).unwrap();
        assert_eq!(visit(address), 0);
        a.migrate("porter", "b").unwrap();
        assert_eq!(visit(address), 1);
        b.migrate("porter", "a").unwrap();
        assert_eq!(visit(address), 2);
    });
}

#[test]
fn a_listener_is_frozen_in_an_image_only_and_a_taken_address_is_a_typed_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(rmp_serde::to_vec(&listener).is_err());
    let head = Head::new(Kind::Data, "door");
    let image = Image::of(head, &listener).unwrap();
    let error = image.value::<TcpListener>().unwrap_err();
    let taken = DecodeError::Bind {
        address,
        error: std::io::ErrorKind::AddrInUse,
    };
    assert_eq!(error, taken);
    drop(listener);
    let again: TcpListener = image.value().unwrap();
    assert_eq!(again.local_addr().unwrap(), address);
}

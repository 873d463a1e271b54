//! `accept` in migratable functions: a wait like a receive, that a listener is frozen in.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as Client};
use std::time::Duration;

use actor_core::channel::{self, Sender};
use actor_core::migratable::{Suspended, Task};
use actor_core::net::{TcpListener, TcpStream};
use actor_core::{System, microthread, migratable};
use tests::within;

/// Lets so many in, each of whom says a number, and gives the sum of these; tells how many have been.
#[migratable]
fn porter(listener: TcpListener, guests: u32, seen: Sender<u32>) -> io::Result<u64> {
    let mut sum = 0;
    for guest in 1..=guests {
        let (stream, _) = listener.accept()?;
        sum += number(stream);
        let _ = seen.send(guest);
    }
    Ok(sum)
}

/// The same from afar: nothing to tell, and its end cannot be an `io::Error` in an image.
#[migratable]
fn last_error(listener: TcpListener) -> String {
    loop {
        match listener.accept() {
            Ok((stream, _)) => drop(stream),
            Err(error) => return format!("{:?}", error.kind()),
        }
    }
}

fn number(mut stream: TcpStream) -> u64 {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes).unwrap();
    u64::from_be_bytes(bytes)
}

fn visit(address: SocketAddr, n: u64) {
    let mut client = Client::connect(address).unwrap();
    client.write_all(&n.to_be_bytes()).unwrap();
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn accept_is_a_wait_that_holds_no_stack_and_is_frozen_in() {
    within(60, || {
        let sys = System::builder().workers(2).max_stacks(4).build().unwrap();
        let (seen, has_seen) = channel::unbounded();
        // More of them than there are stacks.
        let doors: Vec<_> = (0..20).map(|_| listener()).collect();
        let addresses: Vec<_> = doors.iter().map(|(_, address)| *address).collect();
        let start = |(listener, _)| {
            let call = porter(listener, 3, seen.clone());
            sys.spawn_migratable(call).unwrap()
        };
        let tasks: Vec<Task<porter>> = doors.into_iter().map(start).collect();
        for &address in &addresses {
            visit(address, 1);
            has_seen.recv().unwrap();
        }
        // In the middle of their second wait they are taken off, closed, and opened again from an image.
        let suspended = tasks.into_iter().map(|task| task.suspend().unwrap());
        let suspended: Vec<Suspended<porter>> = suspended.collect();
        let image = migratable::freeze(&suspended).unwrap();
        drop(suspended);
        for address in &addresses {
            let refused = Client::connect(address).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        let woken: Vec<Suspended<porter>> = migratable::thaw(&image).unwrap();
        let tasks = woken.into_iter().map(|one| one.spawn(&sys).unwrap());
        let tasks: Vec<Task<porter>> = tasks.collect();
        for &address in &addresses {
            visit(address, 10);
            visit(address, 100);
        }
        for task in tasks {
            assert_eq!(task.join().unwrap().unwrap(), 111);
        }
    });
}

#[test]
fn whoever_is_killed_in_an_accept_ends_and_its_address_is_free() {
    within(60, || {
        let sys = System::new().unwrap();
        let (seen, has_seen) = channel::unbounded();
        let (listener, address) = listener();
        let task = sys.spawn_migratable(porter(listener, 2, seen)).unwrap();
        visit(address, 1);
        has_seen.recv().unwrap();
        task.kill();
        assert!(matches!(task.join(), Err(microthread::JoinError::Killed)));
        TcpListener::bind(address).unwrap();
    });
}

#[test]
fn a_timeout_and_a_shutdown_end_an_accept_with_stds_errors() {
    within(60, || {
        let sys = System::new().unwrap();
        let (listener, _) = listener();
        listener
            .set_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let task = sys.spawn_migratable(last_error(listener)).unwrap();
        assert_eq!(task.join().unwrap(), "TimedOut");

        let (listener, address) = self::listener();
        let handle = listener.try_clone().unwrap();
        let task = sys.spawn_migratable(last_error(listener)).unwrap();
        drop(Client::connect(address).unwrap());
        handle.shutdown().unwrap();
        assert_eq!(task.join().unwrap(), "InvalidInput");
    });
}

/// Each connection goes to one of those who wait at a listener, on whatever worker they are.
#[test]
fn many_accept_at_one_listener() {
    const EACH: u32 = 50;
    within(60, || {
        let sys = System::builder().workers(2).build().unwrap();
        let (seen, has_seen) = channel::unbounded();
        let (listener, address) = listener();
        let start = |_| {
            let call = porter(listener.try_clone().unwrap(), EACH, seen.clone());
            sys.spawn_migratable(call).unwrap()
        };
        let tasks: Vec<Task<porter>> = (0..4).map(start).collect();
        for n in 0..u64::from(4 * EACH) {
            visit(address, n);
            has_seen.recv().unwrap();
        }
        let sums = tasks.into_iter().map(|task| task.join().unwrap().unwrap());
        assert_eq!(sums.sum::<u64>(), (0..u64::from(4 * EACH)).sum());
    });
}

#[test]
fn where_nothing_would_wake_it_an_accept_waits_as_stds_does() {
    within(60, || {
        let (listener, address) = listener();
        let (seen, has_seen) = channel::unbounded();
        std::thread::scope(|scope| {
            let sum = scope.spawn(|| porter(listener, 2, seen).call().unwrap());
            visit(address, 3);
            has_seen.recv().unwrap();
            visit(address, 4);
            assert_eq!(sum.join().unwrap(), 7);
        });
    });
}

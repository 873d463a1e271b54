//! Who is at the other end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actor_core::migrate::private::{Hello, Role};
use actor_core::migrate::{FarError, FarSide, Secret, TcpFarListener, TcpFarSide};
use tests::within;

use super::wire::{answerer, between, connected, first, secret, settings};

/// Plays the answerer to one caller, with plain bytes; and how that ends for the caller.
fn impostor(play: impl FnOnce(TcpStream) + Send + 'static) -> FarError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let playing = thread::spawn(move || play(listener.accept().unwrap().0));
    let error = TcpFarSide::connect(address, "here", &secret(), settings()).unwrap_err();
    playing.join().unwrap();
    error
}

/// Plays a caller that says just this and waits; how that ends for the answerer, and what it said.
fn stranger(bytes: &[u8]) -> (FarError, Vec<u8>) {
    let (address, end) = answerer(secret(), settings());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    let error = end.join().unwrap().unwrap_err();
    let mut answer = Vec::new();
    // What it did not read makes it a reset.
    let _ = stream.read_to_end(&mut answer);
    (error, answer)
}

/// Reads the caller's hello, of the node `here`.
fn hello(stream: &mut TcpStream) -> Vec<u8> {
    let mut hello = vec![0; 44];
    stream.read_exact(&mut hello).unwrap();
    hello
}

#[test]
fn both_ends_know_each_others_name() {
    let (here, there) = within(60, || connected(settings()));
    assert_eq!((here.node(), there.node()), ("there", "here"));
}

#[test]
fn who_knows_another_secret_is_refused_at_both_ends() {
    within(60, || {
        let (address, end) = answerer(secret(), settings());
        let other = Secret::new(b"another secret of that length").unwrap();
        let caller = TcpFarSide::connect(address, "here", &other, settings());
        assert!(matches!(caller, Err(FarError::Denied)), "{caller:?}");
        let answerer = end.join().unwrap();
        assert!(matches!(answerer, Err(FarError::Proof)), "{answerer:?}");
    });
}

#[test]
fn an_answerer_that_says_all_is_well_must_prove_it() {
    let error = within(60, || {
        impostor(|mut stream| {
            hello(&mut stream);
            let own = Hello::new(Role::Answerer, "there").unwrap();
            stream.write_all(own.bytes()).unwrap();
            stream.read_exact(&mut [0; 32]).unwrap();
            stream.write_all(&[1; 33]).unwrap();
        })
    });
    assert!(matches!(error, FarError::Proof), "{error}");
}

#[test]
fn a_caller_is_not_answered_before_it_has_proved_itself() {
    within(60, || {
        let hello = Hello::new(Role::Caller, "here").unwrap();
        let (error, answer) = stranger(&[hello.bytes(), &[0; 32]].concat());
        assert!(matches!(error, FarError::Proof), "{error}");
        // Its hello, and a no: nothing that is made with the secret.
        assert_eq!(answer.len(), 40 + "there".len() + 1);
        assert_eq!(answer.last(), Some(&0));
    });
}

#[test]
fn another_version_is_named_at_both_ends() {
    within(60, || {
        let mut hello = Hello::new(Role::Caller, "here").unwrap().bytes().to_vec();
        hello[4..6].copy_from_slice(&[7, 9]);
        let (error, answer) = stranger(&hello);
        let FarError::Version { theirs, ours } = error else {
            panic!("{error}");
        };
        assert_eq!((theirs, ours), (0x0709, 1));
        assert_eq!(answer, b"\x89AFS\x00\x01");

        let error = impostor(|mut stream| stream.write_all(b"\x89AFS\x00\x02").unwrap());
        assert!(
            matches!(error, FarError::Version { theirs: 2, ours: 1 }),
            "{error}"
        );
    });
}

#[test]
fn who_does_not_begin_as_a_node_does_is_a_stranger() {
    within(60, || {
        let (error, answer) = stranger(b"GET / HTTP/1.1\r\n\r\n");
        assert!(matches!(error, FarError::Stranger), "{error}");
        assert!(answer.is_empty());
        let error = impostor(|mut stream| stream.write_all(b"SSH-2.0-x\r\n").unwrap());
        assert!(matches!(error, FarError::Stranger), "{error}");
    });
}

#[test]
fn what_is_sent_back_proves_nothing() {
    let error = within(60, || {
        impostor(|mut stream| {
            let hello = hello(&mut stream);
            stream.write_all(&hello).unwrap();
        })
    });
    assert!(matches!(error, FarError::Reflected), "{error}");
    // With the role changed, and the proof sent back.
    let error = within(60, || {
        impostor(|mut stream| {
            let mut hello = hello(&mut stream);
            hello[6] = 2;
            hello[40..44].copy_from_slice(b"hare");
            stream.write_all(&hello).unwrap();
            let mut proof = [0; 33];
            stream.read_exact(&mut proof[1..]).unwrap();
            proof[0] = 1;
            stream.write_all(&proof).unwrap();
        })
    });
    assert!(matches!(error, FarError::Proof), "{error}");
}

#[test]
fn what_was_recorded_proves_nothing() {
    within(60, || {
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let (address, end) = answerer(secret(), settings());
        let tape = recorded.clone();
        let address = between(address, true, move |said| {
            tape.lock().unwrap().extend_from_slice(said);
            (said.to_vec(), true)
        });
        TcpFarSide::connect(address, "here", &secret(), settings()).unwrap();
        end.join().unwrap().unwrap();
        let recorded = recorded.lock().unwrap().clone();
        assert_eq!(recorded.len(), 44 + 32);
        let (error, _) = stranger(&recorded);
        assert!(matches!(error, FarError::Proof), "{error}");
    });
}

#[test]
fn a_node_does_not_greet_itself() {
    within(60, || {
        let (address, end) = answerer(secret(), settings());
        let caller = TcpFarSide::connect(address, "there", &secret(), settings());
        assert!(matches!(caller, Err(FarError::Name)), "{caller:?}");
        let end = end.join().unwrap();
        assert!(matches!(end, Err(FarError::Name)), "{end:?}");
    });
}

#[test]
fn a_greeting_that_trickles_is_ended() {
    within(60, || {
        let mut short = settings();
        short.greeting = Duration::from_millis(50);
        let (address, end) = answerer(secret(), short);
        let hello = Hello::new(Role::Caller, "here").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        // A byte now and then: each is progress, and there is no end to it.
        let mut bytes = hello.bytes().iter().cycle();
        while !end.is_finished() {
            let _ = stream.write_all(&[*bytes.next().unwrap()]);
            thread::park_timeout(Duration::from_millis(5));
            if stream.take_error().unwrap().is_some() {
                break;
            }
        }
        let end = end.join().unwrap();
        assert!(matches!(end, Err(FarError::TimedOut { .. })), "{end:?}");
    });
}

#[test]
fn a_slow_caller_holds_up_no_other() {
    within(60, || {
        let listener = TcpFarListener::bind("127.0.0.1:0", "there", &secret(), settings()).unwrap();
        let address = listener.local_addr().unwrap();
        let _slow = TcpStream::connect(address).unwrap();
        let slow = listener.accept().unwrap();
        let other =
            thread::spawn(move || TcpFarSide::connect(address, "here", &secret(), settings()));
        assert_eq!(listener.accept().unwrap().greet().unwrap().node(), "here");
        other.join().unwrap().unwrap();
        drop(slow);
    });
}

#[test]
fn a_greeting_that_is_cut_anywhere_ends_at_both_ends() {
    for cut in 0..44 + 32 {
        within(60, move || {
            let (address, end) = answerer(secret(), settings());
            let address = between(address, true, first(cut));
            let caller = TcpFarSide::connect(address, "here", &secret(), settings());
            assert!(
                matches!(caller, Err(FarError::Cut { .. })),
                "{cut}: {caller:?}"
            );
            let end = end.join().unwrap();
            assert!(matches!(end, Err(FarError::Cut { .. })), "{cut}: {end:?}");
        });
    }
}

//! What is said once both are known.

use std::thread;
use std::time::Duration;

use actor_core::migrate::{FarError, FarSide, TcpFarSide, TcpSettings};
use actor_core::{Runtime, microthread};
use tests::within;

use super::wire::{answerer, between, connected, first, secret, settings};

/// What the caller says before its first frame.
const GREETING: usize = 44 + 32;
/// What a frame has before its body.
const HEAD: usize = 36;

/// What an answerer receives when the caller says this and hangs up, through something in between.
fn heard_through(
    said: &'static [&[u8]],
    hangs_up: bool,
    settings: TcpSettings,
    change: impl FnMut(&[u8]) -> (Vec<u8>, bool) + Send + 'static,
) -> (Vec<Vec<u8>>, FarError) {
    within(60, move || {
        let (address, end) = answerer(secret(), settings);
        let address = between(address, hangs_up, change);
        let here = TcpFarSide::connect(address, "here", &secret(), settings).unwrap();
        let there = end.join().unwrap().unwrap();
        for message in said {
            let _ = here.send(message);
        }
        let mut heard = Vec::new();
        let error = loop {
            match there.recv() {
                Ok(message) => heard.push(message),
                Err(error) => break error,
            }
            if heard.len() == said.len() {
                here.close();
            }
        };
        (heard, error)
    })
}

/// Changes what follows the greeting, of which it is given all that was said so far.
fn after_greeting(
    mut change: impl FnMut(&[u8]) -> (Vec<u8>, bool) + Send,
) -> impl FnMut(&[u8]) -> (Vec<u8>, bool) + Send {
    let mut passed = 0;
    move |said| {
        if passed < GREETING {
            passed += said.len();
            assert!(passed <= GREETING, "frames follow an answer");
            return (said.to_vec(), true);
        }
        change(said)
    }
}

#[test]
fn messages_arrive_whole_and_in_order_both_ways() {
    within(60, || {
        let rt = Runtime::new().unwrap();
        let (here, there) = connected(settings());
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        let echo = rt
            .spawn(move || {
                while let Ok(message) = there.recv() {
                    there.send(&message).unwrap();
                }
            })
            .unwrap();
        let caller = rt
            .spawn(move || {
                for message in [&large[..], b"1", b"22", &large[..70_000], b"333"] {
                    here.send(message).unwrap();
                    assert_eq!(here.recv().unwrap(), message);
                    microthread::yield_now();
                }
                here.close();
            })
            .unwrap();
        caller.join().unwrap();
        echo.join().unwrap();
    });
}

#[test]
fn a_sign_of_life_is_no_message() {
    let said: &[&[u8]] = &[b"", b"a", b"", b"", b"b"];
    within(60, || {
        let (here, there) = connected(settings());
        said.iter().for_each(|message| here.send(message).unwrap());
        assert_eq!(there.recv().unwrap(), b"a");
        assert_eq!(there.recv().unwrap(), b"b");
    });
}

#[test]
fn a_frame_that_is_cut_anywhere_gives_an_error_and_no_message() {
    let all = GREETING + HEAD + 5;
    for cut in GREETING..all {
        let (heard, error) = heard_through(&[b"hello"], true, settings(), first(cut));
        assert!(heard.is_empty(), "cut at {cut}");
        match cut {
            GREETING => assert!(matches!(error, FarError::Closed), "{error}"),
            _ => assert!(matches!(error, FarError::Cut { .. }), "{cut}: {error}"),
        }
    }
    let (heard, error) = heard_through(&[b"hello"], true, settings(), first(all));
    assert_eq!(heard, [b"hello"]);
    assert!(matches!(error, FarError::Closed), "{error}");
}

#[test]
fn every_flipped_bit_of_a_frame_is_found() {
    for bit in 0..(HEAD + 5) * 8 {
        // A length that says more than comes would be waited for: it hangs up at once.
        let change = after_greeting(move |said| {
            let mut said = said.to_vec();
            said[bit / 8] ^= 1 << (bit % 8);
            (said, false)
        });
        let mut settings = settings();
        settings.message = 100;
        let (heard, error) = heard_through(&[b"hello"], true, settings, change);
        assert!(heard.is_empty(), "bit {bit}");
        let found = matches!(
            error,
            FarError::Tag | FarError::TooLarge { .. } | FarError::Cut { .. }
        );
        assert!(found, "bit {bit}: {error}");
    }
}

#[test]
fn a_frame_that_comes_twice_is_found() {
    let change = after_greeting(|said| (said.repeat(2), true));
    let (heard, error) = heard_through(&[b"pay"], true, settings(), change);
    assert_eq!(heard, [b"pay"]);
    assert!(matches!(error, FarError::Tag), "{error}");
}

#[test]
fn a_frame_that_is_left_out_is_found() {
    let mut to_skip = HEAD + 3;
    let change = after_greeting(move |said| {
        let skipped = said.len().min(to_skip);
        to_skip -= skipped;
        (said[skipped..].to_vec(), true)
    });
    let (heard, error) = heard_through(&[b"pay", b"more"], true, settings(), change);
    assert!(heard.is_empty());
    assert!(matches!(error, FarError::Tag), "{error}");
}

#[test]
fn a_frame_that_does_not_end_is_given_up() {
    let mut short = settings();
    short.frame = Duration::from_millis(50);
    for held_back in [HEAD + 4, HEAD, 4, 1] {
        let through = first(GREETING + held_back);
        let (heard, error) = heard_through(&[b"hello"], false, short, through);
        assert!(heard.is_empty());
        assert!(matches!(error, FarError::TimedOut { .. }), "{error}");
    }
}

#[test]
fn a_silent_peer_is_given_up() {
    let mut short = settings();
    short.silence = Duration::from_millis(50);
    let (heard, error) = heard_through(&[b"hello"], false, short, first(GREETING));
    assert!(heard.is_empty());
    assert!(matches!(error, FarError::TimedOut { .. }), "{error}");
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    within(60, || {
        let mut short = settings();
        short.frame = Duration::from_millis(50);
        let (here, _there) = connected(short);
        let large = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = here.send(&large) {
                break error;
            }
        };
        assert!(matches!(error, FarError::TimedOut { .. }), "{error}");
        // In the middle of a frame: nothing can follow.
        assert!(matches!(here.send(b"x"), Err(FarError::Closed)));
    });
}

#[test]
fn a_message_that_is_too_large_is_not_sent_and_the_way_goes_on() {
    within(60, || {
        let mut small = settings();
        small.message = 10;
        let (here, there) = connected(small);
        let error = here.send(&[0; 11]).unwrap_err();
        assert!(matches!(
            error,
            FarError::TooLarge {
                size: 11,
                limit: 10
            }
        ));
        here.send(&[7; 10]).unwrap();
        assert_eq!(there.recv().unwrap(), [7; 10]);
    });
}

#[test]
fn closing_wakes_who_waits_at_either_end() {
    within(60, || {
        let (here, there) = connected(settings());
        thread::scope(|scope| {
            let far = scope.spawn(|| there.recv());
            let near = scope.spawn(|| here.recv());
            here.close();
            assert!(matches!(near.join().unwrap(), Err(FarError::Closed)));
            assert!(matches!(far.join().unwrap(), Err(FarError::Closed)));
        });
        assert!(matches!(here.send(b"x"), Err(FarError::Closed)));
    });
}

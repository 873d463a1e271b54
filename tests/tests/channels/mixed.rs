//! Everything at once: futures that are dropped, selections on both sides of one channel, closing and reopening, and threads
//! that meet, so that channels get their inboxes on the way. Nothing is lost, nothing comes twice, nobody is left waiting.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use actor_core::channel::{Receiver, RecvError, Select, SendError, Sender};
use tests::{ms, within};

use super::{CAPACITIES, LIMIT, channel};

const EACH: usize = 3_000;
const SENDERS: usize = 3;

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Sends each of its values once, in one of several ways.
fn sends(
    tx: &Sender<(usize, usize)>,
    rx: &Receiver<(usize, usize)>,
    me: usize,
    got: &mut Vec<(usize, usize)>,
) {
    let mut rng = fastrand::Rng::with_seed(me as u64);
    for n in 0..EACH {
        let mut left = Some((me, n));
        while let Some(value) = left.take() {
            left = match rng.usize(..5) {
                0 => tx.try_send(value).err().map(|e| e.into_inner()),
                1 => tx.send_timeout(value, ms(1)).err().map(|e| e.into_inner()),
                2 => {
                    // On both sides of one channel: not with itself.
                    let mut select = Select::new();
                    let (sent, received) = (select.send(tx, value), select.recv(rx));
                    let chosen = select.wait_timeout(ms(1)).ok();
                    if let Some(Ok(value)) = received.take() {
                        got.push(value);
                    }
                    match (chosen, sent.take()) {
                        (Some(_), Some(Ok(()))) => None,
                        (_, Some(Err(e))) => Some(e.into_inner()),
                        // The value is dropped with the selection: it was not sent.
                        _ => Some((me, n)),
                    }
                }
                3 => {
                    let mut send = pin!(tx.send_async(value));
                    match poll_once(send.as_mut()) {
                        Poll::Ready(sent) => sent.err().map(SendError::into_inner),
                        Poll::Pending => {
                            thread::yield_now();
                            match poll_once(send.as_mut()) {
                                Poll::Ready(sent) => sent.err().map(SendError::into_inner),
                                // Whether it was sent is not known: so it is waited for.
                                Poll::Pending => actor_core::microthread::block_on(send)
                                    .err()
                                    .map(SendError::into_inner),
                            }
                        }
                    }
                }
                _ => tx.send(value).err().map(SendError::into_inner),
            };
        }
    }
}

#[test]
fn nothing_is_lost_or_comes_twice_in_any_mixture() {
    for capacity in CAPACITIES {
        within(LIMIT, || {
            let (tx, rx) = channel(capacity);
            let (all, over) = (Mutex::new(HashMap::new()), AtomicBool::new(false));
            let senders = AtomicUsize::new(SENDERS);
            let note = |got: Vec<(usize, usize)>| {
                let mut all = all.lock().unwrap();
                got.into_iter()
                    .for_each(|v| *all.entry(v).or_insert(0) += 1);
            };
            thread::scope(|scope| {
                for me in 0..SENDERS {
                    let (tx, rx) = (tx.clone(), rx.clone());
                    let (note, senders) = (&note, &senders);
                    scope.spawn(move || {
                        let mut got = Vec::new();
                        sends(&tx, &rx, me, &mut got);
                        note(got);
                        senders.fetch_sub(1, Ordering::SeqCst);
                    });
                }
                let closer = tx.clone();
                let (over, open) = (&over, &senders);
                scope.spawn(move || {
                    while open.load(Ordering::SeqCst) > 0 {
                        closer.close();
                        closer.reopen();
                        thread::yield_now();
                    }
                    over.store(true, Ordering::SeqCst);
                });
                drop(tx);
                for me in 0..2 {
                    let (rx, note) = (rx.clone(), &note);
                    scope.spawn(move || {
                        let mut rng = fastrand::Rng::with_seed(100 + me);
                        let mut got = Vec::new();
                        loop {
                            let received = match rng.usize(..3) {
                                0 => rx.recv(),
                                1 => {
                                    // Dropped, whatever it was given.
                                    let mut receive = pin!(rx.recv_async());
                                    match poll_once(receive.as_mut()) {
                                        Poll::Ready(received) => received,
                                        Poll::Pending => continue,
                                    }
                                }
                                _ => {
                                    let mut select = Select::new();
                                    let (a, b) = (select.recv(&rx), select.recv(&rx));
                                    match select.wait_timeout(ms(1)) {
                                        Ok(_) => a.take().or_else(|| b.take()).unwrap(),
                                        Err(_) => continue,
                                    }
                                }
                            };
                            match received {
                                Ok(value) => got.push(value),
                                Err(RecvError::Disconnected) => break,
                                Err(_) => {}
                            }
                        }
                        note(got);
                    });
                }
            });
            let all = all.lock().unwrap();
            assert_eq!(all.len(), SENDERS * EACH, "{capacity:?}");
            assert!(all.values().all(|times| *times == 1), "{capacity:?}");
            assert!(rx.is_empty() && over.load(Ordering::SeqCst));
        });
    }
}

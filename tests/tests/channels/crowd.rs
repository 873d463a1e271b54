//! Many producers and many consumers of every sort at one channel: nothing is lost, nothing comes twice, and what one producer
//! sends stays in order. With kills and dropped futures sprinkled in nothing is lost either; the order then holds no longer, as
//! what comes back from one that left may have been overtaken.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use actor_core::Runtime;
use actor_core::channel::{Receiver, RecvError, Sender, TrySendError};
use actor_core::microthread::{JoinHandle, block_on, yield_now};
use tests::{ms, runtime, within};

use super::{CAPACITIES, Drops, LIMIT, Value, channel};

/// Who, and which of its values.
type Tagged = (usize, u32);

/// Where a party runs, and how it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    Microthread,
    Thread,
    FutureOfMicrothread,
    FutureOfThread,
    /// Tries first, then waits for a while at a time.
    Impatient,
}

const PARTIES: [Party; 5] = [
    Party::Microthread,
    Party::Thread,
    Party::FutureOfMicrothread,
    Party::FutureOfThread,
    Party::Impatient,
];

enum Started<T> {
    Microthread(JoinHandle<T>),
    Thread(thread::JoinHandle<T>),
}

impl<T> Started<T> {
    fn join(self) -> T {
        match self {
            Started::Microthread(handle) => handle.join().unwrap(),
            Started::Thread(handle) => handle.join().unwrap(),
        }
    }
}

impl Party {
    fn start<T: Send + 'static>(
        self,
        rt: &Runtime,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Started<T> {
        match self {
            Party::Thread | Party::FutureOfThread => Started::Thread(thread::spawn(body)),
            _ => Started::Microthread(rt.spawn(body).unwrap()),
        }
    }

    fn send(self, tx: &Sender<Tagged>, value: Tagged) {
        match self {
            Party::Microthread | Party::Thread => tx.send(value).unwrap(),
            Party::FutureOfMicrothread | Party::FutureOfThread => {
                block_on(tx.send_async(value)).unwrap();
            }
            Party::Impatient => {
                let Err(TrySendError::Full(mut value)) = tx.try_send(value) else {
                    return;
                };
                while let Err(late) = tx.send_timeout(value, ms(1)) {
                    assert!(!late.is_disconnected());
                    value = late.into_inner();
                }
            }
        }
    }

    fn recv(self, rx: &Receiver<Tagged>) -> Option<Tagged> {
        match self {
            Party::Microthread | Party::Thread => rx.recv().ok(),
            Party::FutureOfMicrothread | Party::FutureOfThread => block_on(rx.recv_async()).ok(),
            Party::Impatient => {
                if let Ok(value) = rx.try_recv() {
                    return Some(value);
                }
                loop {
                    match rx.recv_timeout(ms(1)) {
                        Ok(value) => return Some(value),
                        Err(late) if late.is_disconnected() => return None,
                        Err(_) => {}
                    }
                }
            }
        }
    }
}

/// Each of `producers` sends `each` values; each of `consumers` gives what it has received.
fn crowd(
    rt: &Runtime,
    capacity: Option<usize>,
    (producers, consumers): (&[Party], &[Party]),
    each: u32,
) {
    let (tx, rx) = channel(capacity);
    let consuming: Vec<_> = consumers
        .iter()
        .map(|party| {
            let (party, rx) = (*party, rx.clone());
            party.start(rt, move || {
                std::iter::from_fn(|| party.recv(&rx)).collect::<Vec<_>>()
            })
        })
        .collect();
    let producing: Vec<_> = producers
        .iter()
        .enumerate()
        .map(|(who, party)| {
            let (party, tx) = (*party, tx.clone());
            party.start(rt, move || {
                (0..each).for_each(|n| party.send(&tx, (who, n)));
            })
        })
        .collect();
    drop((tx, rx));
    producing.into_iter().for_each(Started::join);
    let got: Vec<_> = consuming.into_iter().map(Started::join).collect();
    let of = format!("{capacity:?}, {producers:?} to {consumers:?}");
    let mut all: Vec<_> = got.iter().flatten().copied().collect();
    all.sort_unstable();
    let sent = (0..producers.len()).flat_map(|who| (0..each).map(move |n| (who, n)));
    assert!(all.into_iter().eq(sent), "lost or doubled: {of}");
    for values in got {
        let mut last = HashMap::new();
        for (who, n) in values {
            let before = last.insert(who, n);
            assert!(before.is_none_or(|before| before < n), "overtaken: {of}");
        }
    }
}

#[test]
fn every_sort_of_producer_meets_every_sort_of_consumer() {
    within(LIMIT, || {
        let rt = runtime(2);
        for producer in PARTIES {
            for consumer in PARTIES {
                for capacity in CAPACITIES {
                    crowd(&rt, capacity, (&[producer; 2], &[consumer; 2]), 50);
                }
            }
        }
    });
}

#[test]
fn all_sorts_at_once_lose_and_double_nothing() {
    within(LIMIT, || {
        let rt = runtime(2);
        for capacity in CAPACITIES {
            let all = PARTIES.repeat(2);
            crowd(&rt, capacity, (&all, &all), 400);
        }
    });
}

#[test]
fn many_to_one_and_one_to_many() {
    within(LIMIT, || {
        let rt = runtime(2);
        for capacity in CAPACITIES {
            for one in [Party::Microthread, Party::Thread] {
                let many = [Party::Microthread; 100];
                crowd(&rt, capacity, (&many, &[one]), 20);
                crowd(&rt, capacity, (&[one], &many), 2_000);
            }
        }
    });
}

#[test]
fn a_pipeline_of_channels_keeps_the_order() {
    within(LIMIT, || {
        let rt = runtime(2);
        let (first, mut last) = channel(Some(0));
        for stage in 0..40 {
            let (tx, rx) = channel(CAPACITIES[stage % CAPACITIES.len()]);
            let from = std::mem::replace(&mut last, rx);
            drop(rt.spawn(move || tx.send_all(from).unwrap()).unwrap());
        }
        let sender = rt.spawn(move || first.send_all(0..500));
        assert!(last.iter().eq(0..500));
        assert_eq!(sender.unwrap().join().unwrap(), Ok(500));
    });
}

// ---- with kills and dropped futures ----------------------------------------------------------------------------------

/// What has been sent for certain, and what has arrived.
#[derive(Clone, Default)]
struct Books {
    sent: Arc<Mutex<Vec<usize>>>,
    arrived: Arc<Mutex<Vec<usize>>>,
    drops: Drops,
}

impl Books {
    fn value(&self) -> (usize, Value) {
        let value = self.drops.value();
        (value.number, value)
    }

    fn note_sent(&self, number: usize) {
        self.sent.lock().unwrap().push(number);
    }

    fn note_arrived(&self, value: &Value) {
        self.arrived.lock().unwrap().push(value.number);
    }

    /// All that was sent has arrived, and nothing twice. What one was about to send when it was killed may have arrived.
    fn check(&self, of: &str) {
        let mut arrived = self.arrived.lock().unwrap().clone();
        arrived.sort_unstable();
        assert!(arrived.windows(2).all(|two| two[0] < two[1]), "{of}: twice");
        for number in self.sent.lock().unwrap().iter() {
            assert!(arrived.binary_search(number).is_ok(), "{of}: lost");
        }
        self.drops.assert_each_once(of);
    }
}

/// Sends until told to end. No suspension point lies between a send and its entry in the books.
fn produce(books: &Books, tx: &Sender<Value>, end: &AtomicBool, asynchronous: bool) {
    while !end.load(SeqCst) {
        let (number, value) = books.value();
        let sent = match asynchronous {
            true => block_on(tx.send_async(value)).is_ok(),
            false => tx.send(value).is_ok(),
        };
        if !sent {
            return;
        }
        books.note_sent(number);
        yield_now();
    }
}

fn consume(books: &Books, rx: &Receiver<Value>, asynchronous: bool) {
    loop {
        let value = match asynchronous {
            true => block_on(rx.recv_async()),
            false => rx.recv(),
        };
        match value {
            Ok(value) => books.note_arrived(&value),
            Err(RecvError::Disconnected) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn killed_producers_and_consumers_lose_and_double_nothing() {
    within(LIMIT, || {
        let rt = runtime(2);
        for capacity in CAPACITIES {
            let (books, end) = (Books::default(), Arc::new(AtomicBool::new(false)));
            let (tx, rx) = channel(capacity);
            let start = |producer: bool, asynchronous: bool| {
                let (books, end) = (books.clone(), end.clone());
                let (tx, rx) = (tx.clone(), rx.clone());
                let body = move || match producer {
                    true => produce(&books, &tx, &end, asynchronous),
                    false => {
                        drop(tx);
                        consume(&books, &rx, asynchronous);
                    }
                };
                rt.spawn(body).unwrap()
            };
            let mut victims: Vec<_> = (0..8).map(|n| start(n % 2 == 0, n % 4 < 2)).collect();
            for round in 0..300 {
                let at = round % victims.len();
                let asynchronous = round % 3 == 0;
                let next = start(at % 2 == 0, asynchronous);
                let victim = std::mem::replace(&mut victims[at], next);
                (0..round % 50).for_each(|_| std::hint::spin_loop());
                victim.kill();
                drop(victim.join());
            }
            end.store(true, SeqCst);
            drop(tx);
            // Who is left comes to its end; the consumers take what is there.
            for (n, victim) in victims.into_iter().enumerate() {
                victim.join().unwrap_or_else(|error| panic!("{n}: {error}"));
            }
            drop(rx);
            books.check(&format!("{capacity:?}"));
        }
    });
}

fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => {
            thread::yield_now(); // a partner may come here
            None
        }
    }
}

#[test]
fn futures_that_are_dropped_lose_and_double_nothing() {
    within(LIMIT, || {
        let rt = runtime(2);
        for capacity in CAPACITIES {
            let books = Books::default();
            let (tx, rx) = channel(capacity);
            let fickle_senders: Vec<_> = (0..2)
                .map(|_| {
                    let (books, tx) = (books.clone(), tx.clone());
                    let send = move || {
                        for _ in 0..300 {
                            let (number, value) = books.value();
                            if let Some(Ok(())) = poll_once(tx.send_async(value)) {
                                books.note_sent(number);
                            }
                        }
                    };
                    thread::spawn(send)
                })
                .collect();
            let steady_senders: Vec<_> = (0..2)
                .map(|_| {
                    let (books, tx) = (books.clone(), tx.clone());
                    let send = move || {
                        for _ in 0..300 {
                            let (number, value) = books.value();
                            tx.send(value).unwrap();
                            books.note_sent(number);
                        }
                    };
                    rt.spawn(send).unwrap()
                })
                .collect();
            let fickle_receivers: Vec<_> = (0..2)
                .map(|_| {
                    let (books, rx) = (books.clone(), rx.clone());
                    thread::spawn(move || {
                        loop {
                            match poll_once(rx.recv_async()) {
                                Some(Ok(value)) => books.note_arrived(&value),
                                Some(Err(_)) => return,
                                None => {}
                            }
                        }
                    })
                })
                .collect();
            let steady_receiver = rt.spawn({
                let (books, rx) = (books.clone(), rx.clone());
                move || consume(&books, &rx, false)
            });
            drop((tx, rx));
            fickle_senders
                .into_iter()
                .chain(fickle_receivers)
                .for_each(|it| it.join().unwrap());
            steady_senders
                .into_iter()
                .chain([steady_receiver.unwrap()])
                .for_each(|it| it.join().unwrap());
            books.check(&format!("{capacity:?}"));
        }
    });
}

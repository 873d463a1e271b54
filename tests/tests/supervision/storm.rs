//! Children crash at random under load, and nothing is lost or done twice.

use super::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

const CHILDREN: usize = 8;
const CRASHES: u32 = 2_000;

/// Small and repeatable.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What happened to the messages: who was handled, how often.
#[derive(Default)]
struct Books {
    handled: Mutex<HashMap<u64, u32>>,
    alive: [AtomicU32; CHILDREN],
    together: AtomicU32,
    lives: AtomicU64,
}

/// With a bound, so that the load is what the children can bear.
#[actor(mailbox = 32)]
struct Victim {
    me: usize,
    books: Arc<Books>,
}

impl Victim {
    fn new(me: usize, books: &Arc<Books>) -> Self {
        if books.alive[me].fetch_add(1, Ordering::SeqCst) > 0 {
            books.together.fetch_add(1, Ordering::SeqCst);
        }
        books.lives.fetch_add(1, Ordering::SeqCst);
        let books = books.clone();
        Self { me, books }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.books.alive[self.me].fetch_sub(1, Ordering::SeqCst);
    }
}

#[actor]
impl Victim {
    pub fn work(&mut self, n: u64) -> u64 {
        *self.books.handled.lock().unwrap().entry(n).or_default() += 1;
        match n % 128 {
            0..8 => microthread::yield_now(),
            8 => microthread::sleep(Duration::from_micros(50)),
            _ => {}
        }
        n
    }

    pub fn crash(&mut self) {
        panic!("boom")
    }

    pub fn hang(&mut self) {
        hang()
    }
}

/// A child with its own stack, so that senders meet it in its inbox.
#[actor]
struct Loner {
    books: Arc<Books>,
}

#[actor(message = u64)]
impl Loner {
    pub fn run(self, inbox: Inbox<Self>) -> Exit {
        while let Ok(n) = inbox.recv() {
            *self.books.handled.lock().unwrap().entry(n).or_default() += 1;
        }
        Exit::Normal
    }
}

fn storm(workers: usize, seed: u64) {
    let sys = system_with(workers);
    let (sup, books) = (patient(&sys), Arc::new(Books::default()));
    let children: Vec<Addr<Victim>> = (0..CHILDREN)
        .map(|me| {
            let books = books.clone();
            let spec = ChildSpec::new(format!("victim-{me}"), move || Victim::new(me, &books));
            // One may still hang in the end.
            sup.start_child(spec.shutdown(Duration::from_millis(1)))
                .unwrap()
        })
        .collect();
    let over = Arc::new(AtomicU32::new(0));
    let ids = Arc::new(AtomicU64::new(0));

    // Load: told and asked, from threads and microthreads. Returns what was sent.
    let load = |asks: bool| {
        let (children, over, ids) = (children.clone(), over.clone(), ids.clone());
        move || {
            let mut sent = Vec::new();
            while over.load(Ordering::Relaxed) == 0 {
                let n = ids.fetch_add(1, Ordering::Relaxed);
                let child = &children[n as usize % CHILDREN];
                sent.push(n);
                if asks {
                    match child.ask().work(n) {
                        Ok(answer) => assert_eq!(answer, n),
                        Err(AskError::NoReply(Some(ExitReason::Killed))) => {} // while it was handled
                        Err(other) => panic!("{other:?}"),
                    }
                } else {
                    child.tell().work(n).unwrap();
                }
            }
            sent
        }
    };
    let threads = [
        std::thread::spawn(load(true)),
        std::thread::spawn(load(true)),
    ];
    let tells = sys.spawn_microthread(load(false)).unwrap();
    let asks: Vec<_> = (0..4)
        .map(|_| sys.spawn_microthread(load(true)).unwrap())
        .collect();

    // Until so many lives have been ended. Mostly the next crash comes in the middle of the last one; a kill that comes
    // between two lives, or a message that finds no room, ends none.
    let mut rng = Rng(seed);
    while books.lives.load(Ordering::SeqCst) < u64::from(CRASHES) + CHILDREN as u64 {
        let child = &children[rng.below(CHILDREN as u64) as usize];
        match rng.below(4) {
            0 => drop(child.try_tell().crash()),
            1 => child.kill(),
            2 => child.stop(),
            _ => {
                drop(child.try_tell().hang());
                child.kill();
            }
        }
        if rng.below(4) == 0 {
            std::thread::yield_now();
        }
    }
    over.store(1, Ordering::Relaxed);
    // Children that hang are in the way of what is queued behind.
    let mut sent: Vec<u64> = Vec::new();
    let mut waiting: Vec<_> = std::iter::once(tells).chain(asks).collect();
    while let Some(handle) = waiting.pop() {
        match handle.join_timeout(Duration::from_millis(1)) {
            Ok(ids) => sent.extend(ids.unwrap()),
            Err(handle) => {
                children.iter().for_each(Addr::kill);
                waiting.push(handle);
            }
        }
    }
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        children.iter().for_each(Addr::kill);
        std::thread::yield_now();
    }
    threads
        .into_iter()
        .for_each(|it| sent.extend(it.join().unwrap()));
    for child in &children {
        // Whatever hangs is killed; then all that was queued is handled.
        while child.queued() > 0 {
            child.kill();
            microthread::yield_now();
        }
    }
    let counts = sup.count_children().unwrap();
    assert_eq!(counts.specs, CHILDREN);
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);

    sent.sort_unstable();
    let handled = books.handled.lock().unwrap();
    for n in &sent {
        assert_eq!(handled.get(n), Some(&1), "message {n} of {}", sent.len());
    }
    assert_eq!(handled.len(), sent.len());
    assert_eq!(
        books.together.load(Ordering::SeqCst),
        0,
        "two lives of a child at a time"
    );
    assert!(books.alive.iter().all(|it| it.load(Ordering::SeqCst) == 0));
    assert!(sys.shutdown(SOON).unwrap().is_clean());
}

#[test]
fn nothing_is_lost_or_done_twice_on_two_workers() {
    storm(2, 0x5eed);
}

#[test]
fn nothing_is_lost_or_done_twice_on_four_workers() {
    storm(4, 0xfeed);
}

/// A sender that is to wake an own-stack actor may find it in its next life.
#[test]
fn own_stack_children_killed_in_their_inbox_lose_nothing() {
    let sys = system_with(4);
    let (sup, books) = (patient(&sys), Arc::new(Books::default()));
    let own = books.clone();
    let child = sup
        .start_child(ChildSpec::new("loner", move || Loner {
            books: own.clone(),
        }))
        .unwrap();
    let over = Arc::new(AtomicU32::new(0));
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let (child, over) = (child.clone(), over.clone());
            std::thread::spawn(move || {
                let mut sent = 0_u64;
                while over.load(Ordering::Relaxed) == 0 {
                    child.send(sender << 32 | sent).unwrap();
                    sent += 1;
                    std::thread::yield_now();
                }
                sent
            })
        })
        .collect();
    let mut next = events(&sys);
    for _ in 0..CRASHES {
        child.kill();
        next(&restarted);
    }
    over.store(1, Ordering::Relaxed);
    let sent: u64 = senders.into_iter().map(|it| it.join().unwrap()).sum();
    while child.queued() > 0 {
        microthread::yield_now();
    }
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);
    let handled = books.handled.lock().unwrap();
    assert_eq!(handled.len() as u64, sent);
    assert!(handled.values().all(|&times| times == 1));
}

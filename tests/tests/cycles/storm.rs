//! Rings on several workers, many times. Nothing here knows who comes first; that all come to an end is the test.
//!
//! `CYCLES_RACES` says how many races there are in each test; a million of them in all:
//! `CYCLES_RACES=250000 cargo test --release -p tests --test cycles storm`.

use super::*;

fn races() -> usize {
    let set = std::env::var("CYCLES_RACES").ok();
    set.map_or(5_000, |it| it.parse().expect("a number"))
}

/// An actor with a small mailbox in a ring.
#[actor(mailbox = 1)]
pub struct Link(Arc<OnceLock<Vec<Addr<Link>>>>);

impl Link {
    fn next(&self, at: usize) -> &Addr<Link> {
        let ring = self.0.get().unwrap();
        &ring[(at + 1) % ring.len()]
    }
}

#[actor]
impl Link {
    pub fn ping(&self) {}
    pub fn note(&self) {}
    /// One race: waits for the next, in one way or another, and says how that ended.
    pub fn race(&self, at: usize, how: u8) -> Outcome {
        let next = self.next(at);
        match how {
            0 => asked(next.ask().ping()),
            1 => asked(next.request().ping().wait()),
            // The mailbox holds one: of these one waits at least, as its actor is racing too.
            _ => {
                let first = told(next.tell().note());
                match told(next.tell().note()) {
                    Outcome::Done => first,
                    failed => failed,
                }
            }
        }
    }
}

/// Races of rings of 1 to `max` actors, in which actor `i` waits by `how(i)`.
fn race(max: usize, races: usize, how: impl Fn(&mut fastrand::Rng) -> u8) {
    let sys = System::builder().workers(2).build().unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut left, mut failed) = (races, 0);
    while left > 0 {
        let n = rng.usize(1..=max);
        let all = Arc::<OnceLock<_>>::default();
        let ring: Vec<_> = (0..n)
            .map(|_| sys.spawn(Link(all.clone())).unwrap())
            .collect();
        assert!(all.set(ring.clone()).is_ok());
        let ids: Vec<_> = ring.iter().map(Addr::id).collect();
        // The same ring more than once, so that stacks and slots are used again at once.
        let rounds = left.min(20);
        left -= rounds;
        let hows: Vec<_> = (0..rounds * n).map(|_| how(&mut rng)).collect();
        // A thread's asks would be waited for one by one; a microthread is in the thick of it.
        let referee = sys.spawn_microthread(move || {
            let mut failed = 0;
            for hows in hows.chunks(n) {
                let racing: Vec<_> = (ring.iter().zip(hows).enumerate())
                    .map(|(at, (it, how))| it.request().race(at, *how))
                    .collect();
                for pending in racing {
                    if let Outcome::Deadlock(path) = pending.wait().unwrap() {
                        goes_round(&path, &ids);
                        failed += 1;
                    }
                }
            }
            ring.iter().for_each(Addr::stop);
            failed
        });
        failed += referee.unwrap().join().unwrap();
    }
    assert!(failed > 0, "no circle has closed");
}

#[test]
fn rings_of_asks() {
    race(8, races(), |_| 0);
}

#[test]
fn rings_of_full_mailboxes() {
    race(8, races(), |_| 2);
}

#[test]
fn rings_of_all_kinds() {
    race(8, races(), |rng| rng.u8(..3));
}

#[test]
fn large_rings() {
    race(64, races() / 10, |rng| rng.u8(..3));
}

/// The start of a child waits for its parent, which waits for that: whoever comes last is told.
#[test]
fn parents_and_children() {
    let sys = System::builder().workers(2).build().unwrap();
    let parent = sys.spawn(kinds::Parent).unwrap();
    for _ in 0..races() / 10 {
        let says = Seen::default();
        let parents = parent.ask().spawn(says.clone()).unwrap();
        // A child that is killed says nothing.
        let childs = says.each().pop();
        assert!(parents != Outcome::Done || childs.is_some_and(|it| it != Outcome::Done));
    }
}

#[test]
#[ignore = "minutes: a million races"]
fn a_million_races() {
    race(8, 500_000, |rng| rng.u8(..3));
    race(8, 300_000, |_| 0);
    race(8, 190_000, |_| 2);
    race(64, 10_000, |rng| rng.u8(..3));
}

//! Functions that are saved as they go, and continued after a crash.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actor_core::channel::{self, Receiver};
use actor_core::image::Image;
use actor_core::microthread::{JoinError, sleep, yield_now};
use actor_core::migratable::{DurableError, NotDurable, Saving};
use actor_core::store::{FileStore, Loaded, MemoryStore, Store, StoreError};
use actor_core::{Event, System, migratable, testing};
use tests::child;

/// Counts what is done with it, and fails from one save on, for some.
#[derive(Default)]
struct Counting {
    store: MemoryStore,
    saves: AtomicU32,
    fails_from: AtomicU32,
    fails: AtomicU32,
}

impl Counting {
    fn failing(from: u32, times: u32) -> Arc<Self> {
        let store = Counting::default();
        store.fails_from.store(from, Ordering::Relaxed);
        store.fails.store(times, Ordering::Relaxed);
        Arc::new(store)
    }

    fn saves(&self) -> u32 {
        self.saves.load(Ordering::Relaxed)
    }
}

impl Store for Counting {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        let nth = self.saves.fetch_add(1, Ordering::Relaxed);
        let (from, times) = (
            self.fails_from.load(Ordering::Relaxed),
            self.fails.load(Ordering::Relaxed),
        );
        if (from..from + times).contains(&nth) {
            return Err(StoreError::InUse(PathBuf::from("elsewhere")));
        }
        self.store.save(name, image)
    }

    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        self.store.load(name)
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.store.remove(name)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.store.names()
    }
}

#[migratable]
fn sum(to: u64) -> u64 {
    let mut sum = 0;
    for n in 0..to {
        yield_now();
        sum += n;
    }
    sum
}

#[migratable]
fn receives(numbers: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Ok(n) = numbers.recv() {
        sum += n;
    }
    sum
}

#[migratable]
fn sleeps(times: u64) -> u64 {
    for _ in 0..times {
        sleep(Duration::from_secs(10));
    }
    times
}

#[test]
fn it_is_saved_at_each_suspension_point_and_removed_at_the_end() {
    testing::check(|sys| {
        let store = Arc::new(Counting::default());
        let durable = sys.spawn_durable(&store, "sum", sum(10)).unwrap();
        assert!(!durable.is_continued());
        assert_eq!(durable.join().unwrap(), 45);
        assert_eq!(store.saves(), 10);
        assert!(store.names().unwrap().is_empty());
    });
}

#[test]
fn a_wait_is_saved_once_however_long_it_is() {
    testing::check(|sys| {
        let store = Arc::new(Counting::default());
        let durable = sys.spawn_durable(&store, "sleeps", sleeps(3)).unwrap();
        assert_eq!(durable.join().unwrap(), 3);
        assert_eq!(store.saves(), 3);
        assert_eq!(testing::elapsed(), Duration::from_secs(30));
    });
}

#[test]
fn every_nth_point_is_saved() {
    testing::check(|sys| {
        let store = Arc::new(Counting::default());
        let saving = Saving::new().every(4);
        let durable = sys.spawn_durable_with(&store, "sum", saving, sum(10));
        assert_eq!(durable.unwrap().join().unwrap(), 45);
        assert_eq!(store.saves(), 2);
    });
}

#[test]
fn what_waits_is_saved_when_its_image_is_old() {
    testing::check(|sys| {
        let store = Arc::new(Counting::default());
        let (tx, rx) = channel::unbounded();
        let saving = Saving::new()
            .every(u64::MAX)
            .or_after(Duration::from_secs(5));
        let durable = sys
            .spawn_durable_with(&store, "r", saving, receives(rx))
            .unwrap();
        tx.send(1).unwrap();
        sleep(Duration::from_secs(60));
        assert_eq!(store.saves(), 1, "and not again, as it has not gone on");
        tx.send(2).unwrap();
        sleep(Duration::from_secs(60));
        assert_eq!(store.saves(), 2);
        tx.send(3).unwrap();
        drop(tx);
        assert_eq!(durable.join().unwrap(), 6);
    });
}

#[test]
fn killed_it_continues_from_its_last_image() {
    testing::check(|sys| {
        let store = Arc::new(Counting::default());
        let first = sys.spawn_durable(&store, "sum", sum(100)).unwrap();
        while store.saves() < 7 {
            yield_now();
        }
        first.kill();
        let end = first.join().unwrap_err();
        assert!(matches!(end, DurableError::Ended(JoinError::Killed)));
        let before = store.saves();
        let second = sys.spawn_durable(&store, "sum", sum(100)).unwrap();
        assert!(second.is_continued());
        assert_eq!(second.join().unwrap(), 4950);
        // At least once: what lies behind the last image is done again, and nothing else.
        assert_eq!(store.saves() - before, 100 - before);
    });
}

#[test]
fn what_cannot_be_saved_ends_or_goes_on_as_chosen() {
    testing::check(|sys| {
        let events = sys.events();
        let store = Counting::failing(3, 2);
        let durable = sys.spawn_durable(&store, "sum", sum(10)).unwrap();
        let end = durable.join().unwrap_err();
        assert!(
            matches!(end, DurableError::NotSaved(StoreError::InUse(_))),
            "{end}"
        );
        let told =
            |event: &Event| matches!(event, Event::NotSaved { name, .. } if &**name == "sum");
        assert_eq!(events.try_iter().filter(told).count(), 1);

        // The image before is there.
        let again = Counting::failing(0, 3);
        again
            .save("x", &store.load("sum").unwrap().image.unwrap())
            .unwrap_err();
        let goes_on = sys.spawn_durable_with(&again, "sum", Saving::new().go_on_unsaved(), sum(10));
        assert_eq!(goes_on.unwrap().join().unwrap(), 45);
        assert_eq!(events.try_iter().filter(told).count(), 2);
    });
}

#[test]
fn an_image_of_something_else_is_refused_and_stays() {
    testing::check(|sys| {
        let store = Arc::new(Counting::default());
        let durable = sys.spawn_durable(&store, "name", sleeps(100)).unwrap();
        sleep(Duration::from_secs(1));
        durable.kill();
        let _ = durable.join();
        let refused = sys.spawn_durable(&store, "name", sum(1)).unwrap_err();
        assert!(matches!(refused, NotDurable::NotThawed(_)), "{refused}");
        assert_eq!(store.names().unwrap(), ["name"]);
    });
}

/// Where the child of the next test works.
const DIR: &str = "DURABLE_TEST_DIR";

/// An effect: a line in a file.
fn note(dir: &str, n: u64) {
    let file = Path::new(dir).join("effects");
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    writeln!(file, "{n}").unwrap();
    // As if the machine's power failed here, once in each process.
    if n % 5 == 3 && std::env::var(DIR).is_ok() {
        let kills = Path::new(dir).join(format!("killed-{n}"));
        if std::fs::File::create_new(kills).is_ok() {
            // SAFETY: a signal to this process itself.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
    }
}

#[migratable]
fn notes(dir: String, to: u64) -> u64 {
    let mut sum = 0;
    for n in 0..to {
        note(&dir, n);
        sum += n;
        yield_now();
    }
    sum
}

#[test]
fn killed_by_force_it_continues_in_a_new_process_and_does_again_what_was_not_saved() {
    let dir = std::env::temp_dir().join(format!("actor-durable-{}", std::process::id()));
    // In the child this names the parent's.
    let place = std::env::var(DIR).unwrap_or_else(|_| dir.display().to_string());
    if std::env::var(DIR).is_err() {
        std::fs::create_dir_all(&dir).unwrap();
    }
    let body = || {
        let store = Arc::new(FileStore::open(Path::new(&place).join("images")).unwrap());
        let sys = System::new().unwrap();
        let durable = sys
            .spawn_durable(&store, "notes", notes(place.clone(), 20))
            .unwrap();
        assert_eq!(durable.join().unwrap(), (0..20).sum());
        assert!(store.names().unwrap().is_empty());
    };
    // It is killed after 3, 8, 13 and 18, before those are saved.
    for _ in 0..4 {
        child!(body, &[(DIR, &place)]).is_killed();
    }
    child!(body, &[(DIR, &place)]).succeeds();
    let effects = std::fs::read_to_string(dir.join("effects")).unwrap();
    let effects: Vec<u64> = effects.lines().map(|line| line.parse().unwrap()).collect();
    let twice = |n| if n % 5 == 3 { vec![n, n] } else { vec![n] };
    assert_eq!(effects, (0..20).flat_map(twice).collect::<Vec<_>>());
    std::fs::remove_dir_all(dir).unwrap();
}

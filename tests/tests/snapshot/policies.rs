//! When snapshots are saved, and what goes on from them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use actor_core::image::{Head, Image, Kind};
use actor_core::prelude::*;
use actor_core::snapshot::{RestoreError, SnapshotPolicy, Summary};
use actor_core::store::{FileStore, Loaded, MemoryStore, Store, StoreError};
use actor_core::{Event, SpawnOptions, Strategy, testing};

const SECOND: Duration = Duration::from_secs(1);

#[actor(snapshot)]
pub struct Counter {
    n: u32,
}

#[actor]
impl Counter {
    pub fn add(&mut self, n: u32) {
        self.n += n;
    }
    pub fn get(&self) -> u32 {
        self.n
    }
    pub fn fail(&mut self) {
        panic!("out of luck");
    }
    pub fn refuse(&mut self) -> Result<(), String> {
        Err("no".to_owned())
    }
    pub fn stop(&mut self, cx: &mut Cx<Self>) {
        cx.stop();
    }
}

/// A memory that counts, and that may be broken.
#[derive(Default)]
struct Flaky {
    memory: MemoryStore,
    saves: AtomicU32,
    is_broken: AtomicBool,
    is_damaged: AtomicBool,
    /// How long a save takes, in seconds.
    takes: AtomicU32,
}

impl Flaky {
    fn check(&self) -> Result<(), StoreError> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(StoreError::InUse("broken".into())),
            false => Ok(()),
        }
    }
    fn saves(&self) -> u32 {
        self.saves.load(Ordering::SeqCst)
    }
    fn last(&self, name: &str) -> Summary {
        Summary::of(&self.load(name).unwrap().image.unwrap()).unwrap()
    }
}

impl Store for Flaky {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        self.check()?;
        microthread::sleep(self.takes.load(Ordering::SeqCst) * SECOND);
        self.saves.fetch_add(1, Ordering::SeqCst);
        self.memory.save(name, image)
    }
    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        self.check()?;
        if self.is_damaged.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Damaged(vec![]));
        }
        self.memory.load(name)
    }
    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.memory.remove(name)
    }
    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.memory.names()
    }
}

fn start(sys: &System, policy: &SnapshotPolicy) -> Result<Addr<Counter>, RestoreError> {
    sys.restore_or_spawn(policy, SpawnOptions::new(), || Counter { n: 0 })
}

#[test]
fn an_actor_is_saved_as_its_last_act_and_is_so_when_its_end_is_known() {
    let (sys, store) = (System::new().unwrap(), Arc::new(Flaky::default()));
    let policy = SnapshotPolicy::new(store.clone(), "hits").on_stop();
    let counter = start(&sys, &policy).unwrap();
    counter.tell().add(5).unwrap();
    counter.tell().stop().unwrap();
    counter.tell().add(100).unwrap_or(()); // perhaps too late, or behind the end: in the copy if it was queued
    counter.join();
    assert_eq!(store.saves(), 1);
    let later = store.last("hits").messages as u32 * 100;
    let counter = start(&sys, &policy).unwrap();
    assert_eq!(counter.ask().get().unwrap(), 5 + later);
    assert!(sys.shutdown(60 * SECOND).unwrap().is_clean());
    assert_eq!(store.saves(), 2, "a shutdown stops it too");
    assert_eq!(store.last("hits").epoch, 2);
}

#[test]
fn a_life_that_is_cut_off_is_not_saved() {
    let (sys, store) = (System::new().unwrap(), Arc::new(Flaky::default()));
    let policy = SnapshotPolicy::new(store.clone(), "hits").on_stop();
    for end in 0..2 {
        let counter = start(&sys, &policy).unwrap();
        match end {
            0 => drop(counter.tell().fail()),
            _ => counter.kill(),
        }
        counter.join();
        assert_eq!(store.saves(), 0);
    }
    let counter = start(&sys, &policy).unwrap();
    counter.tell().add(1).unwrap();
    counter.tell().refuse().unwrap();
    counter.join();
    assert_eq!(
        store.saves(),
        1,
        "a handler that returns leaves a state that is whole"
    );
}

#[test]
fn an_actor_is_saved_every_so_often_if_it_has_changed() {
    testing::Explorer::new().iterations(50).check(|sys| {
        let store = Arc::new(Flaky::default());
        let policy = SnapshotPolicy::new(store.clone(), "hits").every(5 * SECOND);
        let counter = start(sys, &policy).unwrap();
        counter.ask().add(1).unwrap();
        microthread::sleep(6 * SECOND);
        assert_eq!(store.saves(), 1);
        microthread::sleep(20 * SECOND);
        assert_eq!(store.saves(), 1, "nothing has changed");
        counter.ask().add(1).unwrap();
        microthread::sleep(5 * SECOND);
        assert_eq!(store.saves(), 2);
        counter.ask().add(100).unwrap();
        counter.kill();
        counter.join();
        let again = start(sys, &policy).unwrap();
        assert_eq!(again.ask().get().unwrap(), 2);
    });
}

#[test]
fn the_time_that_a_save_takes_is_not_added_to_the_time_between_saves() {
    testing::Explorer::new().iterations(50).check(|sys| {
        for (takes, at_most) in [(3, 5 + 3), (7, 7 + 7)] {
            let store = Arc::new(Flaky::default());
            store.takes.store(takes, Ordering::SeqCst);
            let policy = SnapshotPolicy::new(store.clone(), "hits").every(5 * SECOND);
            let counter = start(sys, &policy).unwrap();
            // At any time what was done so long ago is saved.
            for done in 1..=60 {
                counter.ask().add(1).unwrap();
                microthread::sleep(SECOND);
                if done > at_most {
                    let saved = sys.restore::<Counter>(&store.load("hits").unwrap().image.unwrap());
                    let saved = saved.unwrap().ask().get().unwrap();
                    assert!(saved + at_most >= done, "{saved} of {done}, {takes} s");
                }
            }
            counter.kill();
            counter.join();
        }
    });
}

#[test]
fn a_store_that_fails_is_an_event_and_does_not_stop_the_actor() {
    testing::Explorer::new().iterations(50).check(|sys| {
        let (events, store) = (sys.events(), Arc::new(Flaky::default()));
        let policy = SnapshotPolicy::new(store.clone(), "hits")
            .every(5 * SECOND)
            .on_stop();
        let counter = start(sys, &policy).unwrap();
        store.is_broken.store(true, Ordering::SeqCst);
        microthread::sleep(6 * SECOND);
        let failed = |event: Event| matches!(event, Event::SnapshotFailed { .. });
        assert_eq!(events.try_iter().filter(|it| failed(it.clone())).count(), 1);
        assert_eq!(counter.ask().get().unwrap(), 0);
        store.is_broken.store(false, Ordering::SeqCst);
        microthread::sleep(5 * SECOND);
        assert_eq!(store.saves(), 1);
        store.is_broken.store(true, Ordering::SeqCst);
        counter.ask().add(1).unwrap();
        counter.stop();
        assert_eq!(counter.join(), ExitReason::Normal);
        assert_eq!(events.try_iter().filter(|it| failed(it.clone())).count(), 1);
    });
}

#[test]
fn what_cannot_be_read_is_not_written_over() {
    let (sys, store) = (System::new().unwrap(), Arc::new(Flaky::default()));
    let policy = SnapshotPolicy::new(store.clone(), "hits").on_stop();
    store.is_broken.store(true, Ordering::SeqCst);
    assert!(matches!(start(&sys, &policy), Err(RestoreError::Store(_))));
    store.is_broken.store(false, Ordering::SeqCst);
    let later = Image::of(Head::new(Kind::Actor, "Counter").schema(9), &()).unwrap();
    store.memory.save("hits", &later).unwrap();
    let newer = start(&sys, &policy);
    assert!(matches!(
        newer,
        Err(RestoreError::Newer { image: 9, known: 1 })
    ));
    assert_eq!(store.memory.load("hits").unwrap().image, Some(later));
}

#[test]
fn damaged_images_are_named_and_what_is_left_is_used() {
    let (sys, store) = (System::new().unwrap(), Arc::new(Flaky::default()));
    let policy = SnapshotPolicy::new(store.clone(), "hits");
    store.is_damaged.store(true, Ordering::SeqCst);
    let counter = start(&sys, &policy).unwrap();
    assert_eq!(counter.ask().get().unwrap(), 0);

    let dir = Dir::new("damaged");
    let store: Arc<dyn Store> = Arc::new(FileStore::open(&dir.0).unwrap());
    let policy = SnapshotPolicy::new(store, "hits").on_stop();
    for n in 1..=2 {
        let counter = start(&sys, &policy).unwrap();
        counter.ask().add(n).unwrap();
        counter.stop();
        counter.join();
    }
    dir.damage_the_last();
    let events = sys.events();
    assert_eq!(start(&sys, &policy).unwrap().ask().get().unwrap(), 1);
    let named = events.try_iter().find_map(|event| match event {
        Event::SnapshotDamaged { name, damaged, .. } => Some((name, damaged)),
        _ => None,
    });
    let (name, damaged) = named.expect("an event");
    assert_eq!(&*name, "hits");
    assert!(
        damaged.contains(".damaged") && damaged.contains("checksum"),
        "{damaged}"
    );
}

/// A directory that is gone afterwards.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let name = format!("actor-snapshot-{name}-{}", std::process::id());
        Dir(std::env::temp_dir().join(name))
    }

    fn damage_the_last(&self) {
        let files = std::fs::read_dir(&self.0).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let images = files.filter(|path| path.extension().is_some_and(|it| it == "image"));
        let last = images.max().unwrap();
        let mut bytes = std::fs::read(&last).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&last, bytes).unwrap();
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_child_goes_on_from_its_last_snapshot_and_its_mailbox_is_not_doubled() {
    testing::Explorer::new().iterations(100).check(|sys| {
        let store = Arc::new(Flaky::default());
        let policy = SnapshotPolicy::new(store.clone(), "hits")
            .every(5 * SECOND)
            .on_stop();
        let spec = ChildSpec::new("hits", || Counter { n: 0 }).restore(policy.clone());
        let supervisor = Supervisor::builder()
            .intensity(100, SECOND)
            .start(sys)
            .unwrap();
        let counter = supervisor.start_child(spec.name("hits")).unwrap();
        counter.ask().add(1).unwrap();
        counter.sys().suspend().unwrap();
        for _ in 0..10 {
            counter.tell().add(10).unwrap();
        }
        microthread::sleep(6 * SECOND);
        let last = store.last("hits");
        assert_eq!(last.messages, 10);
        assert_eq!(last.role, Some(("hits".to_owned(), Restart::Permanent)));
        assert_eq!(last.names, ["hits"]);
        // The next life has the state of then, and the mailbox as it is.
        counter.kill();
        assert_eq!(counter.ask().get().unwrap(), 101);
        counter.ask().add(1000).unwrap();
        counter.tell().fail().unwrap();
        assert_eq!(counter.ask().get().unwrap(), 1, "back to what was saved");
        // Asked to stop it is saved before it is started again.
        counter.ask().add(5).unwrap();
        counter.stop();
        let mut now = 0;
        for _ in 0..100 {
            now = counter.ask().get().unwrap_or(now);
        }
        assert_eq!(now, 6);
        supervisor.stop();
        supervisor.join();

        // A new actor has the messages of the image too.
        let spec = ChildSpec::new("hits", || Counter { n: 0 }).restore(policy.clone());
        let supervisor = Supervisor::builder().start(sys).unwrap();
        let counter = supervisor.start_child(spec).unwrap();
        counter.sys().suspend().unwrap();
        counter.tell().add(10).unwrap();
        counter.stop();
        supervisor.stop();
        supervisor.join();
        let again = start(sys, &policy).unwrap();
        assert_eq!(again.ask().get().unwrap(), 16);
    });
}

#[test]
fn siblings_that_are_started_again_with_a_child_keep_what_they_had() {
    let (sys, store) = (System::new().unwrap(), Arc::new(Flaky::default()));
    let child = |id: &'static str| {
        let policy = SnapshotPolicy::new(store.clone(), id).on_stop();
        ChildSpec::new(id, || Counter { n: 0 }).restore(policy)
    };
    let all = Supervisor::builder()
        .strategy(Strategy::OneForAll)
        .start(&sys)
        .unwrap();
    let first = all.start_child(child("first")).unwrap();
    let second = all.start_child(child("second")).unwrap();
    first.ask().add(1).unwrap();
    second.ask().add(2).unwrap();
    first.tell().fail().unwrap();
    assert_eq!(first.ask().get().unwrap(), 0, "it had never been saved");
    assert_eq!(second.ask().get().unwrap(), 2);
}

#[supervisor(args(store: Arc<dyn Store>), intensity = 100)]
pub struct Tree {
    #[child(Counter { n: 0 }, restore = SnapshotPolicy::new(store, "one").on_stop())]
    one: Addr<Counter>,
    #[child(
        Counter { n: 0 },
        restore = |i| SnapshotPolicy::new(store.clone(), format!("many-{i}")).on_stop()
    )]
    many: [Addr<Counter>; 3],
}

#[test]
fn the_children_of_a_declared_tree_go_on_from_their_snapshots() {
    let store = Arc::new(Flaky::default());
    for round in 1..=3 {
        let sys = System::new().unwrap();
        let tree = Tree::start(&sys, store.clone()).unwrap();
        for (n, counter) in (1..).zip([&tree.one].into_iter().chain(&tree.many)) {
            counter.ask().add(n).unwrap();
            assert_eq!(counter.ask().get().unwrap(), n * round);
        }
        tree.stop();
        tree.join();
    }
    assert_eq!(
        store.names().unwrap(),
        ["many-0", "many-1", "many-2", "one"]
    );
}

//! Stores: what was saved is there, whatever happens to the process or to the files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actor_core::image::{DecodeError, Head, Image, Kind, Limits};
use actor_core::microthread;
use actor_core::store::{FileStore, MemoryStore, Store, StoreError};
use tests::{runtime, within};

/// A directory that goes when this does.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("actor-store-{}-{n}", std::process::id());
        Dir(std::env::temp_dir().join(name))
    }

    fn open(&self) -> FileStore {
        FileStore::open(&self.0).unwrap()
    }

    /// The files whose names end so, sorted.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut files: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
        files.retain(|path| path.to_str().unwrap().ends_with(ending));
        files.sort();
        files
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn image(epoch: u64) -> Image {
    let head = Head::new(Kind::Data, "tests::Number").epoch(epoch);
    Image::of(head, &vec![epoch; 20]).unwrap()
}

fn epoch(store: &impl Store, name: &str) -> u64 {
    let loaded = store.load(name).unwrap();
    assert_eq!(loaded.damaged, []);
    loaded.image.unwrap().head().epoch_number()
}

/// What both stores do.
fn keeps_the_last_of_each_name(store: &impl Store) {
    assert_eq!(store.load("a").unwrap().image, None);
    assert!(!store.remove("a").unwrap());
    for n in 0..5 {
        store.save("a", &image(n)).unwrap();
        store.save("b", &image(n + 10)).unwrap();
        assert_eq!(epoch(store, "a"), n);
        assert_eq!(epoch(store, "b"), n + 10);
    }
    assert_eq!(store.names().unwrap(), ["a", "b"]);
    assert!(store.remove("a").unwrap());
    assert_eq!(store.load("a").unwrap().image, None);
    assert_eq!(store.names().unwrap(), ["b"]);
    store.save("a", &image(99)).unwrap();
    assert_eq!(epoch(store, "a"), 99);
    let refused = store.save("", &image(1)).unwrap_err();
    assert!(matches!(refused, StoreError::Name { .. }), "{refused}");
}

#[test]
fn a_memory_store_keeps_the_last_image_of_each_name() {
    keeps_the_last_of_each_name(&MemoryStore::new());
}

#[test]
fn a_file_store_keeps_the_last_image_of_each_name() {
    let dir = Dir::new();
    keeps_the_last_of_each_name(&dir.open());
    let store = dir.open();
    assert_eq!(store.names().unwrap(), ["a", "b"]);
    assert_eq!(epoch(&store, "a"), 99);
    assert_eq!(epoch(&store, "b"), 14);
}

#[test]
fn any_text_is_a_name_up_to_a_length() {
    let dir = Dir::new();
    let names = [
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a@b.image",
        "a b",
        "a%b",
        "ä→\u{0}",
        "A",
        "a",
        "lock",
    ];
    let store = dir.open();
    for (n, name) in (0..).zip(names) {
        store.save(name, &image(n)).unwrap();
    }
    drop(store);
    let store = dir.open();
    let mut sorted = names.map(str::to_owned);
    sorted.sort();
    assert_eq!(store.names().unwrap(), sorted);
    for (n, name) in (0..).zip(names) {
        assert_eq!(epoch(&store, name), n, "{name}");
    }
    assert_eq!(dir.files("").len(), names.len() + 1, "and the lock");
    store.save(&"x".repeat(200), &image(0)).unwrap();
    let refused = store.save(&"x".repeat(201), &image(0)).unwrap_err();
    assert!(
        matches!(refused, StoreError::Name { longest: 200, .. }),
        "{refused}"
    );
}

#[test]
fn a_directory_is_open_once() {
    let dir = Dir::new();
    let store = dir.open();
    let refused = FileStore::open(&dir.0).unwrap_err();
    assert!(
        matches!(&refused, StoreError::InUse(path) if *path == dir.0),
        "{refused}"
    );
    drop(store);
    dir.open();
}

#[test]
fn the_last_n_images_are_kept() {
    let dir = Dir::new();
    let store = dir.open().keep(3);
    for n in 0..10 {
        store.save("a", &image(n)).unwrap();
    }
    assert_eq!(dir.files(".image").len(), 3);
    drop(store);
    // With fewer, the next save removes the rest.
    let store = dir.open().keep(1);
    store.save("a", &image(10)).unwrap();
    assert_eq!(dir.files(".image").len(), 1);
    assert_eq!(epoch(&store, "a"), 10);
}

fn last(dir: &Dir) -> PathBuf {
    dir.files(".image").pop().unwrap()
}

#[test]
fn a_torn_or_rotten_image_is_set_aside_and_named_and_the_one_before_is_given() {
    let whole = image(2).encode();
    let cuts = (0..whole.len()).map(|cut| whole[..cut].to_vec());
    let flips = (0..whole.len()).map(|at| {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        damaged
    });
    for damaged in cuts.chain(flips) {
        let dir = Dir::new();
        let store = dir.open();
        store.save("a", &image(1)).unwrap();
        store.save("a", &image(2)).unwrap();
        fs::write(last(&dir), &damaged).unwrap();
        let loaded = store.load("a").unwrap();
        assert_eq!(loaded.image, Some(image(1)));
        let [aside] = &loaded.damaged[..] else {
            panic!("{loaded:?}")
        };
        assert_eq!(fs::read(&aside.place).unwrap(), damaged, "{aside}");
        // It is out of the way, and its number is not used again.
        assert_eq!(epoch(&store, "a"), 1);
        drop(store);
        let store = dir.open();
        store.save("a", &image(3)).unwrap();
        assert_eq!(epoch(&store, "a"), 3);
        assert_eq!(fs::read(&aside.place).unwrap(), damaged);
    }
}

#[test]
fn if_all_images_are_damaged_that_is_an_error_and_not_nothing() {
    let dir = Dir::new();
    let store = dir.open();
    store.save("a", &image(1)).unwrap();
    store.save("a", &image(2)).unwrap();
    for file in dir.files(".image") {
        fs::write(file, "no image").unwrap();
    }
    let StoreError::Damaged(damaged) = store.load("a").unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(damaged.len(), 2);
    for it in damaged {
        assert_eq!(it.error, DecodeError::Short { size: 8 });
        assert!(Path::new(&it.place).exists());
    }
    assert_eq!(store.load("a").unwrap().image, None);
}

#[test]
fn an_absurdly_large_file_is_not_read() {
    let dir = Dir::new();
    let mut limits = Limits::default();
    limits.bytes = 10_000;
    let store = dir.open().limits(limits);
    store.save("a", &image(1)).unwrap();
    store.save("a", &image(2)).unwrap();
    let size = 1 << 50; // sparse
    let file = fs::File::options().write(true).open(last(&dir)).unwrap();
    if file.set_len(size).is_err() {
        file.set_len(1 << 40).unwrap();
    }
    let loaded = store.load("a").unwrap();
    assert_eq!(loaded.image, Some(image(1)));
    let error = &loaded.damaged[0].error;
    assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
}

#[test]
fn what_an_interrupted_save_left_behind_is_removed() {
    let dir = Dir::new();
    dir.open().save("a", &image(1)).unwrap();
    let draft = last(&dir).with_extension("tmp");
    fs::write(&draft, &image(2).encode()[..10]).unwrap();
    fs::write(dir.0.join("of somebody else"), "x").unwrap();
    let store = dir.open();
    assert!(!draft.exists());
    assert!(dir.0.join("of somebody else").exists());
    assert_eq!(epoch(&store, "a"), 1);
}

#[test]
fn what_the_system_refuses_is_an_error_that_names_the_file() {
    let dir = Dir::new();
    let store = dir.open();
    store.save("a", &image(1)).unwrap();
    fs::remove_dir_all(&dir.0).unwrap();
    let refused = store.save("a", &image(2)).unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
    assert!(
        refused.to_string().contains("a@0000000000000001.tmp"),
        "{refused}"
    );
    let refused = store.load("a").unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
    let file = Dir::new();
    fs::write(&file.0, "").unwrap();
    let refused = FileStore::open(&file.0).unwrap_err();
    fs::remove_file(&file.0).unwrap();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
}

const FULL: &str = "STORE_TEST_FULL";

/// The child of the test below. A file of its may have so many bytes, and a write beyond ends as on a full disk: in its middle.
#[test]
fn child_with_a_full_disk() {
    let Ok(dir) = std::env::var(FULL) else {
        return;
    };
    let limit = libc::rlimit {
        rlim_cur: 4096,
        rlim_max: 4096,
    };
    // SAFETY: `limit` is one and lives; what is changed is this process's alone, which does nothing else.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
    let dir = Dir(dir.into());
    let store = dir.open();
    store.save("a", &image(1)).unwrap();
    let large = Image::of(
        Head::new(Kind::Data, "tests::Number"),
        &vec![u64::MAX; 1000],
    )
    .unwrap();
    for _ in 0..3 {
        let refused = store.save("a", &large).unwrap_err();
        assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
        assert!(refused.to_string().contains(".tmp"), "{refused}");
        assert!(dir.files(".tmp").is_empty());
        assert_eq!(epoch(&store, "a"), 1);
    }
    store.save("a", &image(2)).unwrap();
    drop(store);
    assert_eq!(epoch(&dir.open(), "a"), 2);
}

#[test]
fn a_full_disk_is_an_error_and_the_image_before_is_there() {
    let dir = Dir::new();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_with_a_full_disk", "--nocapture"])
        .env(FULL, &dir.0)
        .output() // by pipes: the limit would be one for a file, too, that this process writes to
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
}

#[test]
fn microthreads_save_at_the_same_time() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let saves = Arc::clone(&store);
    within(60, move || {
        let work = move || {
            microthread::scope(|scope| {
                for who in 0..16 {
                    let store = &*saves;
                    scope.spawn(move || {
                        let own = format!("own-{who}");
                        for n in 0..8 {
                            store.save(&own, &image(n)).unwrap();
                            store.save("shared", &image(n)).unwrap();
                            assert_eq!(epoch(store, &own), n);
                        }
                    });
                }
            });
        };
        runtime(2).spawn(work).unwrap().join().unwrap();
    });
    drop(store);
    let store = dir.open();
    for who in 0..16 {
        assert_eq!(epoch(&store, &format!("own-{who}")), 7);
    }
    assert_eq!(dir.files(".image").len(), 17 * FileStore::KEEP);
}

const SAVES: &str = "STORE_TEST_DIR";

/// The child of the test below: saves greater and greater epochs and says of each that it is saved, until it is killed.
#[test]
fn child_that_saves() {
    let Ok(dir) = std::env::var(SAVES) else {
        return;
    };
    let store = FileStore::open(dir).unwrap();
    let mut next = match store.load("n").unwrap().image {
        Some(image) => image.head().epoch_number() + 1,
        None => 1,
    };
    loop {
        store.save("n", &image(next)).unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "saved {next}").unwrap();
        out.flush().unwrap();
        next += 1;
    }
}

fn start(dir: &Dir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_saves", "--nocapture"])
        .env(SAVES, &dir.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_saved_survives_kill_9_at_any_time() {
    let dir = Dir::new();
    let mut rng = fastrand::Rng::with_seed(5);
    let mut acknowledged = 0;
    for _ in 0..20 {
        let mut child = start(&dir);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Some saves, and then at whatever it is doing.
        for _ in 0..rng.u32(1..20) {
            for line in lines.by_ref() {
                if let Some((_, n)) = line.unwrap().split_once("saved ") {
                    acknowledged = n.parse().unwrap();
                    break;
                }
            }
        }
        for _ in 0..rng.u32(..2_000) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            // What was in the pipe: acknowledged before the kill.
            if let Some((_, n)) = line.unwrap().split_once("saved ") {
                acknowledged = n.parse().unwrap();
            }
        }
        let store = dir.open();
        let loaded = store.load("n").unwrap();
        assert_eq!(loaded.damaged, [], "never half an image");
        let there = loaded.image.unwrap();
        let epoch = there.head().epoch_number();
        // One more may be there whose `save` had not returned.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&epoch),
            "{epoch} is there, {acknowledged} was acknowledged"
        );
        assert_eq!(there, image(epoch));
        acknowledged = epoch;
    }
}

//! What is in a snapshot, and in the actor that is made of it.

use std::sync::mpsc;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::snapshot::{RestoreError, SnapshotError, Summary};
use actor_core::{OnConflict, SpawnOptions};

use super::through_bytes;

const HOUR: Duration = Duration::from_secs(3600);

/// Writes down what it handles.
#[actor(snapshot, name = "Log")]
#[derive(Default)]
pub struct Log {
    lines: Vec<u32>,
    #[snapshot(rename = "open")]
    is_open: bool,
    #[snapshot(skip)]
    starts: u32,
    #[snapshot(skip = 7)]
    lucky: u32,
}

#[actor]
impl Log {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        self.starts += 1 + u32::from(cx.is_restored()) * 10;
    }
    pub fn put(&mut self, n: u32) {
        self.lines.push(n);
    }
    #[priority(high)]
    pub fn urgent(&mut self, n: u32) {
        self.lines.push(n);
    }
    pub fn later(&mut self, cx: &mut Cx<Self>, n: u32) {
        if self.is_open {
            self.lines.push(n);
        } else {
            cx.stash(LogMsg::Later { n });
        }
    }
    pub fn open(&mut self, cx: &mut Cx<Self>) {
        self.is_open = true;
        cx.unstash_all();
    }
    pub fn lines(&self) -> Vec<u32> {
        self.lines.clone()
    }
    pub fn skipped(&self) -> (u32, u32) {
        (self.starts, self.lucky)
    }
    #[snapshot(skip)]
    pub fn send(&mut self, to: mpsc::Sender<u32>) {
        let _ = to.send(1);
    }
    pub fn wait(&mut self, cx: &mut Cx<Self>) {
        let _ = cx.receive_within(HOUR, |msg| match msg {
            LogMsg::Open => Ok(()),
            other => Err(other),
        });
    }
}

fn held(sys: &System) -> Addr<Log> {
    let log = sys.spawn(Log::default()).expect("a log");
    log.sys().suspend().expect("held");
    log
}

#[test]
fn a_snapshot_is_a_copy_that_has_the_state_and_what_is_skipped_is_made_anew() {
    let sys = System::new().unwrap();
    let log = sys.spawn(Log::default()).unwrap();
    log.tell().put(1).unwrap();
    assert_eq!(log.ask().lines().unwrap(), [1]);
    let image = through_bytes(&log.snapshot().unwrap());
    log.tell().put(2).unwrap();

    let copy = sys.restore::<Log>(&image).unwrap();
    copy.tell().put(3).unwrap();
    assert_eq!(copy.ask().lines().unwrap(), [1, 3]);
    assert_eq!(copy.ask().skipped().unwrap(), (11, 7));
    assert_eq!(log.ask().lines().unwrap(), [1, 2]);
    assert_eq!(log.ask().skipped().unwrap(), (1, 0));
}

#[test]
fn what_waits_is_restored_in_order_in_all_lanes_before_what_comes_later() {
    let sys = System::new().unwrap();
    let log = sys.spawn(Log::default()).unwrap();
    log.tell().later(100).unwrap();
    log.tell().later(101).unwrap();
    log.ask().lines().unwrap();
    log.sys().suspend().unwrap();
    for n in 0..1000 {
        log.tell().put(n).unwrap();
    }
    log.tell().urgent(5000).unwrap();
    log.tell().urgent(5001).unwrap();
    let image = through_bytes(&log.snapshot().unwrap());
    assert_eq!(Summary::of(&image).unwrap().messages, 1004);

    let copy = sys.restore::<Log>(&image).unwrap();
    copy.tell().put(9000).unwrap();
    copy.tell().open().unwrap();
    let mut expected = vec![5000, 5001];
    expected.extend(0..1000);
    expected.extend([9000]);
    let mut lines = copy.ask().lines().unwrap();
    // `open` puts the stash in front of what waits, the question among it.
    let stashed = lines.split_off(lines.len() - 2);
    assert_eq!(lines, expected);
    assert_eq!(stashed, [100, 101]);

    // The one it was taken of has lost nothing.
    log.sys().resume().unwrap();
    log.tell().open().unwrap();
    let mut all = expected[..1002].to_vec();
    all.extend([100, 101]);
    assert_eq!(log.ask().lines().unwrap(), all);
}

#[test]
fn messages_set_aside_by_a_receive_are_in_it_in_their_places() {
    let sys = System::new().unwrap();
    let log = sys.spawn(Log::default()).unwrap();
    log.tell().wait().unwrap();
    for n in 0..10 {
        log.tell().put(n).unwrap();
    }
    log.tell().open().unwrap(); // the wait is over, and has passed those
    log.tell().put(10).unwrap();
    let image = log.snapshot().unwrap();
    let copy = sys.restore::<Log>(&image).unwrap();
    assert_eq!(copy.ask().lines().unwrap(), (0..=10).collect::<Vec<_>>());
    assert_eq!(log.ask().lines().unwrap(), (0..=10).collect::<Vec<_>>());
}

#[test]
fn asks_are_not_in_a_copy_and_are_answered_by_the_original() {
    let sys = System::new().unwrap();
    let log = held(&sys);
    let before = log.request().lines();
    log.tell().put(1).unwrap();
    let after = log.request().lines();
    let image = log.snapshot().unwrap();
    assert_eq!(Summary::of(&image).unwrap().messages, 1);
    log.sys().resume().unwrap();
    assert_eq!(
        (before.wait().unwrap(), after.wait().unwrap()),
        (vec![], vec![1])
    );
    let copy = sys.restore::<Log>(&image).unwrap();
    assert_eq!(copy.ask().lines().unwrap(), [1]);
}

#[test]
fn a_message_marked_to_be_skipped_is_left_out() {
    let sys = System::new().unwrap();
    let log = held(&sys);
    let (to, sent) = mpsc::channel();
    log.tell().put(1).unwrap();
    log.tell().send(to.clone()).unwrap();
    log.after(HOUR).send(to);
    log.tell().put(2).unwrap();
    let image = log.snapshot().unwrap();
    let summary = Summary::of(&image).unwrap();
    assert_eq!((summary.messages, summary.timers), (2, 0));
    assert_eq!(
        sys.restore::<Log>(&image).unwrap().ask().lines().unwrap(),
        [1, 2]
    );
    log.sys().resume().unwrap();
    assert_eq!(sent.recv(), Ok(1));
}

#[test]
fn names_are_claimed_again_and_a_conflict_leaves_everything_as_it_was() {
    let sys = System::new().unwrap();
    let log = sys.spawn_named("log", Log::default()).unwrap();
    sys.register("journal", &log, OnConflict::Refuse).unwrap();
    log.tell().put(1).unwrap();
    let image = log.snapshot().unwrap();
    assert_eq!(Summary::of(&image).unwrap().names, ["log", "journal"]);

    let refused = sys.restore::<Log>(&image);
    assert!(matches!(
        refused,
        Err(RestoreError::Spawn(SpawnError::NameTaken(_)))
    ));
    assert!(sys.unregister("log"));
    // Only the second is taken: the first is free again afterwards.
    assert!(sys.restore::<Log>(&image).is_err());
    assert_eq!(sys.names().len(), 1);
    assert_eq!(sys.lookup::<Log>("journal").unwrap(), log);

    let options = SpawnOptions::new()
        .name("journal")
        .on_conflict(OnConflict::TakeOver);
    let copy = sys.restore_with::<Log>(options, &image).unwrap();
    assert_eq!(sys.lookup::<Log>("journal").unwrap(), copy);
    log.stop();
    log.join();
    copy.stop();
    copy.join();
    let copy = sys.restore::<Log>(&image).unwrap();
    assert_eq!(sys.lookup::<Log>("journal").unwrap(), copy);
    assert_eq!(sys.lookup::<Log>("log").unwrap(), copy);
}

#[test]
fn an_image_of_another_actor_or_of_none_is_refused() {
    #[actor(snapshot)]
    struct Other;
    #[actor]
    impl Other {}

    let sys = System::new().unwrap();
    let image = sys.spawn(Other).unwrap().snapshot().unwrap();
    assert!(sys.restore::<Other>(&image).is_ok());
    let refused = sys.restore::<Log>(&image);
    assert!(
        matches!(refused, Err(RestoreError::Image(_))),
        "{refused:?}"
    );
}

#[test]
fn a_snapshot_is_refused_where_it_cannot_be_taken() {
    #[actor(snapshot)]
    struct Me;
    #[actor]
    impl Me {
        pub fn me(&mut self, cx: &mut Cx<Self>) -> Option<SnapshotError> {
            cx.addr().snapshot().err()
        }
        pub fn tick(&mut self) {}
    }
    let sys = System::new().unwrap();
    let me = sys.spawn(Me).unwrap();
    assert_eq!(me.ask().me().unwrap(), Some(SnapshotError::Itself));
    let timer = me.send_every(HOUR, || MeMsg::Tick);
    assert_eq!(me.snapshot().err(), Some(SnapshotError::Timer));
    assert!(timer.is_set(), "it is left as it was");
    timer.cancel();
    assert!(me.snapshot().is_ok());
    me.stop();
    me.join();
    assert_eq!(me.snapshot().err(), Some(SnapshotError::Dead));
}

#[test]
fn what_cannot_be_written_is_an_error_and_the_actor_goes_on() {
    mod picky {
        use serde::{Deserialize, Deserializer, Serializer, ser::Error};

        pub fn serialize<S: Serializer>(n: &u32, to: S) -> Result<S::Ok, S::Error> {
            match n {
                0 => to.serialize_u32(0),
                1 => Err(S::Error::custom("one is too many")),
                n => panic!("{n} are out of the question"),
            }
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
            u32::deserialize(from)
        }
    }

    #[actor(snapshot)]
    struct Picky {
        #[snapshot(with = picky)]
        n: u32,
    }
    #[actor]
    impl Picky {
        pub fn add(&mut self) {
            self.n += 1;
        }
        pub fn get(&self) -> u32 {
            self.n
        }
    }
    let sys = System::new().unwrap();
    let picky = sys.spawn(Picky { n: 0 }).unwrap();
    let image = picky.snapshot().unwrap();
    assert_eq!(
        sys.restore::<Picky>(&image).unwrap().ask().get().unwrap(),
        0
    );
    picky.tell().add().unwrap();
    picky.ask().get().unwrap();
    assert!(matches!(picky.snapshot(), Err(SnapshotError::Encode(_))));
    picky.tell().add().unwrap();
    picky.ask().get().unwrap();
    assert!(matches!(picky.snapshot(), Err(SnapshotError::Panicked(_))));
    picky.sys().suspend().unwrap();
    let waiting = picky.request().get();
    assert!(matches!(picky.snapshot(), Err(SnapshotError::Panicked(_))));
    picky.sys().resume().unwrap();
    assert_eq!(waiting.wait().unwrap(), 2);
}

#[test]
fn a_snapshot_of_a_mailbox_that_displaces_loses_no_more_than_its_policy_says() {
    #[actor(snapshot, mailbox = 4, when_full = "drop_oldest")]
    struct Last(Vec<u32>);
    #[actor]
    impl Last {
        pub fn put(&mut self, n: u32) {
            self.0.push(n);
        }
        pub fn all(&self) -> Vec<u32> {
            self.0.clone()
        }
    }
    let sys = System::new().unwrap();
    let last = sys.spawn(Last(vec![])).unwrap();
    last.sys().suspend().unwrap();
    for n in 0..6 {
        last.tell().put(n).unwrap();
    }
    let image = last.snapshot().unwrap();
    for n in 6..9 {
        last.tell().put(n).unwrap();
    }
    let later = last.snapshot().unwrap();
    last.sys().resume().unwrap();
    let all = |image| sys.restore::<Last>(image).unwrap().ask().all().unwrap();
    assert_eq!(all(&image), [2, 3, 4, 5]);
    assert_eq!(all(&later), [5, 6, 7, 8]);
    assert_eq!(last.ask().all().unwrap(), [5, 6, 7, 8]);
}

#[test]
fn a_bounded_mailbox_stays_bounded() {
    #[actor(snapshot, mailbox = 4)]
    struct Four(Vec<u32>);
    #[actor]
    impl Four {
        pub fn put(&mut self, n: u32) {
            self.0.push(n);
        }
        pub fn all(&self) -> Vec<u32> {
            self.0.clone()
        }
    }
    let sys = System::new().unwrap();
    let four = sys.spawn(Four(vec![])).unwrap();
    four.sys().suspend().unwrap();
    for n in 0..4 {
        four.try_tell().put(n).unwrap();
    }
    four.snapshot().unwrap();
    assert!(matches!(four.try_tell().put(4), Err(TellError::Full(_))));
    four.sys().resume().unwrap();
    assert_eq!(four.ask().all().unwrap(), [0, 1, 2, 3]);
}

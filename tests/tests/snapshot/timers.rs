//! Timers in snapshots, by virtual time.

use std::sync::OnceLock;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::snapshot::Summary;
use actor_core::testing;
use actor_core::{MissedTicks, Period};

use super::through_bytes;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Notes when it handles what.
#[actor(snapshot)]
#[derive(Default)]
pub struct Diary {
    entries: Vec<(u64, u32)>,
}

#[actor]
impl Diary {
    pub fn note(&mut self, n: u32) {
        self.entries.push((testing::elapsed().as_secs(), n));
    }
    pub fn entries(&self) -> Vec<(u64, u32)> {
        self.entries.clone()
    }
}

#[test]
fn timers_are_restored_with_the_time_that_is_left() {
    testing::check(|sys| {
        let diary = sys.spawn(Diary::default()).unwrap();
        diary.after(secs(100)).note(1);
        diary.after(secs(30)).note(2);
        diary
            .every(Period::new(secs(20)).missed(MissedTicks::Delay))
            .note(3);
        microthread::sleep(secs(25)); // one tick
        let image = through_bytes(&diary.snapshot().unwrap());
        diary.kill();
        microthread::sleep(secs(975)); // the time of a copy stands still
        assert_eq!(Summary::of(&image).unwrap().timers, 3);

        let copy = sys.restore::<Diary>(&image).unwrap();
        microthread::sleep(secs(80));
        let expected = [
            (20, 3),
            (1005, 2),
            (1015, 3),
            (1035, 3),
            (1055, 3),
            (1075, 3),
            (1075, 1),
        ];
        let mut entries = copy.ask().entries().unwrap();
        // Two that are due at the same time.
        entries[5..7].sort_by_key(|(_, n)| 10 - n);
        assert_eq!(entries, expected);
    });
}

#[test]
fn a_timer_that_is_due_is_a_message_in_its_turn() {
    testing::check(|sys| {
        let diary = sys.spawn(Diary::default()).unwrap();
        diary.after(secs(1)).note(2);
        diary.every(secs(2)).note(4);
        diary.sys().suspend().unwrap();
        diary.tell().note(1).unwrap();
        microthread::sleep(secs(3));
        // Nothing has looked at the timers yet: they are late, and due at once.
        let image = diary.snapshot().unwrap();
        diary.tell().note(3).unwrap();
        let copy = sys.restore::<Diary>(&image).unwrap();
        let entries = |of: &Addr<Diary>| {
            let entries = of.ask().entries().unwrap().into_iter();
            entries.map(|(_, n)| n).collect::<Vec<_>>()
        };
        microthread::sleep(Duration::from_millis(1));
        assert_eq!(entries(&copy), [1, 2, 4]);
        diary.sys().resume().unwrap();
        microthread::sleep(Duration::from_millis(1));
        let all = entries(&diary);
        assert_eq!(
            all.iter().filter(|n| **n != 3).collect::<Vec<_>>(),
            [&1, &2, &4]
        );
        assert_eq!(all.len(), 4);
    });
}

static TIMER: OnceLock<Timer> = OnceLock::new();

mod cancels {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(n: &u32, to: S) -> Result<S::Ok, S::Error> {
        let timer = super::TIMER.get().expect("it was set");
        assert!(timer.is_set());
        assert!(timer.cancel());
        assert!(!timer.cancel());
        to.serialize_u32(*n)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        u32::deserialize(from)
    }
}

#[test]
fn a_timer_cancelled_while_a_snapshot_is_written_does_not_come_back() {
    #[actor(snapshot)]
    struct One {
        #[snapshot(with = cancels)]
        n: u32,
    }
    #[actor]
    impl One {
        pub fn add(&mut self, n: u32) {
            self.n += n;
        }
        pub fn get(&self) -> u32 {
            self.n
        }
    }
    testing::Explorer::new().iterations(1).check(|sys| {
        let one = sys.spawn(One { n: 0 }).unwrap();
        let early = one.after(secs(5)).add(1);
        TIMER.get_or_init(|| one.after(secs(10)).add(10));
        let late = one.after(secs(15)).add(100);
        one.snapshot().unwrap();
        assert!(early.is_set() && late.is_set());
        microthread::sleep(secs(20));
        assert_eq!(one.ask().get().unwrap(), 101);
    });
}

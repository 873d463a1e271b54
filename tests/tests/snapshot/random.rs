//! Random actors: what is restored is what was there, whatever it was, and from whichever version.

use std::collections::BTreeMap;
use std::time::Duration;

use actor_core::image::Image;
use actor_core::prelude::*;
use actor_core::snapshot::{OldState, Summary, UpgradeError};
use actor_core::testing;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::through_bytes;

type Notes = BTreeMap<String, Vec<Option<i64>>>;

/// What a message, or a timer's, says.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Word {
    Unit,
    Text(String),
    Pair(u8, f64),
    Deep { inner: Vec<Word> },
}

/// Version 1 of the actor below.
mod old {
    use super::*;

    #[actor(snapshot, name = "Book")]
    pub struct Book {
        pub notes: Notes,
        pub heard: Vec<Word>,
    }

    #[actor]
    impl Book {
        pub fn hear(&mut self, word: Word) {
            self.heard.push(word);
        }
        #[priority(high)]
        pub fn hear_first(&mut self, word: Word) {
            self.heard.push(word);
        }
        pub fn hear_later(&mut self, cx: &mut Cx<Self>, word: Word) {
            cx.stash(BookMsg::HearLater { word });
        }
    }
}

/// Version 2: the notes in another form, and the messages as they are now.
mod middle {
    use super::*;

    fn upgrade(_: OldState<'_>) -> Result<BookSnapshot, UpgradeError> {
        unreachable!("nothing is restored as this one")
    }

    #[actor(snapshot(version = 2, upgrade = upgrade), name = "Book")]
    pub struct Book {
        pub pages: Vec<(String, Vec<Option<i64>>)>,
        pub heard: Vec<Word>,
    }

    #[actor]
    impl Book {
        pub fn hear(&mut self, word: Word) {
            self.heard.push(word);
        }
        #[priority(high)]
        pub fn hear_first(&mut self, word: Word) {
            self.heard.push(word);
        }
        pub fn hear_later(&mut self, cx: &mut Cx<Self>, word: Word, done: Option<bool>) {
            cx.stash(BookMsg::HearLater { word, done });
        }
    }
}

#[actor(snapshot(version = 3, upgrade = upgrade), name = "Book")]
pub struct Book {
    notes: Notes,
    heard: Vec<Word>,
    /// New: how many notes there are.
    count: usize,
}

#[actor]
impl Book {
    pub fn hear(&mut self, word: Word) {
        self.heard.push(word);
    }
    #[priority(high)]
    pub fn hear_first(&mut self, word: Word) {
        self.heard.push(word);
    }
    pub fn hear_later(&mut self, cx: &mut Cx<Self>, word: Word, done: Option<bool>) {
        match done {
            Some(true) => self.heard.push(word),
            _ => cx.stash(BookMsg::HearLater {
                word,
                done: Some(true),
            }),
        }
    }
    pub fn all(&self) -> (Notes, Vec<Word>, usize) {
        (self.notes.clone(), self.heard.clone(), self.count)
    }
    pub fn unstash(&mut self, cx: &mut Cx<Self>) -> usize {
        cx.unstash_all()
    }
}

fn upgrade(old: OldState<'_>) -> Result<BookSnapshot, UpgradeError> {
    let (notes, heard) = match old.version() {
        1 => {
            let old::BookSnapshot { notes, heard } = old.read()?;
            (notes, heard)
        }
        _ => {
            let middle::BookSnapshot { pages, heard } = old.read()?;
            (pages.into_iter().collect(), heard)
        }
    };
    let count = notes.len();
    Ok(BookSnapshot {
        notes,
        heard,
        count,
    })
}

/// An actor at a boundary.
#[derive(Clone, Debug)]
struct Plan {
    notes: Notes,
    heard: Vec<Word>,
    stash: Vec<Word>,
    urgent: Vec<Word>,
    queue: Vec<Word>,
    timers: Vec<(u16, Option<u8>, Word)>,
    name: Option<String>,
}

fn word() -> impl Strategy<Value = Word> {
    let leaf = prop_oneof![
        Just(Word::Unit),
        ".{0,12}".prop_map(Word::Text),
        (any::<u8>(), -1e9..1e9).prop_map(|(a, b)| Word::Pair(a, b)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        vec(inner, 0..4).prop_map(|inner| Word::Deep { inner })
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let words = || vec(word(), 0..12);
    (
        btree_map(".{0,8}", vec(option::of(any::<i64>()), 0..4), 0..6),
        words(),
        words(),
        words(),
        words(),
        vec((1..2000_u16, option::of(1..200_u8), word()), 0..6),
        option::of(".{1,10}"),
    )
        .prop_map(|(notes, heard, stash, urgent, queue, timers, name)| Plan {
            notes,
            heard,
            stash,
            urgent,
            queue,
            timers,
            name,
        })
}

impl Plan {
    /// All that has been heard when what waits has been handled, and the stash behind it.
    fn heard(&self) -> Vec<Word> {
        let all = [&self.heard, &self.urgent, &self.queue, &self.stash];
        all.into_iter().flatten().cloned().collect()
    }
}

fn secs(n: u16) -> Duration {
    Duration::from_secs(n.into())
}

/// As the plan says, of whichever version: the names of the two are the same.
macro_rules! make {
    ($sys:expr, $plan:expr, $book:expr, |$book_:ident, $word:ident| $later:expr) => {{
        let (sys, plan) = ($sys, $plan);
        let $book_ = match &plan.name {
            Some(name) => sys.spawn_named(&**name, $book).unwrap(),
            None => sys.spawn($book).unwrap(),
        };
        for $word in plan.stash.iter().cloned() {
            $later;
        }
        while $book_.queued() > 0 {
            microthread::yield_now();
        }
        $book_.sys().suspend().unwrap();
        for word in &plan.queue {
            $book_.tell().hear(word.clone()).unwrap();
        }
        for word in &plan.urgent {
            $book_.tell().hear_first(word.clone()).unwrap();
        }
        for (left, period, word) in &plan.timers {
            match period {
                None => $book_.after(secs(*left)).hear(word.clone()),
                Some(period) => $book_.every(secs(u16::from(*period))).hear(word.clone()),
            };
        }
        let image = $book_.snapshot().unwrap();
        $book_.kill();
        $book_.join();
        through_bytes(&image)
    }};
}

/// In virtual time, once.
fn on_a_system(plan: Plan, check: fn(&System, &Plan)) {
    let explorer = testing::Explorer::new().iterations(1);
    explorer.check(move |sys| check(sys, &plan));
}

fn is_the_plan(sys: &System, plan: &Plan, image: &Image) {
    let summary = Summary::of(image).unwrap();
    assert_eq!(summary.names, plan.name.iter().cloned().collect::<Vec<_>>());
    assert_eq!(summary.timers, plan.timers.len());
    let book = sys.restore::<Book>(image).unwrap();
    if let Some(name) = &plan.name {
        assert_eq!(sys.lookup::<Book>(name).unwrap(), book);
    }
    assert_eq!(book.ask().unstash().unwrap(), plan.stash.len());
    let (notes, heard, count) = book.ask().all().unwrap();
    assert_eq!((&notes, count), (&plan.notes, plan.notes.len()));
    assert_eq!(heard, plan.heard());
    timers_go_off(plan, &book);
}

/// Each when it is due, and nothing else.
fn timers_go_off(plan: &Plan, book: &Addr<Book>) {
    let (_, heard, _) = book.ask().all().unwrap();
    let mut due: Vec<(u16, &Word)> = Vec::new();
    for (left, period, word) in &plan.timers {
        match period {
            None => due.push((*left, word)),
            Some(period) => {
                let period = u16::from(*period);
                let ticks = (1..).map(|n| n * period).take_while(|at| *at <= 300);
                due.extend(ticks.map(|at| (at, word)));
            }
        }
    }
    let before = heard.len();
    microthread::sleep(secs(300) + Duration::from_millis(500));
    let (_, heard, _) = book.ask().all().unwrap();
    let mut sent: Vec<String> = heard[before..].iter().map(|it| format!("{it:?}")).collect();
    let due = due.into_iter().filter(|(at, _)| *at <= 300);
    let mut expected: Vec<String> = due.map(|(_, word)| format!("{word:?}")).collect();
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_actor_comes_back_as_it_was(plan in plan()) {
        on_a_system(plan, |sys, plan| {
            let book = Book {
                notes: plan.notes.clone(),
                heard: plan.heard.clone(),
                count: plan.notes.len(),
            };
            let image = make!(sys, plan, book, |book, word| book
                .tell().hear_later(word, None).unwrap());
            is_the_plan(sys, plan, &image);
            // And once more, from the image alone.
            let options = actor_core::SpawnOptions::new();
            let copy = sys.restore_with::<Book>(options, &image).unwrap();
            assert_eq!(copy.ask().unstash().unwrap(), plan.stash.len());
        });
    }

    #[test]
    fn any_actor_of_the_first_version_comes_back_upgraded(plan in plan()) {
        on_a_system(plan, |sys, plan| {
            let book = old::Book { notes: plan.notes.clone(), heard: plan.heard.clone() };
            let image = make!(sys, plan, book, |book, word| book.tell().hear_later(word).unwrap());
            let mut again = plan.clone();
            // An old one in the stash says nothing of `done`, so it goes there once more, to the end.
            again.stash.clear();
            let book = sys.restore_with::<Book>(actor_core::SpawnOptions::new(), &image).unwrap();
            assert_eq!(book.ask().unstash().unwrap(), plan.stash.len());
            assert_eq!(book.ask().all().unwrap().1, again.heard());
            assert_eq!(book.ask().unstash().unwrap(), plan.stash.len());
            let (notes, heard, count) = book.ask().all().unwrap();
            assert_eq!((notes, heard), (plan.notes.clone(), plan.heard()));
            assert_eq!(count, plan.notes.len());
            timers_go_off(plan, &book);
        });
    }

    #[test]
    fn any_actor_of_the_version_before_comes_back_upgraded(plan in plan()) {
        on_a_system(plan, |sys, plan| {
            let book = middle::Book {
                pages: plan.notes.clone().into_iter().collect(),
                heard: plan.heard.clone(),
            };
            let image = make!(sys, plan, book, |book, word| book
                .tell().hear_later(word, Some(true)).unwrap());
            assert_eq!(image.head().schema_version(), 2);
            is_the_plan(sys, plan, &image);
        });
    }
}

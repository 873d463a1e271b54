use super::*;

/// Tells nobody.
struct Nobody;

impl Keeper for Nobody {
    fn started(self: Arc<Self>, _: u64, _: u32) {}
    fn start_failed(self: Arc<Self>, _: u64, _: u32, _: ExitReason) {}
    fn exited(self: Arc<Self>, _: u64, _: u32, _: ExitReason) {}
}

/// `extra_or_new` looks, finds none, and looks again for the word that it is to replace.
#[test]
fn an_extra_that_came_between_two_looks_stays() {
    let word = Word::of_extra(None);
    assert!(word.extra().is_none());
    let there = ptr::from_ref(word.extra_or_new());
    assert!(ptr::eq(word.make_extra(word.load()), there));
    assert!(ptr::eq(word.extra_or_new(), there));
}

/// Also one for Miri: what is made here is freed here, through every state of a word.
#[test]
fn a_word_gives_up_what_it_counts() {
    let shared = Shared::new(Arc::new(Nobody));
    let new = || Word::of_shared(shared.clone());
    drop(Word::of_extra(None));
    drop(Word::of_extra(Some(Box::default())));
    drop(new());
    let (moved, taken, both) = (new(), new(), new());
    moved.extra_or_new();
    both.extra_or_new();
    assert!(moved.has_keeper() && both.has_keeper());
    drop((taken.take_keeper(), both.take_keeper()));
    assert!(!taken.has_keeper() && !both.has_keeper());
    assert_eq!(Arc::strong_count(&shared), 2);
    drop((moved, taken, both));
    assert_eq!(Arc::strong_count(&shared), 1);
}

//! Loom models: a word that several change at once. What is shared is counted: each reference is given up once.
//!
//! `ci/models.sh`

use loom::thread;

use super::*;

/// Tells nobody.
struct Nobody;

impl Keeper for Nobody {
    fn started(self: Arc<Self>, _: u64, _: u32) {}
    fn start_failed(self: Arc<Self>, _: u64, _: u32, _: ExitReason) {}
    fn exited(self: Arc<Self>, _: u64, _: u32, _: ExitReason) {}
}

/// Runs `f` with a word that has a shared keeper, in every interleaving, and sees that in the end nobody else counts that. What
/// `f` returns is dropped before.
fn model<R>(f: impl Fn(&Arc<Word>) -> R + Sync + Send + 'static) {
    loom::model(move || {
        let keeper: Arc<dyn Keeper> = Arc::new(Nobody);
        let shared = Shared::new(keeper);
        // Whoever gives up one too many frees nothing.
        let spare: Vec<_> = (0..4).map(|_| shared.clone()).collect();
        let word = Arc::new(Word::of_shared(shared.clone()));
        drop(f(&word));
        drop(Arc::into_inner(word).expect("all threads have ended"));
        assert_eq!(Arc::strong_count(&shared), 1 + spare.len());
    });
}

fn place(extra: &Extra) -> usize {
    ptr::from_ref(extra).addr()
}

#[test]
fn loom_who_makes_an_extra_at_once_has_the_same() {
    model(|word| {
        let other = {
            let word = word.clone();
            thread::spawn(move || place(word.extra_or_new()))
        };
        let mine = place(word.extra_or_new());
        // SAFETY: nobody takes it.
        assert!(unsafe { word.keeper() }.is_some());
        assert_eq!(other.join().unwrap(), mine);
    });
}

#[test]
fn loom_a_keeper_is_found_wherever_it_is() {
    model(|word| {
        let other = {
            let word = word.clone();
            thread::spawn(move || drop(word.extra_or_new().lock()))
        };
        // SAFETY: nobody takes it.
        let found = unsafe { word.keeper() };
        assert!(found.is_some() && word.has_keeper());
        other.join().unwrap();
    });
}

#[test]
fn loom_a_keeper_is_taken_from_where_it_is() {
    model(|word| {
        let other = {
            let word = word.clone();
            thread::spawn(move || place(word.extra_or_new()))
        };
        let taken = word.take_keeper();
        assert!(taken.is_some() && !word.has_keeper());
        let made = other.join().unwrap();
        assert!(word.take_keeper().is_none());
        assert_eq!(word.extra().map(place), Some(made));
    });
}

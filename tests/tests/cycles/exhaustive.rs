//! All interleavings of a few actors.

use super::*;

/// In one run, each actor of a ring of `n` waits for the next. A run that does not end is a failure of its own. Where the waits
/// close the circle, one fails; never more than one, as here no two look at the same time.
fn ring_of(n: usize, how: How, seen: &Seen<Vec<bool>>) -> impl Fn(&System) + Send + Sync + 'static {
    let seen = seen.clone();
    move |sys: &System| {
        let (ids, outcomes) = wait_as(sys, how, ring(n));
        for (id, outcomes) in ids.iter().zip(&outcomes) {
            if let Outcome::Deadlock(path) = &outcomes[0] {
                assert_eq!(path[0], *id, "named from the one that failed");
                goes_round(path, &ids);
            }
        }
        let failed: Vec<_> = outcomes.iter().map(|it| it[0] != Outcome::Done).collect();
        assert!(failed.iter().filter(|it| **it).count() <= 1, "{outcomes:?}");
        seen.add(failed);
    }
}

/// Each of `n` was the one that failed in some run, and in some none did.
fn all_cases(n: usize) -> Vec<Vec<bool>> {
    let mut cases = vec![vec![false; n]];
    cases.extend((0..n).rev().map(|one| (0..n).map(|i| i == one).collect()));
    cases
}

#[test]
fn of_two_that_ask_each_other_one_fails_with_the_path() {
    let seen = Seen::default();
    all_interleavings(true, ring_of(2, How::Ask, &seen));
    assert_eq!(seen.each(), all_cases(2));
}

#[test]
fn of_three_that_ask_in_a_circle_one_fails_with_the_path() {
    let seen = Seen::default();
    all_interleavings(false, ring_of(3, How::Ask, &seen));
    // Each has been told to ask before any of them does.
    assert_eq!(seen.each(), all_cases(3)[1..]);
}

#[test]
fn of_two_that_wait_for_requests_to_each_other_one_fails_with_the_path() {
    let seen = Seen::default();
    all_interleavings(true, ring_of(2, How::Request, &seen));
    assert_eq!(seen.each(), all_cases(2));
}

/// With a switch at each message as well: too many to try all.
#[test]
fn of_three_that_ask_in_a_circle_one_fails_wherever_they_are_interrupted() {
    let seen = Seen::default();
    let explorer = Explorer::new().iterations(2000);
    explorer.check(ring_of(3, How::Ask, &seen));
    assert_eq!(seen.each(), all_cases(3));
}

/// Each of three asks both others, in turn: circles of two and of three come and go.
#[test]
fn where_three_ask_both_others_in_turn_all_come_to_an_end() {
    let seen = Seen::default();
    let all = seen.clone();
    all_interleavings(false, move |sys: &System| {
        let next = vec![vec![1, 2], vec![2, 0], vec![0, 1]];
        let (ids, outcomes) = wait_as(sys, How::Ask, next);
        let mut lens = Vec::new();
        for (id, outcome) in ids
            .iter()
            .zip(&outcomes)
            .flat_map(|(id, it)| it.iter().map(move |it| (id, it)))
        {
            if let Outcome::Deadlock(path) = outcome {
                assert_eq!(path[0], *id);
                lens.push(path.len());
            }
        }
        all.add(lens);
    });
    let lens: Vec<_> = seen.each().into_iter().flatten().collect();
    assert!(lens.contains(&2) && lens.contains(&3) && !lens.iter().any(|len| *len > 3));
}

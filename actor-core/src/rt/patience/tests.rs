use super::*;

const MICRO: Duration = Duration::from_micros(1);

fn waiting(left: usize, len: usize) -> Waiting {
    Waiting { left, len }
}

/// A look at the queue of worker 1, whose steps do not matter.
fn looks(thief: &mut Thief, now: Instant, left: usize, len: usize) -> bool {
    thief.is_worth_taking(now, 1, waiting(left, len), || 0)
}

#[test]
fn what_has_waited_for_long_is_taken() {
    let (mut thief, start) = (Thief::default(), Instant::now());
    assert!(!looks(&mut thief, start, 7, 2));
    assert!(!looks(&mut thief, start + PATIENCE / 2, 8, 5));
    // The last of the two is still there.
    assert!(looks(&mut thief, start + PATIENCE, 8, 1));
}

#[test]
fn what_its_owner_gets_through_is_left_to_it() {
    let (mut thief, start) = (Thief::default(), Instant::now());
    let mut left = usize::MAX - 100;
    for look in 0..100 {
        let now = start + PATIENCE / 2 * look;
        assert!(!looks(&mut thief, now, left, 3));
        left = left.wrapping_add(3);
    }
}

#[test]
fn what_comes_into_an_empty_queue_has_not_waited() {
    let (mut thief, start) = (Thief::default(), Instant::now());
    assert!(!looks(&mut thief, start, 0, 1));
    assert!(!looks(&mut thief, start + PATIENCE, 0, 0));
    assert!(!looks(&mut thief, start + PATIENCE, 0, 1));
    assert!(looks(&mut thief, start + 2 * PATIENCE, 0, 1));
}

#[test]
fn queues_are_known_one_by_one() {
    let (mut thief, start) = (Thief::default(), Instant::now());
    assert!(!thief.is_worth_taking(start, 3, waiting(0, 1), || 0));
    assert!(!thief.is_worth_taking(start + PATIENCE, 1, waiting(0, 1), || 0));
    assert!(thief.is_worth_taking(start + PATIENCE, 3, waiting(0, 1), || 0));
}

/// A theft at `begun` from a worker that took `alone` steps while the thief was patient; and what the thief did in the `time` until
/// it looks again. Gives the moment of that.
fn visit(thief: &mut Thief, begun: Instant, alone: u64, own: u64, time: Duration) -> Instant {
    let known = begun.checked_sub(thief.patience()).unwrap();
    assert!(!thief.is_worth_taking(known, 1, waiting(0, 0), || 0));
    assert!(!thief.is_worth_taking(known, 1, waiting(0, 9), || 100));
    assert!(thief.is_worth_taking(begun, 1, waiting(1, 8), || unreachable!()));
    thief.takes(begun, 1, 50, 100 + alone);
    let end = begun + time;
    thief.looks(end, 50 + own);
    end
}

/// A time at which none is before a thief's patience.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

#[test]
fn who_lost_by_a_theft_is_more_patient() {
    let mut thief = Thief::default();
    let mut now = later();
    for raised in 1..=RAISES + 2 {
        // Five steps a microsecond alone, and the thief not half as many.
        let alone = 5 * thief.patience().as_micros() as u64;
        now = visit(&mut thief, now, alone, 49, 20 * MICRO) + 10 * thief.patience();
        assert_eq!(thief.patience(), PATIENCE * 4u32.pow(raised.min(RAISES)));
    }
    // Half as many: it has not cost.
    let alone = 5 * thief.patience().as_micros() as u64;
    visit(&mut thief, now, alone, 50, 20 * MICRO);
    assert_eq!(thief.patience(), PATIENCE);
}

#[test]
fn long_steps_are_worth_taking() {
    let mut thief = Thief::default();
    // The owner took many short ones; what was stolen takes 3 us each.
    visit(&mut thief, later(), 50, 10, 30 * MICRO);
    assert_eq!(thief.patience(), PATIENCE);
}

#[test]
fn what_a_theft_has_cost_is_forgotten() {
    let mut thief = Thief::default();
    let end = visit(&mut thief, later(), 50, 20, 20 * MICRO);
    thief.looks(end + FORGOTTEN / 2, 70);
    assert_eq!(thief.patience(), PATIENCE * 4);
    thief.looks(end + FORGOTTEN, 70);
    assert_eq!(thief.patience(), PATIENCE);
}

#[test]
fn a_few_steps_say_nothing() {
    let mut thief = Thief::default();
    let end = visit(&mut thief, later(), 50, 20, 20 * MICRO);
    let raised = thief.patience();
    visit(&mut thief, end + raised, FEW - 1, 200, 20 * MICRO);
    assert_eq!(thief.patience(), raised);
}

#[test]
fn nobody_is_woken_for_what_would_be_done_before() {
    let tick = Duration::from_millis(1);
    assert!(!is_worth_waking_for(waiting(0, 0), 0, tick));
    assert!(is_worth_waking_for(waiting(0, 1), 0, tick));
    // A queue of 64 at 25,000 a millisecond is empty after 3 us; at 1,000 after 64.
    assert!(!is_worth_waking_for(waiting(0, 64), 25_000, tick));
    assert!(is_worth_waking_for(waiting(0, 64), 1_000, tick));
}

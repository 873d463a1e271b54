use std::cell::Cell;
use std::fmt::Debug;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use super::*;

fn letters(count: u64) -> Event {
    Event::DeadLetters {
        who: Who::new(1, "Counter", None),
        count,
    }
}

/// Which events arrived: counts as they are, lags as negative numbers.
fn drain(events: &Receiver<Event>) -> Vec<i64> {
    let number = |event| match event {
        Event::DeadLetters { count, .. } => i64::try_from(count).unwrap(),
        Event::Lagged { missed } => -i64::try_from(missed).unwrap(),
        other => panic!("{other:?}"),
    };
    events.try_iter().map(number).collect()
}

impl Events {
    fn tell(&self, count: u64) {
        self.emit(Level::DEBUG, || letters(count));
    }
}

#[test]
fn an_event_nobody_wants_is_never_built() {
    let events = Events::new();
    let built = Cell::new(false);
    let emit = |events: &Events| {
        events.emit(Level::DEBUG, || {
            built.set(true);
            letters(1)
        });
    };
    // Another test's `tracing` subscriber raises the maximum level of the whole process.
    if LevelFilter::current() == LevelFilter::OFF {
        emit(&events);
        assert!(!built.get() || LevelFilter::current() != LevelFilter::OFF);
    }
    let receiver = events.subscribe();
    emit(&events);
    assert!(built.get());
    assert_eq!(drain(&receiver), [1]);
}

#[test]
fn every_subscription_sees_every_event_in_the_same_order() {
    let events = Events::new();
    let first = events.subscribe();
    events.tell(1);
    let second = events.subscribe();
    events.tell(2);
    events.tell(3);
    assert_eq!(drain(&first), [1, 2, 3]);
    assert_eq!(drain(&second), [2, 3]);
}

#[test]
fn a_slow_subscription_misses_events_and_is_told_how_many() {
    let events = Events::new();
    let (slow, fast) = (events.subscribe_with(3), events.subscribe());
    for count in 1..=5 {
        events.tell(count);
    }
    assert_eq!(drain(&slow), [1, 2, 3]);
    events.tell(6);
    assert_eq!(drain(&slow), [-2, 6]);
    assert_eq!(drain(&fast), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_subscription_that_is_always_a_little_late_still_gets_events() {
    let events = Events::new();
    let slow = events.subscribe_with(0); // two, at least
    let (mut got, mut missed) = (0, 0);
    for count in 0..100 {
        events.tell(count);
        assert!(
            slow.len() <= 2,
            "a subscription never outgrows its capacity"
        );
        if count % 2 == 1 {
            match slow.try_recv().unwrap() {
                Event::Lagged { missed: more } => missed += more,
                _ => got += 1,
            }
        }
    }
    assert!(got >= 20, "{got} events");
    let rest = drain(&slow);
    got += rest.iter().filter(|it| **it >= 0).count() as u64;
    missed += rest
        .iter()
        .filter(|it| **it < 0)
        .map(|it| it.unsigned_abs())
        .sum::<u64>();
    events.tell(100);
    let last = drain(&slow);
    missed += last
        .iter()
        .filter(|it| **it < 0)
        .map(|it| it.unsigned_abs())
        .sum::<u64>();
    assert_eq!(got + missed, 100, "nothing is lost uncounted");
    assert_eq!(last.last(), Some(&100));
}

#[test]
fn a_count_with_no_event_behind_it_is_delivered_when_the_hub_goes() {
    let events = Events::new();
    let slow = events.subscribe_with(2);
    for count in 1..=4 {
        events.tell(count);
    }
    drop(events);
    assert_eq!(drain(&slow), [1, 2, -2]);
    assert!(slow.recv().is_err(), "and then it is over");
}

#[test]
fn a_subscription_ends_with_its_receiver_even_when_it_was_full() {
    let events = Events::new();
    let (gone, full, nearly) = (
        events.subscribe(),
        events.subscribe_with(2),
        events.subscribe_with(2),
    );
    for count in 0..5 {
        events.tell(count);
    }
    nearly.recv().unwrap();
    drop((gone, full, nearly));
    events.tell(5);
    assert_eq!(events.subscribers.len(), 0);
}

/// Many emitters, one slow subscriber: what it got and what it was told it missed is everything.
#[test]
fn nothing_is_lost_uncounted_under_contention() {
    const EACH: u64 = 5_000;
    let events = Arc::new(Events::new());
    let receiver = events.subscribe_with(8);
    let total = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let count = |event| {
                if let Event::Lagged { missed } = event {
                    missed
                } else {
                    1
                }
            };
            receiver.iter().map(count).sum::<u64>()
        });
        let emitters = [(); 3].map(|()| {
            let events = Arc::clone(&events);
            scope.spawn(move || (0..EACH).for_each(|count| events.tell(count)))
        });
        emitters
            .into_iter()
            .for_each(|emitter| emitter.join().unwrap());
        drop(events);
        reader.join().unwrap()
    });
    assert_eq!(total, 3 * EACH);
}

#[test]
fn who_shows_kind_id_and_name() {
    assert_eq!(Who::new(7, "Counter", None).to_string(), "Counter#7");
    assert_eq!(
        Who::new(7, "Counter", Some("a \"b\"".into())).to_string(),
        r#"Counter#7 "a \"b\"""#
    );
}

/// Keeps what it is told: `target LEVEL message field=value ..`.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(format!(
            "{} {}",
            event.metadata().target(),
            event.metadata().level()
        ));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn every_event_goes_to_tracing_under_its_target_level_and_fields() {
    let who = || Who::new(7, "Counter", Some("c".into()));
    let supervisor = || Who::new(1, "Supervisor", None);
    let child = || Arc::from("a");
    let table = [
        (
            Event::Spawned { who: who() },
            r#"actor_core::lifecycle TRACE message=spawned id=7 label="Counter" name="c""#,
        ),
        (
            Event::Exited {
                who: who(),
                reason: ExitReason::Normal,
            },
            r#"actor_core::lifecycle DEBUG message=exited id=7 label="Counter" name="c" reason=ended normally"#,
        ),
        (
            Event::Exited {
                who: supervisor(),
                reason: ExitReason::Killed,
            },
            r#"actor_core::lifecycle WARN message=exited id=1 label="Supervisor" reason=killed"#,
        ),
        (
            Event::Restarted {
                supervisor: supervisor(),
                child: child(),
                incarnation: 2,
            },
            r#"actor_core::supervision WARN message=restarted supervisor=1 child="a" incarnation=2"#,
        ),
        (
            Event::StartFailed {
                supervisor: supervisor(),
                child: child(),
                incarnation: 2,
                reason: ExitReason::Overflow,
            },
            r#"actor_core::supervision WARN message=start failed supervisor=1 child="a" incarnation=2 reason="#,
        ),
        (
            Event::StopOverdue {
                supervisor: supervisor(),
                child: child(),
                incarnation: 2,
            },
            r#"actor_core::supervision WARN message=stop overdue, killing supervisor=1 child="a" incarnation=2"#,
        ),
        (
            Event::GaveUp {
                supervisor: supervisor(),
                child: child(),
            },
            r#"actor_core::supervision ERROR message=gave up: too many restarts supervisor=1 child="a""#,
        ),
        (
            Event::Stuck {
                who: who(),
                worker: 3,
                held: Duration::from_millis(20),
            },
            r#"actor_core::scheduler WARN message=worker held id=7 label="Counter" name="c" worker=3 held_ms=20"#,
        ),
        (
            Event::Overflow {
                who: who(),
                worker: 3,
                stack_size: 65536,
                abandoned: true,
            },
            r#"actor_core::scheduler ERROR message=stack overflow id=7 label="Counter" name="c" worker=3 stack_size=65536 abandoned=true"#,
        ),
        (
            letters(4),
            r#"actor_core::mailbox DEBUG message=dead letters id=1 label="Counter" count=4"#,
        ),
        (
            Event::Lagged { missed: 9 },
            r#"actor_core::events DEBUG message=a subscription missed events missed=9"#,
        ),
    ];
    let recorder = Recorder::default();
    let events = Events::new();
    let emit_all = || {
        for (event, _) in &table {
            events.emit(event.level(), || event.clone());
        }
    };
    let lagging = tracing::subscriber::with_default(recorder.clone(), || {
        // A callsite that another test's thread comes to first asks that thread's subscriber, which is none, and
        // remembers. So all of them are made known, and then asked again from here.
        emit_all();
        tracing::callsite::rebuild_interest_cache();
        recorder.0.lock().unwrap().clear();
        emit_all();
        let slow = events.subscribe_with(2);
        (0..5).for_each(|count| events.tell(count));
        drain(&slow);
        let told = recorder.0.lock().unwrap().split_off(table.len());
        events.tell(5);
        (told, recorder.0.lock().unwrap().split_off(table.len()))
    });
    let lines = recorder.0.lock().unwrap().clone();
    assert_eq!(lines.len(), table.len(), "{lines:#?}");
    for (line, (event, expected)) in lines.iter().zip(&table) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
        assert!(line.contains(&format!(" {} ", event.level())), "{line}");
    }
    let lag = "actor_core::events DEBUG message=a subscription missed events missed=3";
    assert!(!lagging.0.iter().any(|line| line == lag));
    assert!(lagging.1.iter().any(|line| line == lag), "{lagging:#?}");
}

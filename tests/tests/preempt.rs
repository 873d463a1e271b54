//! What is promised of `#[preemptible]` loops and of `checkpoint`: code that never waits shares its worker all the same.
//!
//! One worker and no spares: what others do while a loop spins, they do because it let them.

use std::io::{Read, Write};
use std::net::TcpListener as StdListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;

use actor_core::Event;
use actor_core::microthread::{JoinError, JoinHandle, checkpoint, no_suspend};
use actor_core::net::TcpStream;
use actor_core::prelude::*;
use tests::{Gate, ms, one_worker, within};

const LIMIT: u64 = 30;
/// Passes without a wait after which a microthread lets others run: in the documentation of `checkpoint`.
const TURN: usize = 4096;
/// Passes after which a loop has noticed a kill at the latest: in the documentation of `#[preemptible]`.
const LOOK: usize = 64;

/// Spins until somebody else raises `flag`.
#[preemptible]
fn spin(flag: &AtomicBool) {
    while !flag.load(SeqCst) {}
}

#[preemptible]
fn spin_for_ever(started: &Gate) -> ! {
    started.open();
    loop {}
}

fn system() -> System {
    let builder = System::builder().workers(1).spare_workers(0);
    builder.build().expect("threads and descriptors")
}

fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

#[derive(Default)]
struct Spins {
    started: Gate,
    flag: Arc<AtomicBool>,
}

impl Spins {
    /// A spinning microthread, which has started.
    fn start(&self, rt: &actor_core::Runtime) -> JoinHandle<()> {
        let (started, flag) = (self.started.clone(), self.flag.clone());
        let body = move || {
            started.open();
            spin(&flag);
        };
        let spinner = rt.spawn(body).unwrap();
        self.started.wait();
        spinner
    }
}

// ---- who has a turn ---------------------------------------------------------------------------------------------------

#[test]
fn a_loop_that_never_waits_lets_start_what_comes_from_a_thread() {
    within(LIMIT, || {
        let (rt, spins) = (one_worker(), Spins::default());
        let spinner = spins.start(&rt);
        let flag = spins.flag.clone();
        rt.spawn(move || flag.store(true, SeqCst))
            .unwrap()
            .join()
            .unwrap();
        spinner.join().unwrap();
    });
}

#[test]
fn a_loop_that_never_waits_lets_go_on_what_is_woken() {
    within(LIMIT, || {
        let (rt, spins, gate) = (one_worker(), Spins::default(), Gate::new());
        let (opened, flag) = (gate.clone(), spins.flag.clone());
        let woken = rt.spawn(move || {
            opened.wait();
            flag.store(true, SeqCst);
        });
        let spinner = spins.start(&rt);
        gate.open();
        woken.unwrap().join().unwrap();
        spinner.join().unwrap();
    });
}

#[test]
fn timers_fire_beside_a_loop_that_never_waits_and_is_alone() {
    within(LIMIT, || {
        let (rt, spins) = (one_worker(), Spins::default());
        let flag = spins.flag.clone();
        let sleeper = rt.spawn(move || {
            microthread::sleep(ms(5));
            flag.store(true, SeqCst);
        });
        let spinner = spins.start(&rt);
        sleeper.unwrap().join().unwrap();
        spinner.join().unwrap();
    });
}

#[test]
fn descriptors_are_looked_at_beside_a_loop_that_never_waits_and_is_alone() {
    within(LIMIT, || {
        let (rt, spins) = (one_worker(), Spins::default());
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connected, flag) = (Gate::new(), spins.flag.clone());
        let reader = rt.spawn({
            let connected = connected.clone();
            move || {
                let mut stream = TcpStream::connect(address).unwrap();
                connected.open();
                stream.read_exact(&mut [0]).unwrap();
                flag.store(true, SeqCst);
            }
        });
        let (mut far, _) = listener.accept().unwrap();
        connected.wait();
        let spinner = spins.start(&rt);
        far.write_all(b"x").unwrap();
        reader.unwrap().join().unwrap();
        spinner.join().unwrap();
    });
}

#[test]
fn two_loops_that_never_wait_take_turns() {
    #[preemptible]
    fn outrun(mine: &AtomicUsize, other: &AtomicUsize) {
        while other.load(SeqCst) < 100_000 || mine.load(SeqCst) < 100_000 {
            mine.fetch_add(1, SeqCst);
        }
    }
    within(LIMIT, || {
        let rt = one_worker();
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let both = [0, 1].map(|me| {
            let counts = counts.clone();
            rt.spawn(move || outrun(&counts[me], &counts[1 - me]))
                .unwrap()
        });
        both.into_iter().for_each(|loops| loops.join().unwrap());
    });
}

#[test]
fn nested_loops_count_together() {
    #[preemptible]
    fn nested(flag: &AtomicBool) {
        loop {
            for _ in 0..3 {
                let mut n = 0;
                while n < 3 {
                    n += 1;
                    if flag.load(SeqCst) {
                        return;
                    }
                    if n == 2 {
                        continue;
                    }
                }
            }
        }
    }
    within(LIMIT, || {
        let (rt, flag) = (one_worker(), flag());
        let spinner = rt.spawn({
            let flag = flag.clone();
            move || nested(&flag)
        });
        let other = rt.spawn(move || flag.store(true, SeqCst));
        other.unwrap().join().unwrap();
        spinner.unwrap().join().unwrap();
    });
}

// ---- what a loop wakes -------------------------------------------------------------------------------------------------

#[actor]
struct Counter(Arc<AtomicUsize>);

#[actor]
impl Counter {
    pub(crate) fn add(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// So many of them, and what all have counted.
fn counters(sys: &System, n: usize) -> (Vec<Addr<Counter>>, Arc<AtomicUsize>) {
    let all = Arc::new(AtomicUsize::new(0));
    let counters = (0..n).map(|_| sys.spawn(Counter(all.clone())).unwrap());
    (counters.collect(), all)
}

#[test]
fn what_a_loop_has_woken_runs_before_its_turn_is_over() {
    #[preemptible]
    fn tell_all(counters: &[Addr<Counter>]) {
        for counter in counters {
            counter.tell().add().unwrap();
        }
    }
    within(LIMIT, || {
        let sys = system();
        let (counters, all) = counters(&sys, TURN - 1);
        let told = sys.spawn_microthread(move || {
            tell_all(&counters);
            all.load(SeqCst)
        });
        let handled = told.unwrap().join().unwrap();
        // It looks twice before it knows that it has woken many, and may be on its way to that once more.
        assert!(handled >= TURN - 4 * LOOK, "{handled}");
    });
}

#[test]
fn what_waited_before_waits_for_the_whole_turn_of_a_loop() {
    #[preemptible]
    fn passes(n: usize) {
        for _ in 0..n {
            std::hint::black_box(n);
        }
    }
    within(LIMIT, || {
        // A monitor could have some of what waits in its hands when the turn is over.
        let builder = System::builder().workers(1).spare_workers(0);
        let sys = builder.unwatched().build().unwrap();
        let (counters, all) = counters(&sys, 1_000);
        let woken = sys.spawn_microthread(move || {
            counters
                .iter()
                .for_each(|counter| counter.tell().add().unwrap());
            passes(TURN - 1);
            let handled = all.load(SeqCst);
            passes(1);
            (handled, all.load(SeqCst))
        });
        let (within_its_turn, after) = woken.unwrap().join().unwrap();
        assert_eq!(within_its_turn, 0);
        assert_eq!(after, 1_000, "the turn is over, and all were before it");
    });
}

/// One of several loops lets go first whom they tell, and that handles as much as a turn of theirs brings.
#[test]
fn loops_that_tell_one_actor_do_not_outrun_it() {
    #[preemptible]
    fn tell(
        counter: &Addr<Counter>,
        told: &AtomicUsize,
        handled: &AtomicUsize,
        most: &AtomicUsize,
    ) {
        for _ in 0..10 * TURN {
            counter.tell().add().unwrap();
            let told = told.fetch_add(1, SeqCst) + 1;
            most.fetch_max(told - handled.load(SeqCst), SeqCst);
        }
    }
    within(LIMIT, || {
        let sys = system();
        let (counters, all) = counters(&sys, 1);
        let (told, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tellers: Vec<_> = (0..8)
            .map(|_| {
                let to = counters[0].clone();
                let (told, all, most) = (told.clone(), all.clone(), most.clone());
                let tells = move || tell(&to, &told, &all, &most);
                sys.spawn_microthread(tells).unwrap()
            })
            .collect();
        tellers.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(counters[0].ask().get().unwrap(), 8 * 10 * TURN);
        let most = most.load(SeqCst);
        // The first turn of each, if the monitor has put the actor behind them all, and one more.
        assert!(most <= 10 * TURN, "{most} messages waited");
    });
}

#[actor(mailbox = 1024)]
struct Roll {
    last: usize,
    changes: usize,
}

#[actor]
impl Roll {
    pub(crate) fn note(&mut self, from: usize) {
        self.changes += usize::from(from != self.last);
        self.last = from;
    }

    pub(crate) fn changes(&self) -> usize {
        self.changes
    }
}

/// Who waits for room lets go first whom it waits for, and that makes room for all that the next one has to say.
#[test]
fn senders_that_wait_for_room_fill_the_mailbox_in_turn() {
    within(LIMIT, || {
        const EACH: usize = 20 * 1024;
        let sys = system();
        let roll = sys
            .spawn(Roll {
                last: 0,
                changes: 0,
            })
            .unwrap();
        let senders: Vec<_> = (0..8)
            .map(|me| {
                let roll = roll.clone();
                let tells = move || (0..EACH).for_each(|_| roll.tell().note(me).unwrap());
                sys.spawn_microthread(tells).unwrap()
            })
            .collect();
        senders.into_iter().for_each(|it| it.join().unwrap());
        let changes = roll.ask().changes().unwrap();
        // A turn each 128 messages, of which all but one have one message, would make 7,000 of them.
        assert!(changes <= 8 * EACH / 512, "{changes} changes");
    });
}

// ---- actors ----------------------------------------------------------------------------------------------------------

#[actor]
struct Handler {
    flag: Arc<AtomicBool>,
    others: usize,
}

#[actor]
impl Handler {
    #[preemptible]
    pub(crate) fn spin(&mut self) -> usize {
        while !self.flag.load(SeqCst) {}
        self.others
    }

    pub(crate) fn count(&mut self) {
        self.others += 1;
    }

    pub(crate) fn raise(&mut self) {
        self.flag.store(true, SeqCst);
    }
}

#[actor]
struct Block(Arc<AtomicBool>);

#[actor]
#[preemptible]
impl Block {
    pub(crate) fn spin(&mut self) {
        while !self.0.load(SeqCst) {}
    }
}

#[actor]
struct OwnStack(Arc<AtomicBool>);

#[preemptible]
#[actor]
impl OwnStack {
    fn run(self, _inbox: Inbox<Self>) -> Exit {
        while !self.0.load(SeqCst) {}
        Exit::Normal
    }
}

#[test]
fn a_handler_lets_others_run_and_takes_no_other_message_meanwhile() {
    within(LIMIT, || {
        let (sys, flag) = (system(), flag());
        let handler = |flag: &Arc<AtomicBool>| {
            let flag = flag.clone();
            sys.spawn(Handler { flag, others: 0 }).unwrap()
        };
        let (spins, raises) = (handler(&flag), handler(&flag));
        let spun = spins.request().spin();
        spins.tell().count().unwrap();
        raises.tell().raise().unwrap();
        assert_eq!(
            spun.wait().unwrap(),
            0,
            "no message is handled in the middle of another"
        );
    });
}

#[test]
fn the_attribute_on_an_actors_block_covers_its_handlers() {
    within(LIMIT, || {
        let (sys, flag) = (system(), flag());
        let spins = sys.spawn(Block(flag.clone())).unwrap();
        let spun = spins.request().spin();
        let others = sys
            .spawn_microthread(move || flag.store(true, SeqCst))
            .unwrap();
        others.join().unwrap();
        spun.wait().unwrap();
    });
}

#[test]
fn the_attribute_on_an_actors_block_covers_its_run_body() {
    within(LIMIT, || {
        let (sys, flag) = (system(), flag());
        let events = sys.events();
        let spins = sys.spawn(OwnStack(flag.clone())).unwrap();
        let others = sys
            .spawn_microthread(move || flag.store(true, SeqCst))
            .unwrap();
        others.join().unwrap();
        drop(spins);
        events
            .iter()
            .find(|event| matches!(event, Event::Exited { who, .. } if who.label == "OwnStack"))
            .expect("the system lives");
    });
}

// ---- the end ---------------------------------------------------------------------------------------------------------

#[test]
fn a_kill_ends_a_loop_that_never_waits() {
    within(LIMIT, || {
        let (rt, started) = (one_worker(), Gate::new());
        let opens = started.clone();
        let spinner: JoinHandle<()> = rt.spawn(move || spin_for_ever(&opens)).unwrap();
        started.wait();
        spinner.kill();
        assert!(matches!(spinner.join(), Err(JoinError::Killed)));
    });
}

#[test]
fn a_loop_notices_a_kill_after_so_many_passes() {
    #[preemptible]
    fn kill_oneself(me: &OnceLock<JoinHandle<()>>, passes: &AtomicUsize) {
        me.get().unwrap().kill();
        loop {
            passes.fetch_add(1, SeqCst);
        }
    }
    within(LIMIT, || {
        let rt = one_worker();
        let (me, passes, go) = (
            Arc::new(OnceLock::new()),
            Arc::new(AtomicUsize::new(0)),
            Gate::new(),
        );
        let handle = rt.spawn({
            let (me, passes, go) = (me.clone(), passes.clone(), go.clone());
            move || {
                go.wait();
                kill_oneself(&me, &passes);
            }
        });
        me.set(handle.unwrap()).unwrap();
        go.open();
        tests::until(|| me.get().unwrap().is_finished());
        assert!(passes.load(SeqCst) <= LOOK, "{passes:?}");
    });
}

#[test]
fn shutdown_ends_a_loop_that_never_waits() {
    within(LIMIT, || {
        let (rt, started) = (one_worker(), Gate::new());
        let opens = started.clone();
        let spinner: JoinHandle<()> = rt.spawn(move || spin_for_ever(&opens)).unwrap();
        started.wait();
        let report = rt.shutdown(ms(20_000)).unwrap();
        assert!(report.leaked.is_empty(), "{report:?}");
        assert!(spinner.join().is_err());
    });
}

// ---- the count -------------------------------------------------------------------------------------------------------

/// How many checkpoints the caller makes until something else runs on its worker; at most `most`.
fn until_another_runs(most: usize) -> usize {
    let ran = flag();
    let raises = ran.clone();
    let other = microthread::spawn(move || raises.store(true, SeqCst));
    let mut made = 0;
    while made < most && !ran.load(SeqCst) {
        checkpoint();
        made += 1;
    }
    other.join().unwrap();
    made
}

#[test]
fn a_turn_is_counted_in_checkpoints() {
    within(LIMIT, || {
        let rt = one_worker();
        let made = rt.spawn(|| until_another_runs(usize::MAX)).unwrap();
        assert_eq!(made.join().unwrap(), TURN);
    });
}

#[test]
fn a_wait_begins_a_turn() {
    within(LIMIT, || {
        let rt = one_worker();
        let made = rt.spawn(|| {
            for _ in 0..TURN - 1 {
                checkpoint();
            }
            microthread::sleep(ms(1));
            until_another_runs(usize::MAX)
        });
        assert_eq!(made.unwrap().join().unwrap(), TURN);
    });
}

/// How many passes of a loop are counted while `passes` runs: what another's turn is short of.
fn counted(passes: impl FnOnce() + Send + 'static) -> usize {
    within(LIMIT, || {
        let rt = one_worker();
        let made = rt.spawn(|| {
            passes();
            until_another_runs(usize::MAX)
        });
        TURN - made.unwrap().join().unwrap()
    })
}

#[test]
fn each_pass_of_each_loop_of_the_function_counts_and_no_other() {
    #[preemptible]
    fn passes() {
        for _ in 0..10 {
            let mut n = 0;
            while n < 10 {
                n += 1;
            }
        }
        let closure = || for _ in 0..1000 {};
        closure();
        (0..1000).for_each(|n| {
            std::hint::black_box(n);
        });
        fn inner() {
            for _ in 0..1000 {}
        }
        inner();
    }
    assert_eq!(counted(passes), 10 + 10 * 10);
}

#[test]
fn nothing_yields_inside_no_suspend() {
    within(LIMIT, || {
        let (rt, ran) = (one_worker(), flag());
        let spinner = rt.spawn(move || {
            let raises = ran.clone();
            let other = microthread::spawn(move || raises.store(true, SeqCst));
            no_suspend(|| {
                for _ in 0..10 * TURN {
                    checkpoint();
                }
            });
            assert!(!ran.load(SeqCst));
            other.join().unwrap();
        });
        spinner.unwrap().join().unwrap();
    });
}

#[test]
fn nothing_yields_while_a_panic_unwinds() {
    struct Spin(Arc<AtomicBool>);
    impl Drop for Spin {
        fn drop(&mut self) {
            (0..10 * TURN).for_each(|_| checkpoint());
            assert!(!self.0.load(SeqCst));
        }
    }
    within(LIMIT, || {
        let rt = one_worker();
        let spinner = rt.spawn(|| {
            let ran = flag();
            let raises = ran.clone();
            let _spin = Spin(ran);
            drop(microthread::spawn(move || raises.store(true, SeqCst)));
            std::panic::resume_unwind(Box::new("planned"));
        });
        assert!(matches!(
            spinner.unwrap().join(),
            Err(JoinError::Panicked(_))
        ));
    });
}

#[test]
fn on_an_os_thread_a_preemptible_loop_is_a_loop() {
    #[preemptible]
    fn sum(to: u64) -> u64 {
        let mut sum = 0;
        for n in 0..to {
            sum += n;
        }
        sum
    }
    let to = 10 * TURN as u64;
    assert_eq!(sum(to), to * (to - 1) / 2);
    thread::spawn(move || assert_eq!(sum(to), to * (to - 1) / 2))
        .join()
        .unwrap();
}

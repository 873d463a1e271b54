//! Actors, supervision and probes under the seeded scheduler.

use super::*;
use actor_core::prelude::*;

#[actor]
struct Account {
    balance: i64,
}

#[actor]
impl Account {
    pub fn balance(&self) -> i64 {
        self.balance
    }
    pub fn set(&mut self, balance: i64) {
        self.balance = balance;
    }
    pub fn crash(&mut self) {
        panic!("crashed");
    }
}

#[test]
fn a_race_of_messages_is_found_and_replayed() {
    /// Asks, and then tells what the balance shall be: others come between.
    fn body(sys: &System) {
        let account = sys.spawn(Account { balance: 0 }).unwrap();
        let customers = [10, 20].map(|n| {
            let account = account.clone();
            microthread::spawn(move || {
                let balance = account.ask().balance().unwrap();
                account.tell().set(balance + n).unwrap();
            })
        });
        customers.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(account.ask().balance().unwrap(), 30);
    }
    let failure = fails(&Explorer::new(), body);
    assert!(message(&failure).contains("left == right"));
    let again = fails(&Explorer::new().seed(failure.seed), body);
    assert_eq!(again.trace, failure.trace);
}

#[test]
fn the_order_of_one_senders_messages_is_kept() {
    testing::check(|sys| {
        let probe = Probe::<(u32, u32)>::new(sys).unwrap();
        let senders = [0, 1].map(|sender| {
            let send = probe.sender();
            microthread::spawn(move || (0..5).for_each(|n| send((sender, n))))
        });
        let mut next = [0, 0];
        for _ in 0..10 {
            let (sender, n) = probe.expect_msg();
            assert_eq!(n, next[sender as usize]);
            next[sender as usize] += 1;
        }
        senders.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn a_supervisor_counts_restarts_in_virtual_time() {
    testing::check(|sys| {
        let sup = Supervisor::builder()
            .intensity(1, secs(3600))
            .child(ChildSpec::new("account", || Account { balance: 5 }))
            .start(sys)
            .unwrap();
        let account = sup.child::<Account>("account").unwrap();
        for _ in 0..3 {
            account.tell().set(1).unwrap();
            account.tell().crash().unwrap();
            // Handled by the next life.
            assert_eq!(account.ask().balance().unwrap(), 5);
            microthread::sleep(secs(3601));
        }
        assert!(sup.is_alive());
        for _ in 0..2 {
            let _ = account.ask().crash();
        }
        assert_eq!(sup.join(), ExitReason::Shutdown);
        assert_eq!(testing::elapsed(), secs(3 * 3601));
    });
}

#[test]
fn a_child_that_does_not_stop_is_killed_after_its_virtual_time() {
    #[actor]
    struct Stubborn;
    #[actor]
    impl Stubborn {
        pub fn hang(&mut self) {
            microthread::sleep(secs(1_000_000));
        }
    }
    testing::check(|sys| {
        let sup = Supervisor::builder()
            .child(ChildSpec::new("stubborn", || Stubborn).shutdown(secs(7)))
            .start(sys)
            .unwrap();
        let child = sup.child::<Stubborn>("stubborn").unwrap();
        child.tell().hang().unwrap();
        // It hangs by now.
        microthread::sleep(secs(1));
        sup.stop();
        sup.join();
        assert_eq!(child.join(), ExitReason::Killed);
        assert_eq!(testing::elapsed(), secs(8));
    });
}

#[test]
fn probes_expect_messages_silence_and_exits() {
    testing::check(|sys| {
        let probe = Probe::<&'static str>::new(sys).unwrap();
        let addr = probe.addr().clone();
        drop(microthread::spawn(move || {
            addr.send("at once").unwrap();
            microthread::sleep(secs(2));
            addr.send("later").unwrap();
        }));
        probe.expect_eq(&"at once");
        probe.expect_no_msg(secs(1));
        assert_eq!(probe.try_msg(), None);
        assert_eq!(probe.expect_msg(), "later");
        assert_eq!(testing::elapsed(), secs(2));

        let account = sys.spawn(Account { balance: 0 }).unwrap();
        let own = account.clone();
        drop(microthread::spawn(move || {
            microthread::sleep(secs(1));
            own.stop();
        }));
        assert_eq!(probe.expect_exit(&account), ExitReason::Normal);
        assert_eq!(testing::elapsed(), secs(3));
    });
}

#[test]
fn an_expectation_that_is_not_met_fails_the_run() {
    let failure = fails(&Explorer::new(), |sys| {
        Probe::<u32>::new(sys).unwrap().expect_msg();
    });
    assert!(message(&failure).contains("expected a message"));
    let failure = fails(&Explorer::new(), |sys| {
        let probe = Probe::<u32>::new(sys).unwrap();
        probe.addr().send(1).unwrap();
        probe.expect_no_msg(secs(1));
    });
    assert!(message(&failure).contains("expected no message"));
    let failure = fails(&Explorer::new(), |sys| {
        let probe = Probe::<u32>::new(sys).unwrap();
        probe.expect_exit(&sys.spawn(Account { balance: 0 }).unwrap());
    });
    assert!(message(&failure).contains("to end within"));
}

#[test]
fn a_probe_works_under_the_ordinary_scheduler() {
    let sys = System::new().unwrap();
    let probe = Probe::<u32>::new(&sys).unwrap();
    let send = probe.sender();
    drop(sys.spawn_microthread(move || send(3)).unwrap());
    assert_eq!(probe.expect_msg(), 3);
}

#[test]
fn blocking_runs_on_the_spot_and_lets_others_run() {
    let orders = Log::default();
    let all = orders.clone();
    testing::check(move |_| {
        let log = Log::default();
        let other = {
            let log = log.clone();
            microthread::spawn(move || log.add("other"))
        };
        let own = log.clone();
        let answer = microthread::blocking(|| {
            own.add("blocking");
            6 * 7
        });
        assert_eq!(answer, 42);
        other.join().unwrap();
        all.add(log.all());
    });
    let orders = orders.all();
    assert!(orders.contains(&vec!["blocking", "other"]));
    assert!(orders.contains(&vec!["other", "blocking"]));
}

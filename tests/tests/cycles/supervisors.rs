//! Circles through what supervisors start and stop: found, and broken; and what only looks like one.

use super::*;
use actor_core::{
    ActorOptions, ChildError, ChildTemplate, DynamicSupervisor, NoMethods, Reply, Strategy,
};

/// What an actor is to do.
type Job = Arc<dyn Fn(&Addr<Does>) + Send + Sync>;

/// An actor that does in its hooks, and when it is asked to, what a test says.
#[derive(Clone)]
pub struct Does {
    on_start: Option<Job>,
    on_stop: Option<Job>,
}

impl ActorOptions for Does {}

impl Actor for Does {
    type Msg = Job;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    const HAS_ON_START: bool = true;

    fn on_start(&mut self, cx: &mut Cx<Self>) -> Result<(), StartError> {
        if let Some(job) = &self.on_start {
            job(&cx.addr());
        }
        Ok(())
    }
    fn on_stop(&mut self, cx: &mut Cx<Self>, _: &ExitReason) {
        if let Some(job) = &self.on_stop {
            job(&cx.addr());
        }
    }
    fn handle(&mut self, job: Job, reply: Reply<'_>, cx: &mut Cx<Self>) {
        job(&cx.addr());
        reply.send(());
    }
}

fn job(f: impl Fn(&Addr<Does>) + Send + Sync + 'static) -> Option<Job> {
    Some(Arc::new(f))
}

fn idle() -> Does {
    Does {
        on_start: None,
        on_stop: None,
    }
}

fn starting(on_start: impl Fn(&Addr<Does>) + Send + Sync + 'static) -> Does {
    Does {
        on_start: job(on_start),
        ..idle()
    }
}

fn stopping(on_stop: impl Fn(&Addr<Does>) + Send + Sync + 'static) -> Does {
    Does {
        on_stop: job(on_stop),
        ..idle()
    }
}

fn spec(id: &str, does: &Does) -> ChildSpec<Does> {
    let does = does.clone();
    ChildSpec::new(id, move || does.clone())
}

/// Of a child whose stop takes as long as it likes.
fn patient(id: &str, does: &Does) -> ChildSpec<Does> {
    spec(id, does).shutdown(Shutdown::Infinity)
}

fn ask(it: &Addr<Does>, f: impl Fn(&Addr<Does>) + Send + Sync + 'static) -> Outcome {
    asked(it.__ask::<()>(Arc::new(f), None))
}

/// Any other failure is put in `or`'s hands.
fn called_or<T>(result: Result<T, ChildError>, or: impl Fn(ChildError) -> Outcome) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(ChildError::Deadlock { path }) => Outcome::Deadlock(ids(&path)),
        Err(other) => or(other),
    }
}

fn called<T>(result: Result<T, ChildError>) -> Outcome {
    called_or(result, |other| panic!("failed otherwise: {other:?}"))
}

/// The ids of the children.
fn children(sup: &Supervisor) -> Vec<String> {
    let children = sup.which_children().unwrap();
    children.into_iter().map(|it| it.id.to_string()).collect()
}

fn explore(body: impl Fn(&System) + Send + Sync + 'static) {
    let explorer = Explorer::new().iterations(300).switch_points(true);
    explorer.check(body);
}

fn end(sup: &Supervisor) {
    sup.stop();
    sup.join();
}

/// What a hook asks of its own supervisor.
type Call = fn(&Supervisor) -> Result<(), ChildError>;

const CALLS: [Call; 4] = [
    |sup| sup.start_child(spec("new", &idle())).map(drop),
    |sup| sup.delete_child("other"),
    |sup| sup.terminate_child("other"),
    |sup| sup.restart_child("other"),
];

/// Each call in turn, from a hook of a child that `start` starts with it.
fn calls_of_a_hook_are_refused(start: fn(&Supervisor, Option<Job>)) {
    explore(move |sys| {
        let sup = Supervisor::builder()
            .child(spec("other", &idle()))
            .start(sys)
            .unwrap();
        let seen = Seen::default();
        for call in CALLS {
            let (of, says) = (sup.clone(), seen.clone());
            let hook = job(move |me: &Addr<Does>| {
                let outcome = called(call(&of));
                goes_round(outcome.path().expect("a circle"), &[me.id(), of.id()]);
                says.add(outcome);
            });
            start(&sup, hook);
            assert_eq!(children(&sup), ["it", "other"], "and nothing has changed");
            sup.terminate_child("it").unwrap();
            sup.delete_child("it").unwrap();
            assert_eq!(children(&sup), ["other"], "and nothing else has changed");
        }
        assert_eq!(seen.0.lock().unwrap().len(), CALLS.len());
        assert!(sup.child::<Does>("other").unwrap().is_alive());
        end(&sup);
    });
}

#[test]
fn a_start_hook_that_calls_its_own_supervisor_is_refused_with_the_path() {
    calls_of_a_hook_are_refused(|sup, on_start| {
        let does = Does { on_start, ..idle() };
        sup.start_child(spec("it", &does)).unwrap();
    });
}

#[test]
fn a_stop_hook_that_calls_its_own_supervisor_is_refused_with_the_path() {
    calls_of_a_hook_are_refused(|sup, on_stop| {
        let does = Does { on_stop, ..idle() };
        sup.start_child(patient("it", &does)).unwrap();
    });
}

/// The hook asks one that calls the supervisor. Either wait may be the one that fails, or both.
fn through_an_intermediary(in_start: bool) {
    let all = Seen::default();
    let seen = all.clone();
    explore(move |sys| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let between = sys.spawn(idle()).unwrap();
        let (of, via, says) = (sup.clone(), between.clone(), seen.clone());
        let hook = move |me: &Addr<Does>| {
            let ring = [me.id(), via.id(), of.id()];
            let (sup, inner) = (of.clone(), says.clone());
            let asked = ask(&via, move |_| {
                let call = called(sup.start_child(spec("new", &idle())));
                if let Some(path) = call.path() {
                    goes_round(path, &ring);
                    inner.add("call");
                }
            });
            if let Some(path) = asked.path() {
                goes_round(path, &ring);
                says.add("ask");
            }
        };
        match in_start {
            true => drop(sup.start_child(spec("it", &starting(hook))).unwrap()),
            false => {
                sup.start_child(patient("it", &stopping(hook))).unwrap();
                sup.terminate_child("it").unwrap();
            }
        }
        end(&sup);
        between.stop();
        between.join();
    });
    let runs = all.0.lock().unwrap().len();
    assert!(runs >= 300, "one at least in each run: {runs}");
}

#[test]
fn a_start_hook_that_asks_one_that_calls_the_supervisor() {
    through_an_intermediary(true);
}

#[test]
fn a_stop_hook_that_asks_one_that_calls_the_supervisor() {
    through_an_intermediary(false);
}

/// It is the call that had it started, or the ask, that fails.
#[test]
fn a_start_hook_that_asks_whoever_had_it_started() {
    let all = Seen::default();
    let seen = all.clone();
    explore(move |sys| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let caller = sys.spawn(idle()).unwrap();
        let (of, seen) = (sup.clone(), seen.clone());
        let outcome = ask(&caller, move |me| {
            let (caller, says) = (me.clone(), seen.clone());
            let hook = move |_: &Addr<Does>| {
                if ask(&caller, |_| {}).path().is_some() {
                    says.add("ask");
                }
            };
            if let Some(path) = called(of.start_child(spec("it", &starting(hook)))).path() {
                assert_eq!(path[0], me.id(), "whose wait has failed");
                seen.add("call");
            }
        });
        assert_eq!(outcome, Outcome::Done);
        // Behind the start, which goes on in either case.
        assert_eq!(sup.delete_child("none"), Err(ChildError::NotFound));
        assert_eq!(children(&sup), ["it"]);
        end(&sup);
    });
    assert!(all.0.lock().unwrap().len() >= 300, "one in each run");
}

/// The child waits for the caller; the stop closes the circle, and the call fails, not the child.
#[test]
fn whoever_stops_a_child_that_waits_for_it_is_told() {
    explore(|sys| {
        let sup = Supervisor::builder()
            .child(patient("it", &idle()))
            .start(sys)
            .unwrap();
        let caller = sys.spawn(idle()).unwrap();
        let it: Addr<Does> = sup.child("it").unwrap();
        let (of, child) = (sup.clone(), it.clone());
        let seen = Seen::default();
        let says = seen.clone();
        let outcome = ask(&caller, move |me| {
            let (caller, tells) = (me.clone(), says.clone());
            let asks: Job = Arc::new(move |_| tells.add(ask(&caller, |_| {})));
            child.send(asks).unwrap();
            while me.queued() == 0 {
                actor_core::microthread::yield_now(); // until it has asked us
            }
            let call = called(of.terminate_child("it"));
            let ring = [me.id(), of.id(), child.id()];
            assert_eq!(call, Outcome::Deadlock(ring.into()));
        });
        assert_eq!(outcome, Outcome::Done);
        assert_eq!(it.join(), ExitReason::Shutdown, "it has been stopped");
        assert_eq!(seen.each(), [Outcome::Done]);
        end(&sup);
    });
}

/// Nobody's call is in the circle: the start fails, or the join, whichever is found.
#[test]
fn a_start_hook_that_joins_its_own_supervisor() {
    explore(|sys| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let of = sup.clone();
        let hook = move |_: &Addr<Does>| {
            let joined = of.try_join();
            assert!(joined.is_err());
        };
        let started = sup.start_child(spec("it", &starting(hook)));
        if let Err(error) = started {
            let ChildError::StartFailed { reason, .. } = error else {
                panic!("{error:?}");
            };
            assert!(reason.to_string().contains("never end"), "{reason}");
            assert_eq!(children(&sup), [] as [String; 0]);
        }
        end(&sup);
    });
}

/// Whoever starts the supervisor waits for its children.
#[test]
fn a_child_that_asks_whoever_starts_its_supervisor() {
    #[actor]
    pub struct Starter;

    #[actor]
    impl Starter {
        pub fn ping(&self) {}
        pub fn go(&self, cx: &mut Cx<Self>) {
            let (me, asks) = (cx.addr(), Seen::default());
            let says = asks.clone();
            let hook = move |_: &Addr<Does>| says.add(asked(me.ask().ping()).path().is_some());
            let sup = Supervisor::builder().child(spec("it", &starting(hook)));
            match sup.start(&cx.system()) {
                Ok(sup) => {
                    assert_eq!(asks.each(), [true]);
                    sup.stop();
                }
                Err(SpawnError::Deadlock(path)) => assert_eq!(path.actors()[0].id, cx.addr().id()),
                Err(SpawnError::Start(why)) => {
                    assert!(why.to_string().contains("never end"), "{why}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    explore(|sys| {
        let starter = sys.spawn(Starter).unwrap();
        starter.ask().go().unwrap();
        starter.stop();
        starter.join();
    });
}

/// The outer supervisor waits for the inner, that for the child, and the child calls the outer.
#[test]
fn a_circle_through_nested_supervisors() {
    explore(|sys| {
        let root = Supervisor::builder().start(sys).unwrap();
        let seen = Seen::default();
        let (of, says) = (root.clone(), seen.clone());
        let hook = move |me: &Addr<Does>| {
            let outcome = called(of.start_child(spec("new", &idle())));
            let path = outcome.path().expect("a circle");
            assert_eq!(path.len(), 3, "{path:?}");
            assert!(path.contains(&me.id()) && path.contains(&of.id()));
            says.add(outcome);
        };
        let child = starting(hook);
        let inner = ChildSpec::new("inner", move || {
            Supervisor::builder().child(spec("it", &child))
        });
        root.start_supervisor(inner).unwrap();
        assert_eq!(seen.0.lock().unwrap().len(), 1);
        assert_eq!(children(&root), ["inner"]);
        end(&root);
    });
}

/// A child is started again, and in its start hook calls its supervisor, while the call of another stands in line.
#[test]
fn a_restart_with_calls_in_line() {
    explore(|sys| {
        let seen = Seen::default();
        let sup = Supervisor::builder()
            .intensity(9, Duration::from_secs(10))
            .strategy(Strategy::OneForAll)
            .start(sys)
            .unwrap();
        let (of, says) = (sup.clone(), seen.clone());
        let hook = move |_: &Addr<Does>| {
            says.add(called(of.delete_child("second")).path().is_some());
        };
        let first: Addr<Does> = sup.start_child(spec("first", &starting(hook))).unwrap();
        sup.start_child(spec("second", &idle())).unwrap();
        let caller = sys.spawn(idle()).unwrap();
        let of = sup.clone();
        let call: Job = Arc::new(move |_| {
            of.start_child(spec("third", &idle())).unwrap();
        });
        let pending = caller.__request::<()>(call);
        let _ = first.send(Arc::new(|me: &Addr<Does>| me.kill()));
        pending.wait().unwrap();
        first.join_timeout(Duration::ZERO);
        // The second life's hook has been refused as that of the first.
        while seen.0.lock().unwrap().len() < 2 {
            actor_core::microthread::yield_now();
        }
        assert_eq!(seen.each(), [true]);
        assert_eq!(sup.delete_child("none"), Err(ChildError::NotFound));
        assert_eq!(children(&sup), ["third", "second", "first"]);
        end(&sup);
    });
}

/// All children are stopped at once, and one waits for the supervisor by way of another actor.
#[test]
fn a_circle_in_a_crowd() {
    explore(|sys| {
        let joins = sys.spawn(idle()).unwrap();
        let (via, made) = (joins.clone(), ChildTemplate::<Does, u32>::new);
        let template = made("it", move |n: &u32| {
            let via = via.clone();
            match n {
                1 => stopping(move |_| drop(ask(&via, |_| {}))),
                _ => idle(),
            }
        });
        let template = template.shutdown(Shutdown::Infinity);
        let sup = DynamicSupervisor::builder(template).start(sys).unwrap();
        let all = [0, 1, 2].map(|n| sup.start_child(n).unwrap());
        let of = sup.clone();
        let join: Job = Arc::new(move |_| {
            let _ = of.as_supervisor().try_join();
        });
        joins.send(join).unwrap();
        sup.stop();
        assert_eq!(sup.join(), ExitReason::Normal);
        assert!(all.iter().all(|it| !it.is_alive()));
        joins.stop();
        joins.join();
    });
}

/// While its factory waits a supervisor takes no messages at all.
#[test]
fn a_factory_that_calls_its_own_supervisor_is_refused_with_the_path() {
    explore(|sys| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let of = sup.clone();
        let seen = Seen::default();
        let says = seen.clone();
        let spec = ChildSpec::new("it", move || {
            says.add(called(of.which_children()));
            says.add(called(of.delete_child("other")));
            idle()
        });
        sup.start_child(spec).unwrap();
        assert_eq!(seen.each(), [Outcome::Deadlock(vec![sup.id()])]);
        end(&sup);
    });
}

// ---- what is no circle ---------------------------------------------------------------------------------------------------

#[test]
fn a_handler_that_starts_and_stops_its_siblings() {
    explore(|sys| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let it = sup.start_child(patient("it", &idle())).unwrap();
        let of = sup.clone();
        let outcome = ask(&it, move |_| {
            of.start_child(patient("new", &idle())).unwrap();
            of.terminate_child("new").unwrap();
            of.restart_child("new").unwrap();
        });
        assert_eq!(outcome, Outcome::Done);
        assert_eq!(children(&sup), ["new", "it"]);
        end(&sup);
    });
}

/// Its first message asks whoever had it started, who may not have heard of the start yet.
#[test]
fn a_child_that_has_started_asks_whoever_had_it_started() {
    explore(|sys| {
        let sup = Supervisor::builder().start(sys).unwrap();
        let caller = sys.spawn(idle()).unwrap();
        let (send, done) = oneshot::channel();
        let (of, send) = (sup.clone(), Arc::new(Mutex::new(Some(send))));
        let outcome = ask(&caller, move |me| {
            let (caller, send) = (me.clone(), send.clone());
            let hook = move |it: &Addr<Does>| {
                let (caller, send) = (caller.clone(), send.clone());
                let asks = move |_: &Addr<Does>| {
                    let outcome = ask(&caller, |_| {});
                    send.lock().unwrap().take().unwrap().send(outcome).unwrap();
                };
                it.send(Arc::new(asks)).unwrap();
            };
            of.start_child(spec("it", &starting(hook))).unwrap();
        });
        assert_eq!(outcome, Outcome::Done);
        assert_eq!(done.recv().unwrap(), Outcome::Done);
        end(&sup);
    });
}

/// Two supervisors, whose children's hooks call the other's, both busy with other calls.
#[test]
fn hooks_that_call_another_supervisor() {
    explore(|sys| {
        let root = Supervisor::builder().start(sys).unwrap();
        let inner = |id: &str| {
            let spec = ChildSpec::new(id, Supervisor::builder);
            root.start_supervisor(spec).unwrap()
        };
        let (a, b) = (inner("a"), inner("b"));
        let callers = [(a.clone(), b.clone()), (b.clone(), b.clone())].map(|(on, other)| {
            let caller = sys.spawn(idle()).unwrap();
            let n = caller.id();
            let pending = caller.__request::<()>(Arc::new(move |_: &Addr<Does>| {
                let (other, same) = (other.clone(), on == other);
                let hook = move |_: &Addr<Does>| {
                    if !same {
                        let there = spec(&format!("by-{n}"), &idle());
                        other.start_child(there).unwrap();
                    }
                };
                let it = spec(&format!("it-{n}"), &starting(hook));
                on.start_child(it).unwrap();
                on.terminate_child(&format!("it-{n}")).unwrap();
            }));
            (caller, pending)
        });
        for (caller, pending) in callers {
            pending.wait().unwrap();
            caller.stop();
        }
        assert_eq!((children(&a).len(), children(&b).len()), (1, 2));
        end(&root);
    });
}

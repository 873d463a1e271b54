//! Circles whose order is known, on one worker. All orders, and what users see: `tests/cycles`.

use std::sync::{Arc, Mutex};

use super::*;
use crate::actor::{Actor, ActorOptions, Addr, AskError, Cx, NoMethods, Reply, StartError};
use crate::supervision::{ChildSpec, Shutdown, Supervisor};
use crate::system::System;
use crate::{channel, microthread};

type Job = Arc<dyn Fn(&Addr<Does>) + Send + Sync>;

/// Does in its start hook, and when it is asked to, what a test says.
#[derive(Clone)]
struct Does(Option<Job>);

impl ActorOptions for Does {}

impl Actor for Does {
    type Msg = Job;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    const HAS_ON_START: bool = true;

    fn on_start(&mut self, cx: &mut Cx<Self>) -> Result<(), StartError> {
        if let Some(job) = &self.0 {
            job(&cx.addr());
        }
        Ok(())
    }
    fn handle(&mut self, job: Job, reply: Reply<'_>, cx: &mut Cx<Self>) {
        job(&cx.addr());
        reply.send(());
    }
}

fn spec(id: &str, on_start: Option<Job>) -> ChildSpec<Does> {
    let does = Does(on_start);
    ChildSpec::new(id, move || does.clone()).shutdown(Shutdown::Infinity)
}

fn ask(
    it: &Addr<Does>,
    f: impl Fn(&Addr<Does>) + Send + Sync + 'static,
) -> Result<(), AskError<Job>> {
    it.__ask(Arc::new(f), None)
}

fn system() -> System {
    System::builder().workers(1).build().unwrap()
}

#[test]
fn a_step_that_closes_a_circle_fails_the_call() {
    let sys = system();
    let sup = Supervisor::builder()
        .child(spec("it", None))
        .start(&sys)
        .unwrap();
    let it = sup.child::<Does>("it").unwrap();
    let caller = sys.spawn(Does(None)).unwrap();
    let (of, child) = (sup.clone(), it.clone());
    ask(&caller, move |me| {
        let caller = me.clone();
        let asks: Job = Arc::new(move |_| ask(&caller, |_| {}).unwrap());
        child.send(asks).unwrap();
        while me.queued() == 0 {
            microthread::yield_now();
        }
        let Err(ChildError::Deadlock { path }) = of.terminate_child("it") else {
            panic!("the call has not failed");
        };
        let ids: Vec<u64> = path.actors().iter().map(|who| who.id).collect();
        assert_eq!(ids, [me.id(), of.id(), child.id()]);
    })
    .unwrap();
    assert_eq!(it.join(), ExitReason::Shutdown);
}

#[test]
fn what_is_refused_in_line_changes_nothing() {
    let sys = system();
    let sup = Supervisor::builder().start(&sys).unwrap();
    let of = sup.clone();
    let calls: Job = Arc::new(move |_| {
        let refused = of.start_child(spec("new", None));
        assert!(matches!(refused, Err(ChildError::Deadlock { .. })));
    });
    sup.start_child(spec("it", Some(calls))).unwrap();
    // It would be behind the other in the line.
    assert_eq!(sup.delete_child("none"), Err(ChildError::NotFound));
    assert_eq!(sup.which_children().unwrap().len(), 1);
}

#[test]
fn a_child_that_has_started_asks_whoever_had_it_started() {
    let sys = system();
    let sup = Supervisor::builder().start(&sys).unwrap();
    let caller = sys.spawn(Does(None)).unwrap();
    let (send, answers) = channel::unbounded();
    let (of, send) = (sup.clone(), Arc::new(Mutex::new(send)));
    ask(&caller, move |me| {
        let (caller, send) = (me.clone(), send.clone());
        let asks: Job = Arc::new(move |_| {
            let answered = ask(&caller, |_| {}).is_ok();
            send.lock().unwrap().send(answered).unwrap();
        });
        // It is handled as soon as the hook has run, before the supervisor is.
        let tells: Job = Arc::new(move |it| it.send(asks.clone()).unwrap());
        of.start_child(spec("it", Some(tells))).unwrap();
    })
    .unwrap();
    assert_eq!(answers.recv(), Ok(true));
}

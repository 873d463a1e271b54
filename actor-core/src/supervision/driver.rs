//! The acting half: the supervisor as an actor.
//!
//! An actor with its own stack. Its loop takes one message after another, makes an [`Input`] of it, feeds that to the
//! [`Decider`], and does what comes out. It never waits for a child: what a child does comes back as a [`Notice`], and a
//! deadline is the deadline of the loop's own wait. So calls and notices are taken at any time, and the deciding half puts
//! in line what has to wait.
//!
//! # One turn
//! 1. The input is decided upon.
//! 2. *Settling*: each actor that is down and was left stopped, or whose child was forgotten, is buried. This comes before
//!    the replies, so that a caller who hears that a child was terminated finds its address closed and its name free.
//! 3. The actions are done, in order. A start that fails at once (in the factory) is the next input, in this same turn.
//!
//! # Start and stop
//! The first children are started by the start hook, so that whoever starts the supervisor (another supervisor, perhaps)
//! waits for them and hears of a failure. A request to stop closes an inbox; this one takes the request out, makes it an
//! input, and goes on hearing from its children until the last has ended.
//!
//! # Waits in a circle
//! Whoever calls waits for the step that the call, or what is before it in the line, has come to; and that step waits for a
//! child. How a circle of such waits is found and broken: [`circles`].
//!
//! # A supervisor that is killed
//! is unwound where it waits, or in a factory that waits. Its state is dropped, and with it the [`Roster`] emptied. If its
//! stack is lost instead (a factory that overflows it), the roster is told by the runtime.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::child::{Child, Launch, News, Notice, drop_quietly};
use super::crowd::Crowds;
use super::decide::{Action, ChildKey, Decider, Incarnation, Input, Outcome, Target};
use super::error::ChildError;
use super::msg::{Answer, Answered, Msg, Site};
use super::retries::Retries;
use super::roster::{Roster, Ticket};
use super::settings::Settings;
use super::spec::Policy;
use super::template::Template;
use crate::actor::{
    Actor, ActorOptions, Addr, Cx, Exit, ExitReason, Inbox, NoMethods, Options, Port, StartError,
    TryRecvError,
};
use crate::rt::park;
use circles::Waits;

mod circles;
mod rest;
mod state;

/// After so many messages in a row, others have their turn, and a deadline that has passed is seen.
const BATCH: u32 = 64;

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("decider", &self.decider)
            .finish_non_exhaustive()
    }
}

/// A child to start with.
pub(super) type First = (Policy, Box<dyn Child>);

/// See [`Driver::dynamic`].
pub(super) type Opened = Box<dyn Fn(&Addr<Driver>) + Send>;

/// Who waits for a plan to be done.
#[derive(Debug)]
enum Caller {
    /// Whose port the roster has under this number.
    Asked(Ticket),
    /// The supervisor's own start hook.
    Boot,
}

/// When a child that is being stopped is overdue.
struct Overdue {
    at: Instant,
    child: ChildKey,
    incarnation: Incarnation,
}

/// The supervisor's state. See the [module](self).
pub(crate) struct Driver {
    decider: Decider<Caller>,
    children: BTreeMap<ChildKey, Box<dyn Child>>,
    /// Children at rest, which neither the map nor the deciding half knows of.
    crowds: Crowds,
    /// Children whose actor is down and the driver's to decide over.
    down: BTreeSet<ChildKey>,
    overdue: Option<Overdue>,
    waits: Option<Waits>,
    retries: Retries,
    inputs: VecDeque<Input<Caller>>,
    /// Kept for its memory.
    actions: Vec<Action<Caller>>,
    /// The children to start with.
    first: Vec<First>,
    /// Of a dynamic supervisor.
    template: Option<Box<dyn Template>>,
    /// Is told of the supervisor when it starts.
    opened: Option<Opened>,
    /// How starting them went.
    booted: Option<Result<(), ChildError>>,
    /// Why it has ended, once it has.
    ended: Option<ExitReason>,
    /// Set by the start hook.
    site: Option<Site>,
}

impl Driver {
    pub(super) fn new(settings: Settings, first: Vec<First>) -> Self {
        Self {
            decider: Decider::new(settings),
            children: BTreeMap::new(),
            crowds: Crowds::default(),
            down: BTreeSet::new(),
            overdue: None,
            waits: None,
            retries: Retries::default(),
            inputs: VecDeque::new(),
            actions: Vec::new(),
            first,
            template: None,
            opened: None,
            booted: None,
            ended: None,
            site: None,
        }
    }

    /// With no ids, and children made by `template`, also the `first`. `opened` is told of the supervisor before they start.
    pub(super) fn dynamic(
        settings: Settings,
        template: Box<dyn Template>,
        first: Vec<First>,
        opened: Option<Opened>,
    ) -> Self {
        let mut driver = Self::new(settings, first);
        driver.template = Some(template);
        driver.opened = opened;
        driver
    }

    fn site(&self) -> &Site {
        self.site.as_ref().expect("the start hook has run")
    }

    /// Takes messages until `done`.
    fn attend(&mut self, inbox: &Inbox<Self>, done: impl Fn(&Self) -> bool) {
        let mut handled = 0_u32;
        while !done(self) {
            handled = handled.wrapping_add(1);
            if handled.is_multiple_of(BATCH) {
                park::yield_now();
                self.fall_due();
            }
            match self.next(inbox) {
                Ok((msg, reply)) => self.take(msg, reply),
                Err(TryRecvError::Empty) => self.fall_due(),
                Err(TryRecvError::Closed) => {
                    if let Some(reason) = inbox.take_stop() {
                        self.feed(Input::Shutdown { reason });
                    }
                }
                Err(TryRecvError::NotOwner) => unreachable!("its own inbox"),
            }
        }
    }

    fn now(&self) -> Instant {
        self.site().host.core.seam.clock().now()
    }

    /// When the loop has something to do, whether or not there is a message.
    fn next_due(&self) -> Option<Instant> {
        let overdue = self.overdue.as_ref().map(|it| it.at);
        overdue.into_iter().chain(self.retries.next()).min()
    }

    fn fall_due(&mut self) {
        let now = self.now();
        if let Some(Overdue {
            child, incarnation, ..
        }) = self.overdue.take_if(|it| it.at <= now)
        {
            self.feed(Input::Overdue { child, incarnation });
        }
        while let Some((child, incarnation)) = self.retries.take(now) {
            self.requeue(child, incarnation);
        }
    }

    /// A message to itself, behind those that wait.
    fn requeue(&self, child: ChildKey, incarnation: Incarnation) {
        let site = self.site();
        let life = site.life;
        // The mailbox has no bound, and is open while its actor runs.
        let _ = site.addr.try_send(Msg::Retry {
            life,
            child,
            incarnation,
        });
    }

    fn take(&mut self, msg: Msg, reply: Port) {
        if self.template.is_some() && msg.wants_ids() {
            drop_quietly(msg);
            return answer(reply, Err(ChildError::Dynamic));
        }
        match msg {
            Msg::StartDynamic(args) => {
                // First: there is code of the user's in the template, which may take the stack with it.
                let to = self.caller(reply);
                let made = self.template.as_ref().map(|it| it.child(args));
                let Some(Ok((policy, it))) = made else {
                    drop_quietly(made);
                    return self.reply(to, Err(ChildError::NotDynamic));
                };
                let child = self.adopt(it);
                self.feed(Input::StartChild { child, policy, to });
            }
            Msg::StartBatch(args) => {
                // As above. Nobody stands in line: nothing is waited for.
                let ticket = self.site().roster.wait(reply);
                let started = self.start_batch(args);
                if let Some(port) = self.site().roster.called(ticket) {
                    answer(port, started);
                }
            }
            Msg::TerminateActor(actor) => match self.child_of(actor) {
                Some(child) => {
                    let (target, to) = (Target::Child(child), self.caller(reply));
                    self.feed(Input::TerminateChild { target, to });
                }
                None => answer(reply, Err(ChildError::NotFound)),
            },
            Msg::HasTemplate(wanted, name) => {
                let result = match &self.template {
                    Some(template) if template.types() == wanted => Ok(Answer::Done),
                    Some(template) => Err(ChildError::WrongType {
                        held: template.type_name(),
                        wanted: name,
                    }),
                    None => Err(ChildError::NotDynamic),
                };
                answer(reply, result);
            }
            Msg::StartChild { policy, child: it } => {
                let (child, to) = (self.adopt(it), self.caller(reply));
                self.feed(Input::StartChild { child, policy, to });
            }
            Msg::RestartChild(id) => {
                let (target, to) = (Target::Id(id), self.caller(reply));
                self.feed(Input::RestartChild { target, to });
            }
            Msg::TerminateChild(id) => {
                let (target, to) = (Target::Id(id), self.caller(reply));
                self.feed(Input::TerminateChild { target, to });
            }
            Msg::DeleteChild(id) => {
                let (target, to) = (Target::Id(id), self.caller(reply));
                self.feed(Input::DeleteChild { target, to });
            }
            Msg::Find(id) => answer(reply, self.find(&id)),
            Msg::List => answer(reply, Ok(Answer::Listing(self.list()))),
            Msg::Count => answer(reply, Ok(Answer::Counts(self.count()))),
            Msg::Notice(notice) => self.hear(notice),
            Msg::Retry {
                life,
                child,
                incarnation,
            } => {
                if life == self.site().life {
                    self.feed(Input::Retry { child, incarnation });
                }
            }
        }
    }

    /// Whoever calls stands in line for what the supervisor does, now or later.
    fn caller(&self, port: Port) -> Caller {
        port.stand_in_line();
        Caller::Asked(self.site().roster.wait(port))
    }

    /// Files a child under a new key.
    fn adopt(&mut self, child: Box<dyn Child>) -> ChildKey {
        let key = self.decider.new_key();
        self.children.insert(key, child);
        key
    }

    fn hear(&mut self, notice: Notice) {
        let child = notice.child();
        self.rise(child);
        let present = self.children.get(&child);
        let Some(incarnation) = present.and_then(|it| it.incarnation(&notice)) else {
            return; // a stranger's, which is buried
        };
        let input = match notice.accept() {
            News::Started => Input::Started { child, incarnation },
            News::StartFailed(reason) => {
                self.down.insert(child);
                Input::StartFailed {
                    child,
                    incarnation,
                    reason,
                }
            }
            News::Exited(reason) => {
                self.down.insert(child);
                Input::Exited {
                    child,
                    incarnation,
                    reason,
                }
            }
        };
        self.feed(input);
    }

    /// One turn: see the module.
    fn feed(&mut self, input: Input<Caller>) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let now = self.now();
            if !self.crowds.is_empty() && self.decider.may_leave(now, &input) {
                self.rise_all();
            }
            let mut actions = mem::take(&mut self.actions);
            self.decider.handle(now, input, &mut actions); // step 1
            self.settle(); // step 2
            for action in actions.drain(..) {
                self.perform(action); // step 3
            }
            self.actions = actions;
        }
    }

    fn settle(&mut self) {
        let Some(site) = &self.site else { return };
        self.down.retain(|key| {
            let left = self.decider.is_left(*key);
            if left && let Some(child) = self.children.get_mut(key) {
                child.bury(site);
            }
            !left
        });
    }

    fn perform(&mut self, action: Action<Caller>) {
        match action {
            Action::Start { child, incarnation } => self.start(child, incarnation),
            Action::Stop {
                child,
                incarnation,
                how,
                deadline,
            } => {
                if let Some(child) = self.children.get(&child) {
                    child.stop(how);
                }
                // There is one step at a time, so the deadline of the last is of no interest any more.
                self.overdue = deadline.map(|at| Overdue {
                    at,
                    child,
                    incarnation,
                });
            }
            Action::Requeue {
                child,
                incarnation,
                at: None,
            } => self.requeue(child, incarnation),
            Action::Requeue {
                child,
                incarnation,
                at: Some(at),
            } => self.retries.add(at, child, incarnation),
            Action::Forget { child } => {
                self.retries.forget(child);
                self.down.remove(&child);
                if self.crowds.forget(child)
                    && let Some(site) = &self.site
                {
                    site.roster.sweep_crowds();
                }
                if let (Some(mut gone), Some(site)) = (self.children.remove(&child), &self.site) {
                    gone.bury(site);
                    drop_quietly(gone);
                }
            }
            Action::Report(report) => self.report(report),
            Action::Reply { to, result } => self.reply(to, result),
            Action::GiveUp { reason } | Action::Finish { reason } => self.ended = Some(reason),
        }
    }

    fn start(&mut self, key: ChildKey, incarnation: Incarnation) {
        let (Some(child), Some(site)) = (self.children.get_mut(&key), &self.site) else {
            return;
        };
        let input = match child.start(site, key, incarnation) {
            Launch::Begun => {
                self.down.remove(&key);
                return;
            }
            Launch::Declined => Input::Ignored {
                child: key,
                incarnation,
            },
            Launch::Failed(reason) => Input::StartFailed {
                child: key,
                incarnation,
                reason,
            },
        };
        // It has an actor, perhaps, and that is down.
        self.down.insert(key);
        self.inputs.push_back(input);
    }

    fn reply(&mut self, to: Caller, result: Result<Outcome, ChildError>) {
        match to {
            Caller::Boot => self.booted = Some(result.map(drop)),
            Caller::Asked(ticket) => {
                if let Some(port) = self.site().roster.called(ticket) {
                    answer(port, self.answer_to(result));
                }
            }
        }
    }

    fn answer_to(&self, result: Result<Outcome, ChildError>) -> Answered {
        Ok(match result? {
            Outcome::Started { child, .. } => {
                let address = self.children.get(&child).and_then(|it| it.address());
                Answer::Child(address.ok_or(ChildError::Stopped)?)
            }
            Outcome::Ignored { .. } => return Err(ChildError::Declined),
            Outcome::Booted | Outcome::Terminated | Outcome::Deleted => Answer::Done,
        })
    }
}

/// The mailbox outlives this life. Calls were made to this one, and are not for the next: their ports are dropped, which
/// their callers take for `ShuttingDown`.
fn refuse_all(inbox: &Inbox<Driver>) {
    loop {
        match inbox.try_recv() {
            Ok(msg) => drop_quietly(msg),
            Err(TryRecvError::Closed) if inbox.take_stop().is_some() => {}
            Err(_) => return,
        }
    }
}

fn answer(port: Port, answer: Answered) {
    // A caller that has given up is not told.
    let _ = port.send(answer);
}

impl ActorOptions for Driver {
    const OPTIONS: Options = Options::new().name("Supervisor");
}

impl Actor for Driver {
    type Msg = Msg;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    const OWN_STACK: bool = true;
    const HAS_ON_START: bool = true;

    fn on_start(&mut self, cx: &mut Cx<Self>) -> Result<(), StartError> {
        let (host, roster) = (cx.system().host().clone(), Arc::<Roster>::default());
        let seam = &host.core.seam;
        self.decider.seed(seam.seed() ^ cx.addr().id());
        cx.addr().set_dependants(roster.clone());
        self.site = Some(Site {
            life: host.core.seam.next_id(),
            host,
            addr: cx.addr(),
            roster,
        });
        if let Some(opened) = &self.opened {
            opened(&cx.addr());
        }
        let first = mem::take(&mut self.first);
        let children = first
            .into_iter()
            .map(|(policy, child)| (self.adopt(child), policy));
        let children = children.collect();
        self.feed(Input::Boot {
            children,
            to: Caller::Boot,
        });
        self.attend(&cx.inbox(), |it| it.booted.is_some());
        match self.booted.take() {
            Some(Err(ChildError::InvalidSpec(error))) => Err(StartError::new(error)),
            Some(Err(error)) => Err(StartError::new(error)),
            _ => Ok(()),
        }
    }

    fn run(mut self, inbox: Inbox<Self>) -> Exit {
        self.attend(&inbox, |it| it.ended.is_some());
        refuse_all(&inbox);
        match self.ended.take() {
            Some(ExitReason::Normal) => Exit::Normal,
            Some(ExitReason::Failed(why)) => Exit::Failed(why),
            _ => Exit::Shutdown,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(site) = &self.site {
            site.roster.abandon();
        }
        // Factories are the user's.
        drop_quietly(mem::take(&mut self.children));
        drop_quietly(mem::take(&mut self.first));
        drop_quietly(self.template.take());
        drop_quietly(self.opened.take());
    }
}

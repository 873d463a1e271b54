//! Ways over TCP that open again by themselves.
//!
//! # A node that keeps calling
//! ```text
//!   1  calls             fails: 4
//!   2  uses the way, until it ends
//!   3  while there is another way to the same node, waits until that ends: the other side calls too, perhaps, and the last way to be
//!      opened is the one that both use. To call now would end that one, and the other side would call again, and so on
//!   4  waits, longer each time in a row that came to nothing or did not last, less a random part: of two whose ways have ended each
//!      other one comes first. Then 1
//! ```
//! It is told to end between any two, and by the end of the way that it waits for.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::Level;

use super::super::far::FarError;
use super::super::tcp::{Secret, TcpCaller, TcpFarListener, TcpFarSide, TcpSettings};
use super::links::Link;
use super::wire::Name;
use super::{Inner, Node, NodeError, lock};
use crate::channel::{self, Receiver, Select, Sender};
use crate::net::ToSocketAddrs;
use crate::observe::Event;
use crate::rt::wait;
use crate::supervision::Backoff;
use crate::sync::Semaphore;

/// How many callers are greeted at once. Who does not say who it is takes the time that a greeting may take, and no more.
const GREETED_AT_ONCE: usize = 64;

/// Has a node open ways again, until it is closed.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Shared>);

struct Shared {
    /// None once it is closed.
    open: Mutex<Option<Sender<()>>>,
    closed: Receiver<()>,
    state: Mutex<CallingState>,
    /// What is to be ended with it.
    in_use: Mutex<Option<InUse>>,
}

enum InUse {
    Way(Link),
    Listener(Arc<TcpFarListener>),
}

impl InUse {
    fn close(&self) {
        match self {
            Self::Way(link) => link.close(),
            // It ends all the same, when the system does.
            Self::Listener(listener) => drop(listener.shutdown()),
        }
    }
}

impl Keeper {
    fn new(in_use: Option<InUse>) -> Self {
        let (open, closed) = channel::bounded(0);
        Keeper(Arc::new(Shared {
            open: Mutex::new(Some(open)),
            closed,
            state: Mutex::new(CallingState::Waiting {
                failures: 0,
                last: None,
            }),
            in_use: Mutex::new(in_use),
        }))
    }

    pub(super) fn close(&self) {
        drop(lock(&self.0.open).take());
        let in_use = lock(&self.0.in_use).take();
        if let Some(in_use) = in_use {
            in_use.close();
        }
        *lock(&self.0.state) = CallingState::Closed;
    }

    fn is_closed(&self) -> bool {
        lock(&self.0.open).is_none()
    }

    /// Closes this too when it is closed, or now if it is.
    fn uses(&self, in_use: InUse) {
        let open = lock(&self.0.open);
        match *open {
            Some(_) => *lock(&self.0.in_use) = Some(in_use),
            None => in_use.close(),
        }
    }

    fn is(&self, state: CallingState) {
        let open = lock(&self.0.open);
        if open.is_some() {
            *lock(&self.0.state) = state;
        }
    }

    fn waits(&self, delay: Duration) {
        // Nothing comes by it.
        let _ = self.0.closed.recv_timeout(delay);
    }
}

/// What a node that keeps calling has come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallingState {
    /// There is a way to this node.
    Open(Arc<str>),
    /// There is none yet, or none any more: it calls, or waits before it calls again.
    Waiting {
        /// How many calls in a row came to nothing, or to a way that did not last.
        failures: u32,
        /// Why the last one did not come to a way.
        last: Option<Arc<FarError>>,
    },
    /// It calls no more.
    Closed,
}

/// A node's calling of an address, made by [`Node::keep_calling`]. Dropping it changes nothing.
#[derive(Clone)]
pub struct Calling(Keeper);

impl Calling {
    /// What it has come to.
    #[must_use]
    pub fn state(&self) -> CallingState {
        lock(&self.0.0.state).clone()
    }

    /// Ends it, and the way, if it has opened one.
    pub fn close(&self) {
        self.0.close();
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calling").field(&self.state()).finish()
    }
}

/// A node's answering of calls, made by [`Node::keep_answering`]. Dropping it changes nothing.
#[derive(Clone)]
pub struct Answering(Keeper);

impl Answering {
    /// Takes no more calls. The ways that there are go on.
    pub fn close(&self) {
        self.0.close();
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering")
            .field("closed", &self.0.is_closed())
            .finish()
    }
}

impl Node {
    /// Calls the node at `address`, and again whenever that way has ended, or a call has failed, until the node is
    /// [closed](Node::close) or the [`Calling`] is. Waits for nothing; that there is a way is said by
    /// [`Event::WayOpened`], and that there is none by [`Event::WayFailed`] and [`Calling::state`]. Between calls it waits
    /// for [`TcpSettings::again`]. The address is looked up for each call.
    ///
    /// While there is another way to the same node it does not call: both may call each other.
    ///
    /// # Errors
    /// [`NodeError::Spawn`].
    ///
    /// # Panics
    /// If [`TcpSettings::again`] is no back-off that a supervisor would take.
    ///
    /// ```
    /// use actor_core::migrate::{Node, Secret, TcpFarListener, TcpSettings};
    /// use actor_core::{Event, System};
    ///
    /// let (here, there) = (System::new()?, System::new()?);
    /// let a = Node::builder("a", &here).start()?;
    /// let b = Node::builder("b", &there).start()?;
    /// let secret = Secret::new(b"a secret that nobody can guess")?;
    /// let settings = TcpSettings::default();
    /// let listener = TcpFarListener::bind("127.0.0.1:0", "b", &secret, settings)?;
    /// let address = listener.local_addr()?;
    ///
    /// let events = here.events();
    /// b.keep_answering(listener)?;
    /// a.keep_calling(address, &secret, settings)?;
    /// while !matches!(events.recv()?, Event::WayOpened { node, .. } if &*node == "b") {}
    /// assert!(a.has_way("b"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn keep_calling(
        &self,
        address: impl ToSocketAddrs + fmt::Debug + Send + Sync + 'static,
        secret: &Secret,
        settings: TcpSettings,
    ) -> Result<Calling, NodeError> {
        let again = settings.again.check().expect("a back-off between calls");
        let (node, secret) = (self.inner.clone(), secret.clone());
        let keeper = Keeper::new(None);
        let own = keeper.clone();
        let call = move || {
            let called = TcpFarSide::connect(&address, &node.name, &secret, settings);
            called.inspect_err(|error| node.report_no_way(format!("{address:?}"), error))
        };
        let node = self.inner.clone();
        self.inner
            .keep(&keeper, move || node.calls_again(&own, again, call))?;
        Ok(Calling(keeper))
    }

    /// Answers calls, and uses each way that comes of one, until the node is [closed](Node::close) or the [`Answering`] is.
    /// Who does not know the secret is an [`Event::WayFailed`]. If no call can be taken, for want of descriptors perhaps, it tries
    /// again.
    ///
    /// # Errors
    /// [`NodeError::Spawn`].
    ///
    /// # Panics
    /// If [`TcpSettings::again`] of the listener is no back-off that a supervisor would take.
    #[track_caller]
    pub fn keep_answering(&self, listener: TcpFarListener) -> Result<Answering, NodeError> {
        let again = listener.settings().again;
        let again = again.check().expect("a back-off between calls");
        let listener = Arc::new(listener);
        let keeper = Keeper::new(Some(InUse::Listener(listener.clone())));
        let (node, own) = (self.inner.clone(), keeper.clone());
        self.inner
            .keep(&keeper, move || node.answers(&own, again, &listener))?;
        Ok(Answering(keeper))
    }
}

impl Inner {
    /// On a microthread of the node's, and for as long as that is open.
    fn keep(&self, keeper: &Keeper, body: impl FnOnce() + Send + 'static) -> Result<(), NodeError> {
        let spawned = self.sys.spawn_microthread(body);
        drop(spawned.map_err(NodeError::Spawn)?);
        {
            let mut kept = lock(&self.kept);
            kept.retain(|it| !it.is_closed());
            kept.push(keeper.clone());
        }
        // Closed meanwhile, it would not have been found.
        if lock(&self.open).is_none() {
            keeper.close();
        }
        Ok(())
    }

    fn report_no_way(&self, peer: String, error: &dyn fmt::Display) {
        let events = &self.sys.host().core.events;
        events.emit(Level::WARN, || Event::WayFailed {
            peer: peer.into(),
            error: error.to_string().into(),
        });
    }

    /// Random delays are the system's to choose, and differ from node to node.
    fn jitter(&self) -> fastrand::Rng {
        let own = self.name.bytes().fold(0_u64, |sum, byte| {
            sum.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte)
        });
        fastrand::Rng::with_seed(self.sys.host().core.seam.seed() ^ own)
    }

    fn calls_again(
        self: &Arc<Self>,
        keeper: &Keeper,
        again: Backoff,
        call: impl Fn() -> Result<TcpFarSide, FarError>,
    ) {
        let mut rng = self.jitter();
        let mut failures = 0;
        loop {
            let mut last = None;
            match call() {
                // step 1
                Ok(far) => {
                    let since = wait::now();
                    // If it is not used, as there is no room for microthreads, it is as if it had ended at once.
                    if let Ok(link) = self.attach(Arc::new(far)) {
                        self.waits_for_ways(keeper, &link);
                    }
                    if again.resets(wait::now().saturating_duration_since(since)) {
                        failures = 0;
                    }
                }
                Err(error) => last = Some(Arc::new(error)),
            }
            failures += 1;
            if keeper.is_closed() {
                return;
            }
            keeper.is(CallingState::Waiting { failures, last });
            keeper.waits(again.delay(failures, &mut rng)); // step 4
            if keeper.is_closed() {
                return;
            }
        }
    }

    /// Steps 2 and 3.
    fn waits_for_ways(&self, keeper: &Keeper, link: &Link) {
        let node: Arc<str> = link.to().into();
        let name = Name::from(link.to());
        keeper.uses(InUse::Way(link.clone()));
        keeper.is(CallingState::Open(node));
        // Nothing comes by these.
        let _ = link.ends().recv();
        while let Some(other) = self.link_to(&name) {
            let mut either = Select::biased();
            either.recv(other.ends());
            either.recv(&keeper.0.closed);
            let _ = either.wait();
            if keeper.is_closed() {
                return;
            }
        }
    }

    fn answers(self: &Arc<Self>, keeper: &Keeper, again: Backoff, listener: &TcpFarListener) {
        let mut rng = self.jitter();
        let mut failures = 0;
        let greeted = Arc::new(Semaphore::new(GREETED_AT_ONCE));
        loop {
            let called = listener.accept();
            if keeper.is_closed() {
                return;
            }
            let caller = match called {
                Ok(caller) => caller,
                Err(error) => {
                    let own = listener.local_addr();
                    let own = own.map_or_else(|it| it.to_string(), |it| it.to_string());
                    self.report_no_way(own, &error);
                    failures += 1;
                    keeper.waits(again.delay(failures, &mut rng));
                    continue;
                }
            };
            failures = 0;
            let Ok(room) = greeted.clone().acquire_owned() else {
                return;
            };
            let node = self.clone();
            // If there is no room for it, the connection is closed, and the other calls again.
            let _ = self.sys.spawn_microthread(move || {
                let _until_then = room;
                node.greets(caller);
            });
        }
    }

    fn greets(self: &Arc<Self>, caller: TcpCaller) {
        let peer = caller.address().to_string();
        match caller.greet() {
            Ok(far) if lock(&self.open).is_some() => drop(self.attach(Arc::new(far))),
            // It has been closed: so is what came just now.
            Ok(_) => {}
            Err(error) => self.report_no_way(peer, &error),
        }
    }
}

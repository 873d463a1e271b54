//! The service: its actors, the loop that accepts connections, start and stop.
//!
//! ```text
//!   System
//!   ├── supervisor                   (what it has is started again when it fails)
//!   │   ├── pool
//!   │   │   └── Shard 0 .. Shard n-1 the keys
//!   │   ├── Hub                      publish/subscribe
//!   │   └── Register                 who is connected
//!   ├── accept loop                  a microthread
//!   ├── session, session, ..         a microthread for each connection, on the worker with the fewest
//!   └── Writer, ..                   an actor for each subscriber
//! ```
//!
//! Nothing here is shared but addresses and a counter. What has state is an actor, and its state is its own.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actor_core::microthread::{self, JoinHandle};
use actor_core::net::{TcpListener, TcpStream};
use actor_core::prelude::*;
use actor_core::{BuildError, Event, Pool, ShutdownReport, Stats};
use crossbeam_channel::Receiver;

use crate::connection::Connection;
use crate::data;
use crate::hub::Hub;
use crate::register::Register;
use crate::resp::Limits;
use crate::session::Client;
use crate::shard::{Shard, now};

/// How the service is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on. Default: the loopback interface, any free port.
    pub bind: SocketAddr,
    /// How many parts the keys are in. Default: as many as workers, but at least two, so that a crash leaves something.
    pub shards: Option<usize>,
    /// Threads that run it all. Default: one for two cores. The other core is for the kernel's side of the connections and,
    /// on the loopback interface, for the clients: on two cores, two workers take a fifth more processor time for a
    /// request than one, as sessions and shards then wake each other across threads.
    pub workers: Option<usize>,
    /// What a client may send in one request.
    pub limits: Limits,
    /// Where the keys are kept. Default: in memory alone.
    pub data: Option<PathBuf>,
    /// How often a shard that has changed is saved, from the beginning of one save to that of the next. What [survives a
    /// kill](crate::data) depends on it. Default: a second.
    pub save_every: Duration,
    /// How long a client may take nothing of what it is sent.
    pub write_timeout: Duration,
    /// How long [`Server::stop`] waits for sessions to end by themselves, and again for all the rest.
    pub stop_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            shards: None,
            workers: None,
            limits: Limits::default(),
            data: None,
            save_every: Duration::from_secs(1),
            write_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// Why the service did not start.
#[derive(Debug)]
pub enum StartFailed {
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The runtime did not start.
    Runtime(BuildError),
    /// The supervisor or the accept loop did not start.
    Spawn(SpawnError),
    /// A child of the supervisor did not start.
    Child(ChildError),
    /// The data cannot be used.
    Data(data::Unusable),
}

impl fmt::Display for StartFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartFailed::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            StartFailed::Runtime(error) => error.fmt(f),
            StartFailed::Spawn(error) => error.fmt(f),
            StartFailed::Child(error) => error.fmt(f),
            StartFailed::Data(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The error itself is in the text.
        match self {
            StartFailed::Runtime(error) => error.source(),
            StartFailed::Spawn(error) => error.source(),
            StartFailed::Child(error) => error.source(),
            StartFailed::Listen(..) | StartFailed::Data(_) => None,
        }
    }
}

impl From<BuildError> for StartFailed {
    fn from(error: BuildError) -> Self {
        StartFailed::Runtime(error)
    }
}

impl From<SpawnError> for StartFailed {
    fn from(error: SpawnError) -> Self {
        StartFailed::Spawn(error)
    }
}

impl From<ChildError> for StartFailed {
    fn from(error: ChildError) -> Self {
        StartFailed::Child(error)
    }
}

/// What every session knows of the service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    pub(crate) shards: Arc<[Addr<Shard>]>,
    pub(crate) hub: Addr<Hub>,
    pub(crate) register: Addr<Register>,
    pub(crate) limits: Limits,
    pub(crate) write_timeout: Duration,
    pub(crate) started: Instant,
    /// Commands so far.
    pub(crate) commands: AtomicU64,
}

/// The running service.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    system: System,
    service: Arc<Service>,
    listener: TcpListener,
    accepting: JoinHandle<u64>,
    /// Since before the shards were started, if they keep data: there may be something to tell.
    events: Option<Receiver<Event>>,
    stop_timeout: Duration,
}

/// How the service ended.
#[derive(Debug)]
pub struct StopReport {
    /// Commands it carried out.
    pub commands: u64,
    /// How often a connection could not be accepted, for want of descriptors for instance.
    pub accept_failures: u64,
    /// Whether all sessions ended by themselves; if not, they were killed.
    pub sessions_ended: bool,
    /// What became of actors and microthreads.
    pub shutdown: ShutdownReport,
}

impl Server {
    /// Starts the service; when this returns, clients can connect.
    ///
    /// # Errors
    /// [`StartFailed`].
    pub fn start(config: Config) -> Result<Server, StartFailed> {
        let listener =
            TcpListener::bind(config.bind).map_err(|e| StartFailed::Listen(config.bind, e))?;
        let addr = listener
            .local_addr()
            .map_err(|e| StartFailed::Listen(config.bind, e))?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = config.workers.unwrap_or(cores.div_ceil(2));
        let shards = config.shards.unwrap_or(workers.max(2));
        let system = System::builder()
            .thread_name("kv")
            .workers(workers)
            .build()?;
        // A slot of the pool for each part of the keys. The addresses stay valid when shards are started again.
        let shards = shards.max(1);
        let mut pool =
            Pool::builder(shards, |_| Shard::new()).intensity(RESTARTS, Duration::from_secs(1));
        if let Some(dir) = &config.data {
            let data = data::open(dir, shards, config.save_every).map_err(StartFailed::Data)?;
            pool = pool.restore(data);
        }
        let (spec, pool) = pool.child("shards");
        let events = config.data.is_some().then(|| system.events());
        let supervisor = Supervisor::builder()
            .intensity(RESTARTS, Duration::from_secs(1))
            .supervisor(spec)
            .start(&system)?;
        let service = Arc::new(Service {
            addr,
            shards: pool.workers(),
            hub: supervisor.start_child(ChildSpec::new("hub", Hub::default))?,
            register: supervisor.start_child(ChildSpec::new("register", Register::default))?,
            limits: config.limits,
            write_timeout: config.write_timeout,
            started: Instant::now(),
            commands: AtomicU64::new(0),
        });
        let (accepts, serves) = (listener.try_clone(), service.clone());
        let accepts = accepts.map_err(|e| StartFailed::Listen(config.bind, e))?;
        let accepting = system
            .spawn_microthread(move || accept_all(&accepts, &serves))
            .map_err(|_| SpawnError::ShuttingDown)?;
        Ok(Server {
            addr,
            system,
            service,
            listener,
            accepting,
            stop_timeout: config.stop_timeout,
            events,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What the workers are doing: how sessions are spread, for instance.
    pub fn stats(&self) -> Stats {
        self.system.stats()
    }

    /// What happens in its system: restarts of shards, for instance. If it keeps data, from its start, with what is wrong with
    /// them; whoever takes these first has them.
    pub fn events(&self) -> Receiver<Event> {
        let since_start = self.events.clone();
        since_start.unwrap_or_else(|| self.system.events())
    }

    /// Ends it: no more connections; those there are end, each after the replies it is writing; then all actors.
    pub fn stop(self) -> StopReport {
        // Nothing can be done about an error here but to go on.
        let _ = self.listener.shutdown();
        let accept_failures = self.accepting.join().unwrap_or_default();
        // From here on no session starts, so those the register has are all there will ever be.
        let (done, ended) = mpsc::channel();
        let asked = self.service.register.tell().close(done);
        let sessions_ended = asked.is_ok() && ended.recv_timeout(self.stop_timeout).is_ok();
        let commands = self.service.commands.load(Ordering::Relaxed);
        let shutdown = self.system.shutdown(self.stop_timeout);
        StopReport {
            commands,
            accept_failures,
            sessions_ended,
            shutdown: shutdown.unwrap_or_default(),
        }
    }
}

/// Restarts in a second beyond which the supervisor would give up. An empty cache is better than none, so it practically
/// never does; a client that may crash shards may empty them just as well.
const RESTARTS: u32 = 100_000;

/// Accepts connections until the listener is shut down. How often that failed.
fn accept_all(listener: &TcpListener, service: &Arc<Service>) -> u64 {
    let mut pause = SHORTEST_PAUSE;
    let (mut last_id, mut failures) = (0, 0);
    for accepted in listener.incoming() {
        last_id += 1;
        match accepted.and_then(|stream| open(service, stream, last_id)) {
            Ok(()) => pause = SHORTEST_PAUSE,
            // The one who connected has gone again; the next may be there already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // No descriptor or no stack is left. The connection stays in line, so trying again at once would fail at once,
            // for ever; some sessions must end first.
            Err(_) => {
                failures += 1;
                microthread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    failures
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Starts a session.
fn open(service: &Arc<Service>, stream: TcpStream, id: u64) -> io::Result<()> {
    // Replies go out at once; they are written whole.
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(service.write_timeout))?;
    let client = Client {
        id,
        addr: stream.peer_addr()?.to_string(),
        since: now(),
        ..Client::default()
    };
    let register = service.register.tell();
    let entered = register.enter(client.card(), stream.try_clone()?);
    entered.map_err(|error| io::Error::other(error.to_string()))?;
    let connection = Connection::new(service.clone(), stream, client);
    // It runs on the worker with the fewest stacks, from its start to its end.
    let spawned = microthread::Builder::new()
        .name("kv::Session")
        .spawn(move || connection.serve());
    match spawned {
        Ok(_) => Ok(()),
        Err(error) => {
            let _ = service.register.tell().leave(id);
            Err(io::Error::other(error.to_string()))
        }
    }
}

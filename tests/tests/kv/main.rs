//! The example service `kv`, as its clients see it: the `redis` crate, and sockets that send what no client would.

mod crashes;
mod data;
mod dir;
mod faults;
mod hostile;
mod process;
mod pubsub;
mod values;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kv::client::Client;
use kv::resp::Limits;
use kv::server::{Config, Server};
use redis::Connection;

/// A service of a test's own.
struct Service(Option<Server>);

impl Service {
    fn start() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        Service(Some(
            Server::start(Config {
                workers: Some(2),
                shards: Some(config.shards.unwrap_or(4)),
                ..config
            })
            .unwrap(),
        ))
    }

    /// One that takes small requests only.
    fn small() -> Self {
        let limits = Limits {
            bulk: 1 << 20,
            args: 1000,
            line: 1 << 10,
            request: 2 << 20,
        };
        Self::with(Config {
            limits,
            ..Config::default()
        })
    }

    fn addr(&self) -> SocketAddr {
        self.0.as_ref().unwrap().addr()
    }

    /// A client of the `redis` crate.
    fn redis(&self) -> Connection {
        let client = redis::Client::open(format!("redis://{}/", self.addr())).unwrap();
        let connection = client.get_connection().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    /// A plain client.
    fn plain(&self) -> Client<std::net::TcpStream> {
        let client = Client::connect(self.addr()).unwrap();
        client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whatever the test did to it, the service ends in good order.
        let report = self.0.take().unwrap().stop();
        if !std::thread::panicking() {
            assert!(
                report.sessions_ended && report.shutdown.is_clean(),
                "{report:?}"
            );
        }
    }
}

/// After so long without what it waits for a test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until `holds`.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::yield_now();
    }
}

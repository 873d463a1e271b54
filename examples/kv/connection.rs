//! A session: the microthread that serves one connection, from its first byte to its last.
//!
//! It is written as if it had a thread to itself: read, parse, ask the shards, write, again. Each of these waits where it
//! must, and waiting costs a parked stack (a page or two of memory) and no thread.
//!
//! ```text
//!   read ─► parse what has arrived ─► a batch to each shard concerned ─► merge the replies ─► write ─┐
//!    ▲                 (all requests)        (request, request, wait, wait)                          │
//!    └───────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! # What bounds a session
//! - It reads no further before it has answered what it read, and answers no further before its client has taken the
//!   answers. A client that sends and does not read stops itself.
//! - A shard gives a batch back when its replies pass a limit, and a session sends what it has and goes on (see
//!   [`batch`](crate::batch)). Requests are bounded by [`Limits`].
//! - A client that takes nothing for [`Config::write_timeout`](crate::server::Config::write_timeout) is cut off.
//! - A session that has been idle gives its buffers back.
//!
//! # Faults
//! A shard that dies with a batch, or is dead, costs that batch an error reply. A panic in a session ends that session;
//! however it ends, [`Membership`] takes it out of the register and the hub.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actor_core::microthread;
use actor_core::net::TcpStream;
use actor_core::prelude::*;

use crate::batch::{Batch, reset};
use crate::command::{self, ClientCommand, Context, PubSubQuery, SessionCommand};
use crate::hub::Writer;
use crate::op::Millis;
use crate::pipeline::Pipeline;
use crate::pubsub::{Names, Selector};
use crate::reply;
use crate::resp::{Decoder, Request};
use crate::server::Service;
use crate::session::{Answer, Client, Info};
use crate::shard::{ShardMsg, now};

/// What is queued or answered is sent on when it has so many bytes.
const FLUSH: usize = 256 << 10;
/// A session that keeps more than this gives it back when it has been idle for [`IDLE`].
const SMALL: usize = 8 << 10;
/// See [`SMALL`].
const IDLE: Duration = Duration::from_secs(1);

/// One connection being served.
pub(crate) struct Connection {
    decoder: Decoder,
    session: Session,
    /// A read waits no longer than [`IDLE`].
    timed: bool,
}

/// All of it but the decoder, from whose buffer a request is borrowed while the session carries it out.
struct Session {
    service: Arc<Service>,
    stream: TcpStream,
    client: Client,
    pipeline: Pipeline,
    /// Replies to be sent.
    out: Vec<u8>,
    /// While the client is subscribed to something: what writes to the socket.
    writer: Option<Addr<Writer>>,
    /// Batches away at shards.
    away: Vec<(u32, Pending<Box<Batch>, ShardMsg>)>,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    Close,
}

/// Takes a session out of the register and the hub when it ends, also by a panic or a kill.
struct Membership<'a>(&'a mut Connection);

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        // Messages to unbounded mailboxes never wait. On failure the system ends, and there is nothing to leave.
        let session = &mut self.0.session;
        let _ = session.service.register.tell().leave(session.client.id);
        if let Some(writer) = session.writer.take() {
            let (channels, patterns) =
                std::mem::take(&mut session.client.subscriptions).into_names();
            let hub = &session.service.hub;
            let _ = hub.tell().leave(session.client.id, channels, patterns);
            writer.stop();
            // It may be waiting for the client.
            let _ = session.stream.shutdown(Shutdown::Both);
        }
    }
}

impl Connection {
    pub(crate) fn new(service: Arc<Service>, stream: TcpStream, client: Client) -> Self {
        Connection {
            decoder: Decoder::new(service.limits),
            session: Session {
                pipeline: Pipeline::new(service.shards.len() as u32),
                service,
                stream,
                client,
                out: Vec::new(),
                writer: None,
                away: Vec::new(),
            },
            timed: false,
        }
    }

    /// Serves the connection until it ends.
    pub(crate) fn serve(mut self) {
        let member = Membership(&mut self);
        // Whatever the error, the connection is of no further use, and there is nobody else to tell.
        while let Ok(Next::Read) = member.0.turn() {}
    }

    /// Reads once, and answers what has arrived.
    fn turn(&mut self) -> io::Result<Next> {
        if self.read()? == 0 {
            return Ok(Next::Close);
        }
        let next = self.carry_out()?;
        self.session.exchange()?;
        self.session.send()?;
        Ok(next)
    }

    fn read(&mut self) -> io::Result<usize> {
        loop {
            let large = self.memory() > SMALL;
            if large != self.timed {
                self.session
                    .stream
                    .set_read_timeout(large.then_some(IDLE))?;
                self.timed = large;
            }
            match self.session.stream.read(self.decoder.space()) {
                Ok(n) => {
                    self.decoder.filled(n);
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => self.shrink(),
                Err(error) => return Err(error),
            }
        }
    }

    fn memory(&self) -> usize {
        let session = &self.session;
        self.decoder.memory() + session.pipeline.memory() + session.out.capacity()
    }

    /// After a while without a byte. What remains after that is in use, and not looked at again until something comes.
    fn shrink(&mut self) {
        self.decoder.shrink();
        self.session.pipeline.shrink();
        self.session.out = Vec::new();
        self.session.away = Vec::new();
        let _ = self.session.stream.set_read_timeout(None);
        self.timed = false;
    }

    /// Queues or carries out the requests that have arrived whole.
    fn carry_out(&mut self) -> io::Result<Next> {
        let session = &mut self.session;
        let cx = Context {
            now: now(),
            shards: session.pipeline.shards(),
            max_value: session.service.limits.bulk,
        };
        let mut requests = 0;
        let next = loop {
            let request = match self.decoder.next_request() {
                Ok(Some(request)) => request,
                Ok(None) => break Next::Read,
                Err(error) => {
                    // Where the next request begins cannot be known.
                    let text = error.to_string();
                    session.pipeline.local(|out| reply::error(out, text));
                    break Next::Close;
                }
            };
            requests += 1;
            if session.accept(request, cx)? == Next::Close {
                break Next::Close;
            }
            if session.pipeline.size() > FLUSH {
                session.exchange()?;
                session.send()?;
            }
        };
        session
            .service
            .commands
            .fetch_add(requests, Ordering::Relaxed);
        Ok(next)
    }
}

impl Session {
    /// Queues a request for the shards, or carries it out.
    fn accept(&mut self, request: Request<'_>, cx: Context) -> io::Result<Next> {
        let refusal = match command::parse(request, cx) {
            Err(failure) => failure.0,
            Ok(command) => match self.client.refuses(request) {
                Some(text) => text.into(),
                None => {
                    return match self.pipeline.push(command, request) {
                        Ok(()) => Ok(Next::Read),
                        Err(command) => self.own(command, request, cx.now),
                    };
                }
            },
        };
        self.pipeline.local(|out| reply::error(out, refusal));
        Ok(Next::Read)
    }

    /// A command that no shard has to do with.
    fn own(&mut self, command: SessionCommand, args: Request<'_>, now: Millis) -> io::Result<Next> {
        let mut answer = Answer::Replied;
        let client = &mut self.client;
        self.pipeline
            .local(|out| answer = client.respond(command, args, now, out));
        match answer {
            Answer::Caller => self.with_others(command, args)?,
            Answer::Close => return Ok(Next::Close),
            Answer::Replied => {}
        }
        if changes_card(command) {
            let _ = self.service.register.tell().update(self.client.card());
        }
        Ok(Next::Read)
    }

    /// A command for which other actors are needed, or time. What came before it is answered first.
    fn with_others(&mut self, command: SessionCommand, args: Request<'_>) -> io::Result<()> {
        use SessionCommand as C;
        self.exchange()?;
        let hub = &self.service.hub;
        let bytes = |index| args.get(index).map(<[u8]>::to_vec);
        match command {
            C::Subscribe => self.subscribe(Selector::Channel, args)?,
            C::PSubscribe => self.subscribe(Selector::Pattern, args)?,
            C::Unsubscribe => self.unsubscribe(Selector::Channel, args)?,
            C::PUnsubscribe => self.unsubscribe(Selector::Pattern, args)?,
            C::Reset => self.start_anew()?,
            C::Publish => {
                let (channel, message) = (args[1].to_vec(), args[2].to_vec());
                match hub.ask().publish(channel, message) {
                    Ok(count) => reply::count(&mut self.out, count),
                    Err(error) => failed(&mut self.out, &error),
                }
            }
            C::PubSub(query) => {
                let answer = match query {
                    PubSubQuery::Channels => hub.ask().channels(bytes(2)),
                    PubSubQuery::NumSub => hub
                        .ask()
                        .num_sub(args.from(2).map(<[u8]>::to_vec).collect()),
                    PubSubQuery::NumPat => hub.ask().num_pat().map(|count| {
                        let mut out = Vec::new();
                        reply::count(&mut out, count);
                        out
                    }),
                };
                match answer {
                    Ok(bytes) => self.out.extend(bytes),
                    Err(error) => failed(&mut self.out, &error),
                }
            }
            C::Client(ClientCommand::List) => match self.service.register.ask().list() {
                Ok(list) => reply::bulk(&mut self.out, list),
                Err(error) => failed(&mut self.out, &error),
            },
            C::Info => self.service_info().write(args.from(1), &mut self.out),
            C::Sleep { millis } => {
                // Parks this microthread; its worker serves others meanwhile.
                microthread::sleep(Duration::from_millis(millis));
                reply::ok(&mut self.out);
            }
            _ => reply::error(&mut self.out, "ERR not for a session"),
        }
        if self.out.len() > FLUSH {
            self.send()?;
        }
        Ok(())
    }

    /// Has the shards run what is queued for them, until all of it is answered. One message a shard and round.
    fn exchange(&mut self) -> io::Result<()> {
        let service = &self.service;
        while !self.pipeline.merge(&mut self.out) {
            // To all of them first, so that they work at the same time; then wait for each.
            for (number, shard) in (0..).zip(service.shards.iter()) {
                if let Some(batch) = self.pipeline.take(number) {
                    self.away.push((number, shard.request().work(batch)));
                }
            }
            for (number, answer) in self.away.drain(..) {
                match answer.wait() {
                    Ok(batch) => self.pipeline.answer(number, batch),
                    Err(_) => self.pipeline.lost(number),
                }
            }
            if self.out.len() > FLUSH {
                send(&self.stream, self.writer.as_ref(), &mut self.out)?;
            }
        }
        Ok(())
    }

    /// Sends what has been answered.
    fn send(&mut self) -> io::Result<()> {
        send(&self.stream, self.writer.as_ref(), &mut self.out)
    }

    fn subscribe(&mut self, selector: Selector, args: Request<'_>) -> io::Result<()> {
        let id = self.client.id;
        self.send()?;
        if self.writer.is_none() {
            // From here on the session itself writes nothing.
            let entered = self.service.hub.ask().enter(id, self.stream.try_clone()?);
            self.writer = Some(ended(entered)?);
        }
        let mut confirmation = Vec::new();
        let names: Names = args.from(1).map(Into::into).collect();
        for name in &names {
            self.client
                .subscriptions
                .subscribe(selector, name, &mut confirmation);
        }
        let hub = self.service.hub.ask();
        ended(hub.subscribe(id, selector, names, confirmation))
    }

    fn unsubscribe(&mut self, selector: Selector, args: Request<'_>) -> io::Result<()> {
        let mut confirmation = Vec::new();
        let own = &mut self.client.subscriptions;
        let mut names: Names = args.from(1).map(Into::into).collect();
        if names.is_empty() {
            names = own.unsubscribe_all(selector, &mut confirmation);
        } else {
            for name in &names {
                own.unsubscribe(selector, name, &mut confirmation);
            }
        }
        if self.writer.is_none() {
            self.out.extend(confirmation);
            return Ok(());
        }
        self.send()?;
        let (id, hub) = (self.client.id, self.service.hub.ask());
        ended(hub.unsubscribe(id, selector, names, confirmation))?;
        if self.client.subscriptions.count() == 0 {
            self.end_subscription(Vec::new(), Vec::new())?;
        }
        Ok(())
    }

    /// `RESET`.
    fn start_anew(&mut self) -> io::Result<()> {
        let (channels, patterns) = std::mem::take(&mut self.client.subscriptions).into_names();
        self.client.name.clear();
        if self.writer.is_some() {
            self.send()?;
            self.end_subscription(channels, patterns)?;
        }
        reply::simple(&mut self.out, "RESET");
        Ok(())
    }

    /// Back to writing by itself, once the writer has written what the hub has sent so far.
    fn end_subscription(&mut self, channels: Names, patterns: Names) -> io::Result<()> {
        let hub = self.service.hub.ask();
        ended(hub.leave(self.client.id, channels, patterns))?;
        if let Some(writer) = self.writer.take() {
            ended(writer.ask().reply(Vec::new()))?;
            writer.stop();
        }
        Ok(())
    }

    fn service_info(&self) -> Info {
        let service = &self.service;
        let asked: Vec<_> = service.shards.iter().map(|s| s.request().facts()).collect();
        let facts = asked.into_iter().filter_map(|facts| facts.wait().ok());
        let mut info = Info {
            uptime_s: service.started.elapsed().as_secs(),
            port: service.addr.port(),
            clients: service.register.ask().count().unwrap_or_default(),
            commands: service.commands.load(Ordering::Relaxed),
            shards: service.shards.len() as u32,
            ..Info::default()
        };
        for facts in facts {
            info.keys += facts.keys;
            info.expires += facts.expires;
            info.used += facts.used;
        }
        info
    }
}

/// Whether `CLIENT LIST` may show a command's effect.
fn changes_card(command: SessionCommand) -> bool {
    use SessionCommand as C;
    match command {
        C::Client(ClientCommand::SetName | ClientCommand::SetInfo { .. }) | C::Reset => true,
        C::Subscribe | C::PSubscribe | C::Unsubscribe | C::PUnsubscribe => true,
        C::Hello { name } => name.is_some(),
        _ => false,
    }
}

/// Writes what is in `out`, or has the writer do so, and empties it.
fn send(
    mut stream: &TcpStream,
    writer: Option<&Addr<Writer>>,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    match writer {
        None => stream.write_all(out)?,
        Some(writer) => ended(writer.ask().reply(std::mem::take(out)))?,
    }
    reset(out);
    Ok(())
}

/// An actor that the session cannot do without has ended.
fn ended<T, E: std::error::Error>(result: Result<T, E>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(ErrorKind::BrokenPipe, error.to_string()))
}

/// The reply when an actor gave no answer.
fn failed(out: &mut Vec<u8>, error: &dyn std::error::Error) {
    reply::error(out, format!("ERR {error}"));
}

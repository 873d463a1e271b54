//! What a session answers by itself, from its own state and a few facts about the server.
//!
//! [`Client::respond`] appends the replies of the commands that need nothing else. The others need the runtime (the
//! publish/subscribe actor, the registry of clients, a timer, the shards' statistics) and come back to the caller.

use std::fmt::Write as _;

use crate::command::table::{Flag, SPECS, Spec, find};
use crate::command::{ClientCommand, CommandQuery, SessionCommand};
use crate::op::Millis;
use crate::pubsub::Subscriptions;
use crate::resp::Request;
use crate::{glob, reply};

/// The version of Redis whose behaviour this service follows.
pub const REDIS_VERSION: &str = "7.0.15";

/// A connection's own state.
#[derive(Debug, Default)]
pub struct Client {
    /// Unique among connections.
    pub id: u64,
    /// Where it comes from.
    pub addr: String,
    /// When it was accepted.
    pub since: Millis,
    /// Its name, or empty.
    pub name: String,
    /// Its library's name and version, or empty.
    pub lib: (String, String),
    /// What it has subscribed to.
    pub subscriptions: Subscriptions,
}

/// What `CLIENT LIST` tells of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// As in [`Client`], and so are the following.
    pub id: u64,
    /// Where it comes from.
    pub addr: String,
    /// When it was accepted.
    pub since: Millis,
    /// Its name, or empty.
    pub name: String,
    /// Its library's name and version, or empty.
    pub lib: (String, String),
    /// To how many channels and to how many patterns it has subscribed.
    pub subscriptions: (usize, usize),
}

impl Card {
    /// A line of `CLIENT LIST`, without its end.
    pub fn line(&self, now: Millis) -> String {
        let (sub, psub) = self.subscriptions;
        let flags = if sub + psub > 0 { 'P' } else { 'N' };
        let age = now.saturating_sub(self.since) / 1000;
        format!(
            "id={} addr={} name={} age={age} flags={flags} db=0 sub={sub} psub={psub} user=default lib-name={} \
             lib-ver={} resp=2",
            self.id, self.addr, self.name, self.lib.0, self.lib.1
        )
    }
}

/// What becomes of a session command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The reply has been appended.
    Replied,
    /// The reply has been appended; close the connection when it is written.
    Close,
    /// The caller must carry the command out.
    Caller,
}

impl Client {
    /// The error for a command that a subscriber may not use; `None` if it may be used now. To be asked after the request
    /// has been parsed: an unknown command is told as such.
    pub fn refuses(&self, args: Request<'_>) -> Option<String> {
        const ALLOWED: [&str; 7] = [
            "subscribe",
            "unsubscribe",
            "psubscribe",
            "punsubscribe",
            "ping",
            "quit",
            "reset",
        ];
        if self.subscriptions.count() == 0 {
            return None;
        }
        let name = find(&args[0])?.name;
        if ALLOWED.contains(&name) {
            return None;
        }
        Some(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context"
        ))
    }

    /// Answers a command, if that takes only this client's state.
    pub fn respond(
        &mut self,
        command: SessionCommand,
        args: Request<'_>,
        now: Millis,
        out: &mut Vec<u8>,
    ) -> Answer {
        match command {
            SessionCommand::Ping => self.ping(args.get(1), out),
            SessionCommand::Echo => reply::bulk(out, &args[1]),
            SessionCommand::Select => reply::ok(out),
            SessionCommand::Hello { name } => {
                if let Some(name) = name {
                    self.name = text(&args[name]);
                }
                self.greet(out);
            }
            SessionCommand::Quit => {
                reply::ok(out);
                return Answer::Close;
            }
            SessionCommand::ConfigGet => config_get(args, out),
            SessionCommand::Command(query) => command_query(query, args, out),
            SessionCommand::Client(command) => return self.client(command, args, now, out),
            SessionCommand::Reset
            | SessionCommand::Info
            | SessionCommand::Subscribe
            | SessionCommand::Unsubscribe
            | SessionCommand::PSubscribe
            | SessionCommand::PUnsubscribe
            | SessionCommand::Publish
            | SessionCommand::PubSub(_)
            | SessionCommand::Sleep { .. } => return Answer::Caller,
        }
        Answer::Replied
    }

    /// What others may know of it.
    pub fn card(&self) -> Card {
        Card {
            id: self.id,
            addr: self.addr.clone(),
            since: self.since,
            name: self.name.clone(),
            lib: self.lib.clone(),
            subscriptions: self.subscriptions.counts(),
        }
    }

    fn ping(&self, message: Option<&[u8]>, out: &mut Vec<u8>) {
        match message {
            _ if self.subscriptions.count() > 0 => {
                reply::array(out, 2);
                reply::bulk(out, "pong");
                reply::bulk(out, message.unwrap_or_default());
            }
            Some(message) => reply::bulk(out, message),
            None => reply::simple(out, "PONG"),
        }
    }

    fn greet(&self, out: &mut Vec<u8>) {
        reply::array(out, 14);
        for (key, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
            reply::bulk(out, key);
            reply::bulk(out, value);
        }
        reply::bulk(out, "proto");
        reply::int(out, 2);
        reply::bulk(out, "id");
        reply::int(out, self.id as i64);
        for (key, value) in [("mode", "standalone"), ("role", "master")] {
            reply::bulk(out, key);
            reply::bulk(out, value);
        }
        reply::bulk(out, "modules");
        reply::array(out, 0);
    }

    fn client(
        &mut self,
        command: ClientCommand,
        args: Request<'_>,
        now: Millis,
        out: &mut Vec<u8>,
    ) -> Answer {
        match command {
            ClientCommand::Id => reply::int(out, self.id as i64),
            ClientCommand::GetName if self.name.is_empty() => reply::nil(out),
            ClientCommand::GetName => reply::bulk(out, &self.name),
            ClientCommand::SetName => {
                self.name = text(&args[2]);
                reply::ok(out);
            }
            ClientCommand::SetInfo { version } => {
                let part = if version {
                    &mut self.lib.1
                } else {
                    &mut self.lib.0
                };
                *part = text(&args[3]);
                reply::ok(out);
            }
            ClientCommand::Info => reply::bulk(out, self.card().line(now) + "\n"),
            ClientCommand::List => return Answer::Caller,
        }
        Answer::Replied
    }
}

/// Names have been checked to be printable.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Settings that clients ask for, with the values that describe this service.
const SETTINGS: &[(&str, &str)] = &[
    ("appendonly", "no"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
    ("timeout", "0"),
];

fn config_get(args: Request<'_>, out: &mut Vec<u8>) {
    let patterns: Vec<_> = args.from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let wanted = |name: &str| {
        patterns
            .iter()
            .any(|pattern| glob::matches(pattern, name.as_bytes()))
    };
    let found: Vec<_> = SETTINGS.iter().filter(|(name, _)| wanted(name)).collect();
    reply::array(out, found.len() * 2);
    for (name, value) in found {
        reply::bulk(out, name);
        reply::bulk(out, value);
    }
}

fn command_query(query: CommandQuery, args: Request<'_>, out: &mut Vec<u8>) {
    let named = || args.from(2).map(find);
    match query {
        CommandQuery::Count => reply::count(out, SPECS.len()),
        CommandQuery::List => {
            reply::array(out, SPECS.len());
            SPECS.iter().for_each(|spec| reply::bulk(out, spec.name));
        }
        CommandQuery::Info if args.len() > 2 => {
            reply::array(out, args.len() - 2);
            named().for_each(|spec| describe(spec, out));
        }
        CommandQuery::All | CommandQuery::Info => {
            reply::array(out, SPECS.len());
            SPECS.iter().for_each(|spec| describe(Some(spec), out));
        }
        CommandQuery::Docs => {
            let found: Vec<&Spec> = match args.len() {
                2 => SPECS.iter().collect(),
                _ => named().flatten().collect(),
            };
            reply::array(out, found.len() * 2);
            for spec in found {
                reply::bulk(out, spec.name);
                reply::array(out, 2);
                reply::bulk(out, "group");
                reply::bulk(out, group(spec));
            }
        }
    }
}

fn group(spec: &Spec) -> &'static str {
    match spec.flag {
        Flag::Other => "server",
        _ if spec.name.starts_with('h') => "hash",
        _ => "generic",
    }
}

/// One element of `COMMAND INFO`; what this service has no notion of is empty.
fn describe(spec: Option<&Spec>, out: &mut Vec<u8>) {
    let Some(spec) = spec else {
        return reply::nil(out);
    };
    reply::array(out, 10);
    reply::bulk(out, spec.name);
    reply::int(out, spec.arity.into());
    match spec.flag {
        Flag::Read => reply::array(out, 1),
        Flag::Write => reply::array(out, 1),
        Flag::Other => reply::array(out, 0),
    }
    match spec.flag {
        Flag::Read => reply::simple(out, "readonly"),
        Flag::Write => reply::simple(out, "write"),
        Flag::Other => {}
    }
    let (first, last, step) = spec.keys;
    for number in [first, last, step] {
        reply::int(out, number.into());
    }
    (0..4).for_each(|_| reply::array(out, 0));
}

/// What `INFO` tells about the whole service.
#[derive(Debug, Clone, Copy, Default)]
pub struct Info {
    /// Seconds since start.
    pub uptime_s: u64,
    /// Port listened on.
    pub port: u16,
    /// Open connections.
    pub clients: usize,
    /// Commands processed.
    pub commands: u64,
    /// Shards.
    pub shards: u32,
    /// Keys; this and the following are sums over the shards' [`Store`](crate::store::Store)s.
    pub keys: usize,
    /// Keys with expiry time.
    pub expires: usize,
    /// Estimated bytes.
    pub used: usize,
}

impl Info {
    /// Appends the sections whose names are in `wanted`, or all.
    pub fn write<'a>(&self, wanted: impl Iterator<Item = &'a [u8]> + Clone, out: &mut Vec<u8>) {
        let mut text = String::new();
        let all = wanted.clone().next().is_none();
        let everything: [&[u8]; 3] = [b"all", b"everything", b"default"];
        for (section, lines) in self.sections() {
            let fits = |name: &[u8]| {
                name.eq_ignore_ascii_case(section.as_bytes())
                    || everything.iter().any(|e| name.eq_ignore_ascii_case(e))
            };
            if all || wanted.clone().any(fits) {
                let gap = if text.is_empty() { "" } else { "\r\n" };
                // Writing to a String cannot fail.
                let _ = write!(text, "{gap}# {section}\r\n{lines}");
            }
        }
        reply::bulk(out, text);
    }

    fn sections(&self) -> [(&'static str, String); 5] {
        let Info {
            uptime_s,
            port,
            clients,
            commands,
            shards,
            keys,
            expires,
            used,
        } = self;
        let keyspace = if *keys > 0 {
            format!("db0:keys={keys},expires={expires},avg_ttl=0\r\n")
        } else {
            String::new()
        };
        [
            (
                "Server",
                format!(
                    "redis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\ntcp_port:{port}\r\n\
                     uptime_in_seconds:{uptime_s}\r\nshards:{shards}\r\n"
                ),
            ),
            ("Clients", format!("connected_clients:{clients}\r\n")),
            ("Memory", format!("used_memory:{used}\r\nmaxmemory:0\r\n")),
            ("Stats", format!("total_commands_processed:{commands}\r\n")),
            ("Keyspace", keyspace),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Harness;
    use crate::pubsub::Selector;
    use crate::resp::Span;

    #[test]
    fn a_subscriber_may_do_little_else() {
        let mut client = Client::default();
        let spans = [Span::new(0, 3)];
        let get = Request::new(b"GeT", &spans);
        assert_eq!(client.refuses(get), None);
        client
            .subscriptions
            .subscribe(Selector::Channel, b"news", &mut Vec::new());
        assert_eq!(
            client.refuses(get).unwrap(),
            "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
             this context"
        );
        assert_eq!(
            client.refuses(Request::new(b"pIng", &[Span::new(0, 4)])),
            None
        );
        let mut out = Vec::new();
        client.ping(None, &mut out);
        assert_eq!(out, b"*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    }

    #[test]
    fn a_connection_knows_its_names() {
        let mut kv = Harness::new(1);
        kv.client.id = 7;
        assert_eq!(kv.ask("CLIENT ID"), ":7\r\n");
        assert_eq!(kv.ask("CLIENT SETINFO LIB-NAME rust"), "+OK\r\n");
        assert_eq!(kv.ask("CLIENT SETINFO lib-ver 1.0"), "+OK\r\n");
        assert!(
            kv.ask("HELLO 2 SETNAME ada")
                .starts_with("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n")
        );
        let line = kv.client.card().line(0);
        assert!(
            line.starts_with("id=7 ")
                && line.contains(" name=ada ")
                && line.contains(" lib-name=rust lib-ver=1.0 ")
        );
        assert!(kv.ask("HELLO 3").starts_with("-NOPROTO "));
    }

    #[test]
    fn commands_describe_themselves() {
        let mut kv = Harness::new(1);
        assert_eq!(kv.ask("COMMAND COUNT"), format!(":{}\r\n", SPECS.len()));
        assert!(
            kv.ask("COMMAND")
                .starts_with(&format!("*{}\r\n*10\r\n", SPECS.len()))
        );
        let mget = "*1\r\n*10\r\n$4\r\nmget\r\n:-2\r\n*1\r\n+readonly\r\n:1\r\n:-1\r\n:1\r\n*0\r\n*0\r\n*0\r\n*0\r\n";
        assert_eq!(kv.ask("COMMAND INFO MGET"), mget);
        assert_eq!(
            kv.ask("COMMAND DOCS get nosuch"),
            "*2\r\n$3\r\nget\r\n*2\r\n$5\r\ngroup\r\n$7\r\ngeneric\r\n"
        );
    }

    #[test]
    fn info_has_the_sections_asked_for() {
        let info = Info {
            keys: 3,
            expires: 1,
            ..Info::default()
        };
        let write = |wanted: &[&[u8]]| {
            let mut out = Vec::new();
            info.write(wanted.iter().copied(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            write(&[b"KEYSPACE"]),
            "$44\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n\r\n"
        );
        assert!(
            write(&[]).contains("# Server\r\n")
                && write(&[b"all"]).contains("\r\n\r\n# Keyspace\r\n")
        );
    }
}

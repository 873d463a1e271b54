//! Parsers of the commands that touch no key.

use super::{Call, Command, Failure, NOT_AN_INTEGER, Parsed, Pick, arity};
use crate::num::parse_i64;
use crate::op::{Millis, Op};

/// A command for the session itself. Arguments are taken from the request, at the positions given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum SessionCommand {
    /// `PONG`, or `[1]`.
    Ping,
    /// `[1]`.
    Echo,
    /// `OK`: the only database there is was selected.
    Select,
    /// The greeting; the client's name, if it sets one, is at this position.
    Hello { name: Option<usize> },
    /// `OK`, then the connection is closed.
    Quit,
    /// Back to the state of a new connection.
    Reset,
    /// Server facts; all arguments name sections.
    Info,
    /// Settings that match one of `[2..]`.
    ConfigGet,
    /// About the client's connection, or all.
    Client(ClientCommand),
    /// About commands.
    Command(CommandQuery),
    /// Subscribes to the channels `[1..]`.
    Subscribe,
    /// Unsubscribes from the channels `[1..]`, from all if there is none.
    Unsubscribe,
    /// Subscribes to the patterns `[1..]`.
    PSubscribe,
    /// Unsubscribes from the patterns `[1..]`, from all if there is none.
    PUnsubscribe,
    /// Sends `[2]` to the subscribers of `[1]`.
    Publish,
    /// About subscriptions.
    PubSub(PubSubQuery),
    /// Puts this session to sleep (and no other).
    Sleep { millis: Millis },
}

/// `CLIENT ..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum ClientCommand {
    /// The connection's number.
    Id,
    /// Its name.
    GetName,
    /// Names it `[2]`.
    SetName,
    /// Records `[3]` as the client library's name, or its version.
    SetInfo { version: bool },
    /// This connection, as a line of text.
    Info,
    /// All connections.
    List,
}

/// `COMMAND ..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandQuery {
    /// All commands.
    All,
    /// How many there are.
    Count,
    /// Documentation of `[2..]`, or of all.
    Docs,
    /// Properties of `[2..]`, or of all.
    Info,
    /// The names.
    List,
}

/// `PUBSUB ..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PubSubQuery {
    /// Channels with subscribers, which match `[2]` if it is there.
    Channels,
    /// How many subscribers `[2..]` have.
    NumSub,
    /// How many patterns are subscribed to.
    NumPat,
}

fn session(command: SessionCommand) -> Parsed {
    Ok(Command::Session(command))
}

pub(super) fn ping(call: Call<'_>) -> Parsed {
    if call.args.len() > 2 {
        return Err(arity(call.name));
    }
    session(SessionCommand::Ping)
}

pub(super) fn simple(call: Call<'_>) -> Parsed {
    session(match call.name {
        "echo" => SessionCommand::Echo,
        "info" => SessionCommand::Info,
        "quit" => SessionCommand::Quit,
        "reset" => SessionCommand::Reset,
        "publish" => SessionCommand::Publish,
        "subscribe" => SessionCommand::Subscribe,
        "unsubscribe" => SessionCommand::Unsubscribe,
        "psubscribe" => SessionCommand::PSubscribe,
        _ => SessionCommand::PUnsubscribe,
    })
}

pub(super) fn select(call: Call<'_>) -> Parsed {
    match call.int(1)? {
        0 => session(SessionCommand::Select),
        _ => Err("ERR DB index is out of range".into()),
    }
}

pub(super) fn hello(call: Call<'_>) -> Parsed {
    let version = match call.args.get(1) {
        Some(text) => {
            parse_i64(text).ok_or("ERR Protocol version is not an integer or out of range")?
        }
        None => 2,
    };
    if version != 2 {
        return Err("NOPROTO unsupported protocol version".into());
    }
    let mut name = None;
    let mut at = 2;
    while at < call.args.len() {
        if call.is(at, "setname") && at + 1 < call.args.len() {
            check_name(call.arg(at + 1))?;
            name = Some(at + 1);
            at += 2;
        } else if call.is(at, "auth") && at + 2 < call.args.len() {
            return Err("WRONGPASS invalid username-password pair or user is disabled.".into());
        } else {
            let mut text = b"ERR Syntax error in HELLO option '".to_vec();
            text.extend_from_slice(call.arg(at));
            text.push(b'\'');
            return Err(text.into());
        }
    }
    session(SessionCommand::Hello { name })
}

fn check_name(name: &[u8]) -> Result<(), Failure> {
    if name.iter().all(|b| (b'!'..=b'~').contains(b)) {
        return Ok(());
    }
    Err("ERR Client names cannot contain spaces, newlines or special characters.".into())
}

/// A subcommand with its number of arguments, both words included.
fn checked(call: &Call<'_>, sub: &str, fits: bool, command: SessionCommand) -> Parsed {
    if fits {
        session(command)
    } else {
        Err(arity(format_args!("{}|{sub}", call.name)))
    }
}

fn unknown_sub(call: &Call<'_>) -> Failure {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend(call.arg(1).iter().take(128));
    text.extend_from_slice(format!("'. Try {} HELP.", call.name.to_uppercase()).as_bytes());
    text.into()
}

pub(super) fn client(call: Call<'_>) -> Parsed {
    use ClientCommand::{GetName, Id, Info, List, SetInfo, SetName};
    let len = call.args.len();
    let sub = call.arg(1).to_ascii_lowercase();
    match &sub[..] {
        b"id" => checked(&call, "id", len == 2, SessionCommand::Client(Id)),
        b"getname" => checked(&call, "getname", len == 2, SessionCommand::Client(GetName)),
        b"info" => checked(&call, "info", len == 2, SessionCommand::Client(Info)),
        b"list" => checked(&call, "list", len == 2, SessionCommand::Client(List)),
        b"setname" if len == 3 => {
            check_name(call.arg(2))?;
            session(SessionCommand::Client(SetName))
        }
        b"setname" => Err(arity("client|setname")),
        b"setinfo" if len == 4 => {
            let version = call.is(2, "lib-ver");
            if !version && !call.is(2, "lib-name") {
                let mut text = b"ERR Unrecognized option '".to_vec();
                text.extend_from_slice(call.arg(2));
                text.push(b'\'');
                return Err(text.into());
            }
            check_name(call.arg(3))?;
            session(SessionCommand::Client(SetInfo { version }))
        }
        b"setinfo" => Err(arity("client|setinfo")),
        _ => Err(unknown_sub(&call)),
    }
}

pub(super) fn command(call: Call<'_>) -> Parsed {
    use CommandQuery::{All, Count, Docs, Info, List};
    let len = call.args.len();
    if len == 1 {
        return session(SessionCommand::Command(All));
    }
    let sub = call.arg(1).to_ascii_lowercase();
    match &sub[..] {
        b"count" => checked(&call, "count", len == 2, SessionCommand::Command(Count)),
        b"list" => checked(&call, "list", len == 2, SessionCommand::Command(List)),
        b"docs" => session(SessionCommand::Command(Docs)),
        b"info" => session(SessionCommand::Command(Info)),
        _ => Err(unknown_sub(&call)),
    }
}

pub(super) fn config(call: Call<'_>) -> Parsed {
    let fits = call.args.len() >= 3;
    match call.is(1, "get") {
        true => checked(&call, "get", fits, SessionCommand::ConfigGet),
        false => Err(unknown_sub(&call)),
    }
}

pub(super) fn pubsub(call: Call<'_>) -> Parsed {
    use PubSubQuery::{Channels, NumPat, NumSub};
    let len = call.args.len();
    let sub = call.arg(1).to_ascii_lowercase();
    match &sub[..] {
        // Redis's own oddity: one pattern too many is told as an unknown subcommand.
        b"channels" if len <= 3 => session(SessionCommand::PubSub(Channels)),
        b"channels" => Err(debug_like(&call)),
        b"numsub" => session(SessionCommand::PubSub(NumSub)),
        b"numpat" => checked(&call, "numpat", len == 2, SessionCommand::PubSub(NumPat)),
        _ => Err(unknown_sub(&call)),
    }
}

fn debug_like(call: &Call<'_>) -> Failure {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend(call.arg(1).iter().take(128));
    text.extend_from_slice(format!("'. Try {} HELP.", call.name.to_uppercase()).as_bytes());
    text.into()
}

pub(super) fn debug(call: Call<'_>) -> Parsed {
    if call.args.len() == 3 && call.is(1, "panic") {
        return Ok(Command::Key {
            op: Op::Panic,
            args: Pick::range(2..3),
        });
    }
    if call.args.len() == 3 && call.is(1, "sleep") {
        let seconds: Option<f64> = std::str::from_utf8(call.arg(2))
            .ok()
            .and_then(|text| text.parse().ok());
        let seconds = seconds
            .filter(|s| (0.0..=86_400.0).contains(s))
            .ok_or(NOT_AN_INTEGER)?;
        return session(SessionCommand::Sleep {
            millis: (seconds * 1000.0) as Millis,
        });
    }
    Err(debug_like(&call))
}

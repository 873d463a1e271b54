//! Commands: from arguments to something that can be carried out.
//!
//! [`parse`] looks a request's name up in the [`table`], checks the number of arguments, and lets the command's own
//! parser turn the rest into a [`Command`]. Everything a client can get wrong without a key being looked at (unknown
//! commands, arity, numbers, options) fails here, with Redis's texts, before any shard hears of it.
//!
//! A command says *where* it runs, which is all the [pipeline](crate::pipeline) needs to know:
//!
//! | variant                            | runs in                        | examples              |
//! |------------------------------------|--------------------------------|-----------------------|
//! | [`Key`](Command::Key)              | the shard of its key           | `GET`, `SET`, `HSET`  |
//! | [`Each`](Command::Each)            | each key's shard, a reply each | `MGET`                |
//! | [`Spread`](Command::Spread)        | each key's shard, one reply    | `DEL`, `MSET`         |
//! | [`Everywhere`](Command::Everywhere)| all shards, one reply          | `KEYS`, `DBSIZE`      |
//! | [`Shard`](Command::Shard)          | one shard, named by a cursor   | `SCAN`                |
//! | [`Session`](Command::Session)      | the session itself             | `PING`, `SUBSCRIBE`   |

mod hashes;
mod keys;
mod session;
mod strings;
pub mod table;

use std::ops::Range;

use crate::num::{parse_i64, parse_u64};
use crate::op::{Millis, Op};
use crate::resp::Request;

pub use session::{ClientCommand, CommandQuery, PubSubQuery, SessionCommand};

/// How the replies of several shards become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The sum of integers.
    Sum,
    /// `OK` if all are.
    AllOk,
    /// One array of all elements.
    Concat,
}

/// Which of a request's arguments go to the shard: a range, and perhaps one more (a pattern among options).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// These, in order.
    pub range: Range<usize>,
    /// And this one behind them.
    pub extra: Option<usize>,
}

impl Pick {
    fn range(range: Range<usize>) -> Pick {
        Pick { range, extra: None }
    }
}

/// A parsed command. It owns no bytes: arguments stay in the request and are named by position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Command {
    /// Runs in the shard of the first picked argument.
    Key { op: Op, args: Pick },
    /// Runs once for each argument but the name, in that argument's shard; the replies form an array.
    Each { op: Op },
    /// As [`Each`](Self::Each), but once for each shard, with those arguments (in groups of `step`, the first of which
    /// is a key) that belong to it.
    Spread { op: Op, step: usize, merge: Merge },
    /// Runs in every shard.
    Everywhere { op: Op, args: Pick, merge: Merge },
    /// Runs in this shard.
    Shard { shard: u32, op: Op, args: Pick },
    /// Is for the session.
    Session(SessionCommand),
}

/// Why a request is no command: the text of the error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub Vec<u8>);

impl<T: Into<Vec<u8>>> From<T> for Failure {
    fn from(text: T) -> Self {
        Failure(text.into())
    }
}

const SYNTAX: &str = "ERR syntax error";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// What parsing depends on beside the request.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The time, to make relative expiry absolute.
    pub now: Millis,
    /// How many shards there are; at least one.
    pub shards: u32,
    /// The largest value in bytes.
    pub max_value: usize,
}

/// A request on its way to becoming a command.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    /// In lower case.
    name: &'static str,
    args: Request<'a>,
    cx: Context,
}

type Parsed = Result<Command, Failure>;

/// Parses a request.
pub fn parse(args: Request<'_>, cx: Context) -> Parsed {
    let spec = table::find(&args[0]).ok_or_else(|| unknown(args))?;
    if !spec.accepts(args.len()) {
        return Err(arity(spec.name));
    }
    (spec.parse)(Call {
        name: spec.name,
        args,
        cx,
    })
}

impl<'a> Call<'a> {
    fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index).unwrap_or_default()
    }

    fn int(&self, index: usize) -> Result<i64, Failure> {
        parse_i64(self.arg(index)).ok_or(NOT_AN_INTEGER.into())
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// `op` on the key at 1, with that and the following arguments up to `end`.
    fn key(&self, op: Op, end: usize) -> Parsed {
        Ok(Command::Key {
            op,
            args: Pick::range(1..end),
        })
    }

    /// `op` on the key at 1, with all arguments.
    fn key_all(&self, op: Op) -> Parsed {
        self.key(op, self.args.len())
    }

    /// The last instant of a life that begins or ends `value` units of `unit` ms after `base`.
    fn deadline(&self, value: i64, unit: i64, base: i64) -> Result<i64, Failure> {
        let millis = value
            .checked_mul(unit)
            .and_then(|millis| millis.checked_add(base));
        millis.ok_or_else(|| self.invalid_expire())
    }

    fn invalid_expire(&self) -> Failure {
        format!("ERR invalid expire time in '{}' command", self.name).into()
    }

    fn now(&self) -> i64 {
        i64::try_from(self.cx.now).unwrap_or(i64::MAX)
    }

    /// The options of the scanning commands, from `from` on.
    fn scan_options(&self, cursor: usize) -> Result<ScanOptions, Failure> {
        let mut options = ScanOptions {
            cursor: 0,
            count: 10,
            pattern: None,
            kind: None,
        };
        options.cursor = parse_u64(self.arg(cursor)).ok_or("ERR invalid cursor")?;
        let mut at = cursor + 1;
        while at < self.args.len() {
            if at + 1 == self.args.len() {
                return Err(SYNTAX.into());
            } else if self.is(at, "count") {
                let count = self.int(at + 1)?;
                options.count = usize::try_from(count)
                    .ok()
                    .filter(|&n| n > 0)
                    .ok_or(SYNTAX)?;
            } else if self.is(at, "match") {
                options.pattern = Some(at + 1);
            } else if self.is(at, "type") && self.name == "scan" {
                options.kind = Some(at + 1);
            } else {
                return Err(SYNTAX.into());
            }
            at += 2;
        }
        Ok(options)
    }
}

/// Options of `SCAN` and `HSCAN`; pattern and type by position.
struct ScanOptions {
    cursor: u64,
    count: usize,
    pattern: Option<usize>,
    kind: Option<usize>,
}

fn arity(name: impl std::fmt::Display) -> Failure {
    format!("ERR wrong number of arguments for '{name}' command").into()
}

/// Redis quotes the name and the first arguments, 128 bytes of each.
fn unknown(args: Request<'_>) -> Failure {
    const QUOTED: usize = 128;
    let cut = |bytes: &[u8], max: usize| bytes[..bytes.len().min(max)].to_vec();
    let mut quoted = Vec::new();
    for arg in args.from(1) {
        if quoted.len() >= QUOTED {
            break;
        }
        let room = QUOTED - quoted.len();
        quoted.push(b'\'');
        quoted.extend(cut(arg, room));
        quoted.extend_from_slice(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend(cut(&args[0], QUOTED));
    text.extend_from_slice(b"', with args beginning with: ");
    text.extend(quoted);
    Failure(text)
}

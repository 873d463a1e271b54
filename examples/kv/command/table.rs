//! The commands, one row each, and how a name finds its row.

use super::{Call, Parsed, hashes, keys, session, strings};

/// What a command is like, in the words of `COMMAND INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Reads keys.
    Read,
    /// Changes keys.
    Write,
    /// About connections, messages or the server.
    Other,
}

/// A command.
pub struct Spec {
    /// In lower case.
    pub name: &'static str,
    /// Number of arguments with the name; if negative, the least number.
    pub arity: i8,
    /// What it is like.
    pub flag: Flag,
    /// First key, last key (negative: from the end), step from key to key.
    pub keys: (i8, i8, i8),
    pub(super) parse: fn(Call<'_>) -> Parsed,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("arity", &self.arity)
            .finish_non_exhaustive()
    }
}

impl Spec {
    /// True if the command takes `count` arguments, the name included.
    pub fn accepts(&self, count: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 {
            count >= arity
        } else {
            count == arity
        }
    }
}

const fn row(
    name: &'static str,
    arity: i8,
    flag: Flag,
    keys: (i8, i8, i8),
    parse: fn(Call<'_>) -> Parsed,
) -> Spec {
    Spec {
        name,
        arity,
        flag,
        keys,
        parse,
    }
}

const NO_KEY: (i8, i8, i8) = (0, 0, 0);
const ONE: (i8, i8, i8) = (1, 1, 1);
const ALL: (i8, i8, i8) = (1, -1, 1);
const PAIRS: (i8, i8, i8) = (1, -1, 2);

use Flag::{Other, Read, Write};

/// All commands.
#[rustfmt::skip]
pub static SPECS: &[Spec] = &[
    row("append",       3,  Write, ONE,    strings::append),
    row("decr",         2,  Write, ONE,    strings::incr),
    row("decrby",       3,  Write, ONE,    strings::incr),
    row("get",          2,  Read,  ONE,    strings::get),
    row("getdel",       2,  Write, ONE,    strings::get_del),
    row("getex",        -2, Write, ONE,    strings::get_ex),
    row("getrange",     4,  Read,  ONE,    strings::getrange),
    row("getset",       3,  Write, ONE,    strings::get_set),
    row("incr",         2,  Write, ONE,    strings::incr),
    row("incrby",       3,  Write, ONE,    strings::incr),
    row("incrbyfloat",  3,  Write, ONE,    strings::incr_by_float),
    row("mget",         -2, Read,  ALL,    strings::mget),
    row("mset",         -3, Write, PAIRS,  strings::mset),
    row("psetex",       4,  Write, ONE,    strings::set_ex),
    row("set",          -3, Write, ONE,    strings::set),
    row("setex",        4,  Write, ONE,    strings::set_ex),
    row("setnx",        3,  Write, ONE,    strings::set_nx),
    row("setrange",     4,  Write, ONE,    strings::setrange),
    row("strlen",       2,  Read,  ONE,    strings::strlen),
    row("substr",       4,  Read,  ONE,    strings::getrange),

    row("dbsize",       1,  Read,  NO_KEY, keys::dbsize),
    row("del",          -2, Write, ALL,    keys::del),
    row("exists",       -2, Read,  ALL,    keys::exists),
    row("expire",       -3, Write, ONE,    keys::expire),
    row("expireat",     -3, Write, ONE,    keys::expire),
    row("expiretime",   2,  Read,  ONE,    keys::ttl),
    row("flushall",     -1, Write, NO_KEY, keys::flush),
    row("flushdb",      -1, Write, NO_KEY, keys::flush),
    row("keys",         2,  Read,  NO_KEY, keys::keys),
    row("persist",      2,  Write, ONE,    keys::persist),
    row("pexpire",      -3, Write, ONE,    keys::expire),
    row("pexpireat",    -3, Write, ONE,    keys::expire),
    row("pexpiretime",  2,  Read,  ONE,    keys::ttl),
    row("pttl",         2,  Read,  ONE,    keys::ttl),
    row("scan",         -2, Read,  NO_KEY, keys::scan),
    row("touch",        -2, Read,  ALL,    keys::exists),
    row("ttl",          2,  Read,  ONE,    keys::ttl),
    row("type",         2,  Read,  ONE,    keys::type_of),
    row("unlink",       -2, Write, ALL,    keys::del),

    row("hdel",         -3, Write, ONE,    hashes::hdel),
    row("hexists",      3,  Read,  ONE,    hashes::hexists),
    row("hget",         3,  Read,  ONE,    hashes::hget),
    row("hgetall",      2,  Read,  ONE,    hashes::hlist),
    row("hincrby",      4,  Write, ONE,    hashes::hincr_by),
    row("hincrbyfloat", 4,  Write, ONE,    hashes::hincr_by_float),
    row("hkeys",        2,  Read,  ONE,    hashes::hlist),
    row("hlen",         2,  Read,  ONE,    hashes::hlen),
    row("hmget",        -3, Read,  ONE,    hashes::hmget),
    row("hmset",        -4, Write, ONE,    hashes::hset),
    row("hscan",        -3, Read,  ONE,    hashes::hscan),
    row("hset",         -4, Write, ONE,    hashes::hset),
    row("hsetnx",       4,  Write, ONE,    hashes::hset_nx),
    row("hstrlen",      3,  Read,  ONE,    hashes::hstrlen),
    row("hvals",        2,  Read,  ONE,    hashes::hlist),

    row("client",       -2, Other, NO_KEY, session::client),
    row("command",      -1, Other, NO_KEY, session::command),
    row("config",       -2, Other, NO_KEY, session::config),
    row("debug",        -2, Other, NO_KEY, session::debug),
    row("echo",         2,  Other, NO_KEY, session::simple),
    row("hello",        -1, Other, NO_KEY, session::hello),
    row("info",         -1, Other, NO_KEY, session::simple),
    row("ping",         -1, Other, NO_KEY, session::ping),
    row("psubscribe",   -2, Other, NO_KEY, session::simple),
    row("publish",      3,  Other, NO_KEY, session::simple),
    row("pubsub",       -2, Other, NO_KEY, session::pubsub),
    row("punsubscribe", -1, Other, NO_KEY, session::simple),
    row("quit",         -1, Other, NO_KEY, session::simple),
    row("reset",        1,  Other, NO_KEY, session::simple),
    row("select",       2,  Other, NO_KEY, session::select),
    row("subscribe",    -2, Other, NO_KEY, session::simple),
    row("unsubscribe",  -1, Other, NO_KEY, session::simple),
];

/// Names are found through a hash table that the compiler fills: one multiplication a byte and, nearly always, one
/// comparison. An entry is a row's number plus one, zero is free.
static INDEX: [u8; 512] = {
    let mut index = [0; 512];
    let mut row = 0;
    while row < SPECS.len() {
        let mut at = hash(SPECS[row].name.as_bytes());
        while index[at % 512] != 0 {
            at += 1;
        }
        index[at % 512] = row as u8 + 1;
        row += 1;
    }
    index
};

const fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ (name[at] | 0x20) as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash >> 16) as usize
}

/// The command called `name`, in any case.
pub fn find(name: &[u8]) -> Option<&'static Spec> {
    if name.len() > 16 {
        return None;
    }
    let mut at = hash(name);
    loop {
        let row = INDEX[at % INDEX.len()].checked_sub(1)?;
        let spec = &SPECS[usize::from(row)];
        if spec.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(spec);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for spec in SPECS {
            assert_eq!(find(spec.name.as_bytes()).unwrap().name, spec.name);
            assert_eq!(
                find(spec.name.to_uppercase().as_bytes()).unwrap().name,
                spec.name
            );
        }
        for name in ["", "gett", "ge", "\u{7}et", "a-name-that-is-much-too-long"] {
            assert!(find(name.as_bytes()).is_none(), "{name:?}");
        }
    }
}

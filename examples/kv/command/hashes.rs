//! Parsers of the hash commands.

use super::{Call, Command, Parsed, Pick, arity};
use crate::num::parse_f64;
use crate::op::{HashPart, Op};

pub(super) fn hset(call: Call<'_>) -> Parsed {
    if !call.args.len().is_multiple_of(2) {
        return Err(arity(call.name));
    }
    call.key_all(Op::HSet {
        status: call.name == "hmset",
    })
}

pub(super) fn hset_nx(call: Call<'_>) -> Parsed {
    call.key_all(Op::HSetNx)
}

pub(super) fn hget(call: Call<'_>) -> Parsed {
    call.key_all(Op::HGet)
}

pub(super) fn hmget(call: Call<'_>) -> Parsed {
    call.key_all(Op::HMGet)
}

pub(super) fn hdel(call: Call<'_>) -> Parsed {
    call.key_all(Op::HDel)
}

pub(super) fn hexists(call: Call<'_>) -> Parsed {
    call.key_all(Op::HExists)
}

pub(super) fn hlen(call: Call<'_>) -> Parsed {
    call.key_all(Op::HLen)
}

pub(super) fn hstrlen(call: Call<'_>) -> Parsed {
    call.key_all(Op::HStrLen)
}

pub(super) fn hincr_by(call: Call<'_>) -> Parsed {
    call.key(Op::HIncrBy { by: call.int(3)? }, 3)
}

pub(super) fn hincr_by_float(call: Call<'_>) -> Parsed {
    let by = parse_f64(call.arg(3)).ok_or("ERR value is not a valid float")?;
    if by.is_infinite() {
        return Err("ERR value is NaN or Infinity".into());
    }
    call.key_all(Op::HIncrByFloat)
}

pub(super) fn hlist(call: Call<'_>) -> Parsed {
    let part = HashPart {
        fields: call.name != "hvals",
        values: call.name != "hkeys",
    };
    call.key_all(Op::HList(part))
}

pub(super) fn hscan(call: Call<'_>) -> Parsed {
    let options = call.scan_options(2)?;
    let op = Op::HScan {
        cursor: options.cursor,
        count: options.count,
    };
    Ok(Command::Key {
        op,
        args: Pick {
            range: 1..2,
            extra: options.pattern,
        },
    })
}

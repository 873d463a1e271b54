//! Parsers of the commands on keys of any type and on all keys.

use super::{Call, Command, Merge, Parsed, Pick, SYNTAX};
use crate::op::{ExpireIf, Kind, Op, TtlForm};
use crate::store::Cursor;

pub(super) fn del(_call: Call<'_>) -> Parsed {
    Ok(Command::Spread {
        op: Op::Del,
        step: 1,
        merge: Merge::Sum,
    })
}

pub(super) fn exists(_call: Call<'_>) -> Parsed {
    Ok(Command::Spread {
        op: Op::Exists,
        step: 1,
        merge: Merge::Sum,
    })
}

pub(super) fn type_of(call: Call<'_>) -> Parsed {
    call.key_all(Op::Type)
}

pub(super) fn expire(call: Call<'_>) -> Parsed {
    let mut only = ExpireIf::default();
    for at in 3..call.args.len() {
        match () {
            () if call.is(at, "nx") => only.absent = true,
            () if call.is(at, "xx") => only.present = true,
            () if call.is(at, "gt") => only.later = true,
            () if call.is(at, "lt") => only.earlier = true,
            () => {
                let mut text = b"ERR Unsupported option ".to_vec();
                text.extend_from_slice(call.arg(at));
                return Err(text.into());
            }
        }
    }
    if only.absent && (only.present || only.later || only.earlier) {
        return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
    }
    if only.later && only.earlier {
        return Err("ERR GT and LT options at the same time are not compatible".into());
    }
    let (unit, base) = match call.name {
        "expire" => (1000, call.now()),
        "pexpire" => (1, call.now()),
        "expireat" => (1000, 0),
        _ => (1, 0),
    };
    let at = call.deadline(call.int(2)?, unit, base)?;
    call.key(Op::Expire { at, only }, 2)
}

pub(super) fn ttl(call: Call<'_>) -> Parsed {
    let (seconds, absolute) = match call.name {
        "ttl" => (true, false),
        "pttl" => (false, false),
        "expiretime" => (true, true),
        _ => (false, true),
    };
    call.key_all(Op::Ttl(TtlForm { seconds, absolute }))
}

pub(super) fn persist(call: Call<'_>) -> Parsed {
    call.key_all(Op::Persist)
}

pub(super) fn keys(_call: Call<'_>) -> Parsed {
    Ok(Command::Everywhere {
        op: Op::Keys,
        args: Pick::range(1..2),
        merge: Merge::Concat,
    })
}

pub(super) fn dbsize(_call: Call<'_>) -> Parsed {
    Ok(Command::Everywhere {
        op: Op::DbSize,
        args: Pick::range(0..0),
        merge: Merge::Sum,
    })
}

pub(super) fn flush(call: Call<'_>) -> Parsed {
    // Both are accepted, and both are synchronous: the store is the shard's own.
    match call.args.len() {
        1 => {}
        2 if call.is(1, "sync") || call.is(1, "async") => {}
        _ => return Err(SYNTAX.into()),
    }
    Ok(Command::Everywhere {
        op: Op::Flush,
        args: Pick::range(0..0),
        merge: Merge::AllOk,
    })
}

pub(super) fn scan(call: Call<'_>) -> Parsed {
    let options = call.scan_options(1)?;
    let shards = call.cx.shards;
    let Cursor {
        at: cursor, shard, ..
    } = Cursor::from_number(options.cursor, shards);
    let kind = options.kind.map(|at| match () {
        () if call.is(at, "string") => Kind::String,
        () if call.is(at, "hash") => Kind::Hash,
        () => Kind::Other,
    });
    let op = Op::Scan {
        cursor,
        count: options.count,
        kind,
        shard,
        shards,
    };
    Ok(Command::Shard {
        shard,
        op,
        args: Pick {
            range: 0..0,
            extra: options.pattern,
        },
    })
}

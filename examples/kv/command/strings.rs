//! Parsers of the string commands.

use super::{Call, Command, Failure, Merge, Parsed, Pick, SYNTAX, arity};
use crate::num::parse_f64;
use crate::op::{Expiry, Millis, Op, SetReply, When};

pub(super) fn get(call: Call<'_>) -> Parsed {
    call.key_all(Op::Get)
}

/// How an expiry time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `EX`, `PX`, `EXAT`, `PXAT`: a number of units of `unit` milliseconds, from now on or since 1970.
    Time { unit: i64, absolute: bool },
    /// `KEEPTTL`.
    Keep,
    /// `PERSIST`.
    Persist,
}

/// Expiry options, of which there may be one, or the same one again: then the last counts. The number is looked at
/// last, since syntax errors anywhere in the line go before a bad number.
#[derive(Debug, Default)]
struct ExpiryOption(Option<(Form, usize)>);

impl ExpiryOption {
    /// Reads the option at `at`, if it is one of expiry, and returns how many arguments it takes.
    fn read(&mut self, call: &Call<'_>, at: usize) -> Result<usize, Failure> {
        let time = |unit, absolute| (Form::Time { unit, absolute }, 2);
        let (form, width) = match () {
            () if call.is(at, "ex") => time(1000, false),
            () if call.is(at, "px") => time(1, false),
            () if call.is(at, "exat") => time(1000, true),
            () if call.is(at, "pxat") => time(1, true),
            () if call.is(at, "keepttl") && call.name == "set" => (Form::Keep, 1),
            () if call.is(at, "persist") && call.name == "getex" => (Form::Persist, 1),
            () => return Err(SYNTAX.into()),
        };
        if self.0.is_some_and(|(other, _)| other != form) || at + width > call.args.len() {
            return Err(SYNTAX.into());
        }
        self.0 = Some((form, at + 1));
        Ok(width)
    }

    fn expiry(self, call: &Call<'_>, default: Expiry) -> Result<Expiry, Failure> {
        match self.0 {
            None => Ok(default),
            Some((Form::Keep, _)) => Ok(Expiry::Keep),
            Some((Form::Persist, _)) => Ok(Expiry::Never),
            Some((Form::Time { unit, absolute }, at)) => positive_expiry(call, at, unit, absolute),
        }
    }
}

fn positive_expiry(
    call: &Call<'_>,
    at: usize,
    unit: i64,
    absolute: bool,
) -> Result<Expiry, Failure> {
    let value = call.int(at)?;
    if value <= 0 {
        return Err(call.invalid_expire());
    }
    let deadline = call.deadline(value, unit, if absolute { 0 } else { call.now() })?;
    Ok(Expiry::At(Millis::try_from(deadline).unwrap_or(0)))
}

pub(super) fn set(call: Call<'_>) -> Parsed {
    let (mut when, mut reply) = (When::Always, SetReply::Status);
    let mut option = ExpiryOption::default();
    let mut at = 3;
    while at < call.args.len() {
        if call.is(at, "nx") && when != When::Present {
            when = When::Absent;
        } else if call.is(at, "xx") && when != When::Absent {
            when = When::Present;
        } else if call.is(at, "get") {
            reply = SetReply::Previous;
        } else {
            at += option.read(&call, at)?;
            continue;
        }
        at += 1;
    }
    let expiry = option.expiry(&call, Expiry::Never)?;
    call.key(
        Op::Set {
            expiry,
            when,
            reply,
        },
        3,
    )
}

pub(super) fn get_set(call: Call<'_>) -> Parsed {
    call.key_all(Op::Set {
        expiry: Expiry::Never,
        when: When::Always,
        reply: SetReply::Previous,
    })
}

pub(super) fn set_nx(call: Call<'_>) -> Parsed {
    call.key_all(Op::Set {
        expiry: Expiry::Never,
        when: When::Absent,
        reply: SetReply::Flag,
    })
}

pub(super) fn set_ex(call: Call<'_>) -> Parsed {
    let unit = if call.name == "setex" { 1000 } else { 1 };
    let expiry = positive_expiry(&call, 2, unit, false)?;
    // The value stands behind the time; the key alone is not next to it.
    let args = Pick {
        range: 1..2,
        extra: Some(3),
    };
    Ok(Command::Key {
        op: Op::Set {
            expiry,
            when: When::Always,
            reply: SetReply::Status,
        },
        args,
    })
}

pub(super) fn get_ex(call: Call<'_>) -> Parsed {
    let mut option = ExpiryOption::default();
    let mut at = 2;
    while at < call.args.len() {
        at += option.read(&call, at)?;
    }
    let expiry = option.expiry(&call, Expiry::Keep)?;
    call.key(Op::GetEx { expiry }, 2)
}

pub(super) fn get_del(call: Call<'_>) -> Parsed {
    call.key_all(Op::GetDel)
}

pub(super) fn mget(_call: Call<'_>) -> Parsed {
    Ok(Command::Each { op: Op::GetOrNil })
}

pub(super) fn mset(call: Call<'_>) -> Parsed {
    if call.args.len().is_multiple_of(2) {
        return Err(arity(call.name));
    }
    Ok(Command::Spread {
        op: Op::SetAll,
        step: 2,
        merge: Merge::AllOk,
    })
}

pub(super) fn append(call: Call<'_>) -> Parsed {
    call.key_all(Op::Append {
        max: call.cx.max_value,
    })
}

pub(super) fn strlen(call: Call<'_>) -> Parsed {
    call.key_all(Op::StrLen)
}

pub(super) fn getrange(call: Call<'_>) -> Parsed {
    call.key(
        Op::GetRange {
            start: call.int(2)?,
            end: call.int(3)?,
        },
        2,
    )
}

pub(super) fn setrange(call: Call<'_>) -> Parsed {
    let offset = usize::try_from(call.int(2)?).map_err(|_| "ERR offset is out of range")?;
    let args = Pick {
        range: 1..2,
        extra: Some(3),
    };
    Ok(Command::Key {
        op: Op::SetRange {
            offset,
            max: call.cx.max_value,
        },
        args,
    })
}

pub(super) fn incr(call: Call<'_>) -> Parsed {
    let by = match call.name {
        "incr" => 1,
        "decr" => -1,
        "incrby" => call.int(2)?,
        _ => call
            .int(2)?
            .checked_neg()
            .ok_or("ERR decrement would overflow")?,
    };
    call.key(Op::IncrBy { by }, 2)
}

pub(super) fn incr_by_float(call: Call<'_>) -> Parsed {
    parse_f64(call.arg(2)).ok_or("ERR value is not a valid float")?;
    call.key_all(Op::IncrByFloat)
}

//! Operations: what a session asks of a shard.
//!
//! A client's command has been parsed by the time it becomes an [`Op`]: numbers are numbers, options are flags, relative
//! expiry times are instants. What remains as bytes (keys, values, fields, patterns) travels beside the operation as its
//! *arguments*, by position; the tables below give the positions as `[0] key, [1] value`. So an `Op` is a few words
//! that can be copied, is `Send`, and owns nothing.

/// Milliseconds since the Unix epoch. The clock is always a parameter in this service: tests pass any time they like.
pub type Millis = u64;

/// What happens to a key's expiry time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The key does not expire.
    Never,
    /// As it was.
    Keep,
    /// At this time.
    At(Millis),
}

/// On which condition `SET` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// On none.
    Always,
    /// If the key does not exist (`NX`).
    Absent,
    /// If the key exists (`XX`).
    Present,
}

/// What `SET` and its relatives reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetReply {
    /// `OK`, or nil if the condition did not hold.
    Status,
    /// The previous value, or nil (`GET`).
    Previous,
    /// Whether it was set, as 0 or 1 (`SETNX`).
    Flag,
}

/// On which conditions `EXPIRE` takes effect; all that are set must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpireIf {
    /// If the key has no expiry time (`NX`).
    pub absent: bool,
    /// If the key has one (`XX`).
    pub present: bool,
    /// If it moves the expiry later (`GT`); no expiry time counts as never.
    pub later: bool,
    /// If it moves the expiry earlier (`LT`).
    pub earlier: bool,
}

/// How a remaining life time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TtlForm {
    /// In seconds and not in milliseconds.
    pub seconds: bool,
    /// As a time of day and not as a remainder.
    pub absolute: bool,
}

/// The types of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    String,
    /// Fields with values.
    Hash,
    /// A type this service does not have; matches nothing.
    Other,
}

/// What to list of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashPart {
    /// The fields.
    pub fields: bool,
    /// Their values.
    pub values: bool,
}

/// An operation on one shard. Unless said otherwise `[0]` is the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Op {
    // Strings.
    /// The value.
    Get,
    /// As [`Get`](Self::Get), but nil if the value is no string: one part of `MGET`.
    GetOrNil,
    /// Sets `[1]`.
    Set {
        expiry: Expiry,
        when: When,
        reply: SetReply,
    },
    /// Sets pairs `[0] key, [1] value, [2] key ..`.
    SetAll,
    /// The value, which is removed.
    GetDel,
    /// The value, whose expiry time changes.
    GetEx { expiry: Expiry },
    /// Appends `[1]`; the value stays within `max` bytes.
    Append { max: usize },
    /// The length of the value.
    StrLen,
    /// The bytes from `start` to `end`, both included, negative from the end.
    GetRange { start: i64, end: i64 },
    /// Overwrites from `offset` with `[1]`; the value stays within `max` bytes.
    SetRange { offset: usize, max: usize },
    /// Adds to an integer.
    IncrBy { by: i64 },
    /// Adds `[1]` to a decimal number.
    IncrByFloat,

    // Keys of any type.
    /// Removes `[0..]`; replies how many there were.
    Del,
    /// How many of `[0..]` exist.
    Exists,
    /// The type.
    Type,
    /// Sets the expiry time; one that has passed deletes.
    Expire { at: i64, only: ExpireIf },
    /// The time left.
    Ttl(TtlForm),
    /// Removes the expiry time.
    Persist,

    // The whole shard.
    /// The keys that match `[0]`.
    Keys,
    /// Keys from `cursor` on, which match `[0]` if it is there; `shard` of `shards` goes into the next cursor.
    Scan {
        cursor: u64,
        count: usize,
        kind: Option<Kind>,
        shard: u32,
        shards: u32,
    },
    /// The number of keys.
    DbSize,
    /// Removes everything.
    Flush,

    // Hashes.
    /// Sets pairs `[1] field, [2] value ..`; replies the number of new fields, or `OK` for `HMSET`.
    HSet { status: bool },
    /// Sets field `[1]` to `[2]` if it is absent.
    HSetNx,
    /// The value of field `[1]`.
    HGet,
    /// The values of the fields `[1..]`.
    HMGet,
    /// Removes the fields `[1..]`.
    HDel,
    /// Whether field `[1]` exists.
    HExists,
    /// The number of fields.
    HLen,
    /// The length of field `[1]`'s value.
    HStrLen,
    /// Adds to field `[1]`, an integer.
    HIncrBy { by: i64 },
    /// Adds `[2]` to field `[1]`, a decimal number.
    HIncrByFloat,
    /// Fields, values, or both.
    HList(HashPart),
    /// Fields and values from `cursor` on; fields match `[1]` if it is there.
    HScan { cursor: u64, count: usize },

    /// Panics: `DEBUG PANIC`.
    Panic,
}

//! The pipeline of one session: commands out to the shards, replies back in order.
//!
//! # Steps
//! Commands are answered in the order they came, but run in shards that know nothing of each other. While a session
//! parses what one read brought, the pipeline does two things: it fills one [`Batch`] per shard, and writes down a *plan*:
//! where each piece of the output will come from.
//!
//! ```text
//!   GET a          plan: From(0)                        batch 0: Get a, GetOrNil c
//!   PING                 Local("+PONG")                 batch 1: Get b, GetOrNil d
//!   GET b                From(1)
//!   MGET c d             Local("*2"), From(0), From(1)
//! ```
//!
//! Each shard answers its batch in order, so "the next unread reply of shard 0" is all that `From(0)` has to say: no
//! numbers are sent along, and nothing is sorted. A command whose parts in several shards make one reply is a `Merge` that
//! says how many `From`s behind it belong to it.
//!
//! # What a session does
//! ```text
//!   1 for each request: parse it, push it (session commands: answer into `local`)
//!   2 for each shard:   take its batch, if it has work; send it; wait; put back what comes, or report it lost
//!   3 merge             writes all replies up to the first that is still missing
//!   4 unless done:      back to 2 (some shard stopped at its reply limit)
//! ```
//! Steps 2 to 4 terminate: a merge that stops misses a reply of a shard whose other replies have all been read, and such a
//! shard's batch is sent again and runs at least one more operation.
//!
//! # What is not promised
//! The parts of a command in several shards run at slightly different times: another client may see half of an `MSET`.
//! In one shard a command is atomic. If a shard dies, replies it owed become errors, and whether the commands
//! were carried out is unknown, as with any lost reply.

use crate::batch::{Batch, reset};
use crate::command::{Command, Merge, Pick};
use crate::op::Op;
use crate::reply;
use crate::resp::Request;

/// The shard of a key: a hash that never changes, so that keys stay where they are across restarts and versions.
///
/// FNV-1a alone is not enough. The last bytes of a key hardly reach its upper bits, and `k1` to `k64` would all be in
/// one shard; the finishing steps (those of MurmurHash3) let every bit depend on every byte.
pub fn shard_of(key: &[u8], shards: u32) -> u32 {
    let mut hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (((hash >> 32) * u64::from(shards)) >> 32) as u32
}

/// Where a piece of the output comes from.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Bytes of `local` up to this position.
    Local { end: usize },
    /// The next reply of this shard.
    From(u32),
    /// One reply, made from the next `parts` steps, all of them `From`.
    Merge { how: Merge, parts: u32 },
}

#[derive(Debug, Default)]
struct Lane {
    /// `None` while the shard has it, and after it was lost until the pipeline is reset.
    batch: Option<Box<Batch>>,
    lost: bool,
}

/// Batches and plan of one session.
#[derive(Debug)]
pub struct Pipeline {
    lanes: Vec<Lane>,
    plan: Vec<Step>,
    /// Replies the session itself gave.
    local: Vec<u8>,
    /// How much of `plan` and `local` has been merged.
    merged: (usize, usize),
}

impl Pipeline {
    /// An empty pipeline to so many shards.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(shards: u32) -> Self {
        assert!(shards > 0, "a service needs a shard");
        let lane = || Lane {
            batch: Some(Box::default()),
            lost: false,
        };
        Pipeline {
            lanes: (0..shards).map(|_| lane()).collect(),
            plan: Vec::new(),
            local: Vec::new(),
            merged: (0, 0),
        }
    }

    /// How many shards there are.
    pub fn shards(&self) -> u32 {
        self.lanes.len() as u32
    }

    /// Bytes held for what is queued. Above some bound (a mebibyte, say) a session should flush before it parses more.
    pub fn size(&self) -> usize {
        let batches: usize = self
            .lanes
            .iter()
            .flat_map(|lane| &lane.batch)
            .map(|batch| batch.size())
            .sum();
        batches + self.local.len() + size_of_val(&self.plan[..])
    }

    /// Bytes the buffers take, those of batches that are away excepted.
    pub fn memory(&self) -> usize {
        let lanes = self.lanes.iter().flat_map(|lane| &lane.batch);
        lanes.map(|batch| batch.memory()).sum::<usize>()
            + self.local.capacity()
            + self.plan.capacity() * size_of::<Step>()
    }

    /// Gives the memory of an empty pipeline back: for a connection that has been idle.
    pub fn shrink(&mut self) {
        if self.is_done() {
            *self = Pipeline::new(self.shards());
        }
    }

    /// True if nothing is queued: all that was pushed has been merged.
    pub fn is_done(&self) -> bool {
        self.merged.0 == self.plan.len()
    }

    /// Queues a command. Those for the session are none of the pipeline's business, and come back.
    pub fn push(
        &mut self,
        command: Command,
        args: Request<'_>,
    ) -> Result<(), crate::command::SessionCommand> {
        match command {
            Command::Key { op, args: pick } => {
                let shard = self.shard_of(&args[pick.range.start]);
                self.add(shard, op, &pick, args);
            }
            Command::Shard {
                shard,
                op,
                args: pick,
            } => self.add(shard, op, &pick, args),
            Command::Each { op } => {
                self.local(|out| reply::array(out, args.len() - 1));
                for key in args.from(1) {
                    let shard = self.shard_of(key);
                    self.batch(shard).arg(key);
                    self.finish(shard, op);
                }
            }
            Command::Spread { op, step, merge } => self.spread(op, step, merge, args),
            Command::Everywhere {
                op,
                args: pick,
                merge,
            } => {
                self.plan.push(Step::Merge {
                    how: merge,
                    parts: self.shards(),
                });
                for shard in 0..self.shards() {
                    self.add(shard, op, &pick, args);
                }
            }
            Command::Session(command) => return Err(command),
        }
        Ok(())
    }

    /// Queues a reply that `write` makes at once.
    pub fn local(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.local);
        let end = self.local.len();
        match self.plan.last_mut() {
            Some(Step::Local { end: last }) => *last = end,
            _ => self.plan.push(Step::Local { end }),
        }
    }

    /// Takes the batch of a shard, if there is work in it and its earlier replies have been read. It must come
    /// back through [`answer`](Self::answer) or [`lost`](Self::lost).
    pub fn take(&mut self, shard: u32) -> Option<Box<Batch>> {
        let lane = &mut self.lanes[shard as usize];
        lane.batch
            .take_if(|batch| batch.remaining() > 0 && batch.peek().is_none())
    }

    /// Puts a batch back that the shard has run.
    pub fn answer(&mut self, shard: u32, batch: Box<Batch>) {
        self.lanes[shard as usize].batch = Some(batch);
    }

    /// Tells that the shard died with the batch.
    pub fn lost(&mut self, shard: u32) {
        self.lanes[shard as usize].lost = true;
    }

    /// Appends all replies up to the first one missing to `out`; true if none is, and the pipeline is empty again.
    pub fn merge(&mut self, out: &mut Vec<u8>) -> bool {
        while let Some(&step) = self.plan.get(self.merged.0) {
            let advanced = match step {
                Step::Local { end } => {
                    out.extend_from_slice(&self.local[self.merged.1..end]);
                    self.merged.1 = end;
                    1
                }
                Step::From(shard) => {
                    let Some(reply) = self.lanes[shard as usize].reply(shard) else {
                        return false;
                    };
                    reply.append_to(out);
                    self.lanes[shard as usize].advance();
                    1
                }
                Step::Merge { how, parts } => {
                    if !self.merge_parts(how, parts as usize, out) {
                        return false;
                    }
                    1 + parts as usize
                }
            };
            self.merged.0 += advanced;
        }
        self.reset();
        true
    }

    fn merge_parts(&mut self, how: Merge, parts: usize, out: &mut Vec<u8>) -> bool {
        let steps = &self.plan[self.merged.0 + 1..][..parts];
        let shards = steps.iter().map(|step| match step {
            Step::From(shard) => *shard,
            _ => unreachable!("parts of a merge come from shards"),
        });
        let mut replies = Vec::with_capacity(parts);
        for shard in shards.clone() {
            match self.lanes[shard as usize].reply(shard) {
                Some(reply) => replies.push(reply),
                None => return false,
            }
        }
        combine(how, &replies, out);
        shards.for_each(|shard| self.lanes[shard as usize].advance());
        true
    }

    fn shard_of(&self, key: &[u8]) -> u32 {
        shard_of(key, self.shards())
    }

    fn batch(&mut self, shard: u32) -> &mut Batch {
        self.lanes[shard as usize]
            .batch
            .as_mut()
            .expect("commands are pushed while no batch is away")
    }

    fn finish(&mut self, shard: u32, op: Op) {
        self.batch(shard).push(op);
        self.plan.push(Step::From(shard));
    }

    fn add(&mut self, shard: u32, op: Op, pick: &Pick, args: Request<'_>) {
        let batch = self.batch(shard);
        for index in pick.range.clone().chain(pick.extra) {
            batch.arg(&args[index]);
        }
        self.finish(shard, op);
    }

    fn spread(&mut self, op: Op, step: usize, how: Merge, args: Request<'_>) {
        for first in (1..args.len()).step_by(step) {
            let shard = self.shard_of(&args[first]);
            let batch = self.batch(shard);
            (first..first + step).for_each(|index| batch.arg(&args[index]));
        }
        let merge = self.plan.len();
        self.plan.push(Step::Merge { how, parts: 0 });
        for shard in 0..self.shards() {
            if self.batch(shard).has_loose_args() {
                self.finish(shard, op);
            }
        }
        match self.plan.len() - merge - 1 {
            // The only part is the reply.
            1 => drop(self.plan.remove(merge)),
            parts => {
                self.plan[merge] = Step::Merge {
                    how,
                    parts: parts as u32,
                }
            }
        }
    }

    fn reset(&mut self) {
        reset(&mut self.plan);
        reset(&mut self.local);
        self.merged = (0, 0);
        for lane in &mut self.lanes {
            lane.lost = false;
            lane.batch.get_or_insert_default().clear();
        }
    }
}

/// A reply from a shard, or the news that there will be none.
enum Reply<'a> {
    Bytes(&'a [u8]),
    Lost(u32),
}

impl Reply<'_> {
    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Bytes(bytes) => out.extend_from_slice(bytes),
            Reply::Lost(shard) => {
                reply::error(
                    out,
                    format!("ERR shard {shard} failed, the command may have been executed or not"),
                );
            }
        }
    }

    fn is_error(&self) -> bool {
        match self {
            Reply::Bytes(bytes) => bytes.first() == Some(&b'-'),
            Reply::Lost(_) => true,
        }
    }
}

impl Lane {
    fn reply(&self, shard: u32) -> Option<Reply<'_>> {
        if self.lost {
            return Some(Reply::Lost(shard));
        }
        self.batch.as_ref()?.peek().map(Reply::Bytes)
    }

    fn advance(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.advance();
        }
    }
}

/// Makes one reply of several. If one of them is an error, that is the reply.
fn combine(how: Merge, replies: &[Reply<'_>], out: &mut Vec<u8>) {
    if let Some(error) = replies.iter().find(|reply| reply.is_error()) {
        return error.append_to(out);
    }
    let parts = replies.iter().filter_map(|reply| match reply {
        Reply::Bytes(bytes) => reply::split_header(bytes),
        Reply::Lost(_) => None,
    });
    match how {
        Merge::AllOk => reply::ok(out),
        Merge::Sum => reply::int(out, parts.map(|(number, _)| number).sum()),
        Merge::Concat => {
            reply::array(out, parts.clone().map(|(len, _)| len as usize).sum());
            parts.for_each(|(_, elements)| out.extend_from_slice(elements));
        }
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;

use actor_core::prelude::*;

#[actor(when_full = "fail")]
struct Unbounded;

#[actor(mailbox = 8, when_full = "wait")]
struct Unknown;

#[actor(mailbox = 8, when_full = WhenFull::Fail)]
struct Path;

#[actor(mailbox = 8, when_full)]
struct NoValue;

#[actor(mailbox = 0, when_full = "fail")]
struct BoundReported;

fn main() {}

use actor_core::prelude::*;

#[actor(snapshot = 2)]
struct Value;

#[actor(snapshot(version = 0, colour = 1, upgrade = "path"))]
struct Wrong;

#[actor(snapshot(version = "2"))]
struct Text;

#[actor(snapshot(upgrade = upgrade))]
struct FromNothing;

#[actor(snapshot, snapshot)]
struct Twice;

#[actor(snapshot)]
enum Choice {
    One,
}

#[actor]
struct Block;

#[actor(snapshot)]
impl Block {}

fn main() {}

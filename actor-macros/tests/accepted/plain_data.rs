//! Enums of messages and answers whose fields allow little, or mention each other.
#![deny(warnings)]
#![allow(missing_docs)]
use std::fmt::Debug;

use actor_core::prelude::*;

#[actor]
struct Opaque {
    jobs: Vec<Job>,
}

type Job = Box<dyn for<'de> FnOnce(&'de str) -> &'de str + Send>;

#[actor]
impl Opaque {
    pub fn job(&mut self, job: Job, text: &'static str, me: Option<Addr<Self>>) -> fn(&u8) -> &u8 {
        let _ = (text, me);
        self.jobs.push(job);
        |n| n
    }
    pub fn never(&self, never: std::convert::Infallible) -> std::convert::Infallible {
        never
    }
}

#[actor]
struct Silent;

#[actor]
impl Silent {}

#[actor]
struct Tree;

#[actor]
impl Tree {
    pub fn branch(
        &mut self,
        left: Option<Box<TreeMsg>>,
        right: Vec<TreeMsg>,
    ) -> Option<Box<TreeReply>> {
        let _ = (left, right);
        None
    }
    pub fn leaf(&self) -> u8 {
        1
    }
}

// They mention each other: not to be cloned or frozen, but sent and shown.
#[actor]
struct Left;

#[actor]
impl Left {
    pub fn pass(&mut self, to: Vec<RightMsg>) {
        let _ = to;
    }
}

#[actor]
struct Right;

#[actor]
impl Right {
    pub fn pass(&mut self, to: Option<Box<LeftMsg>>) {
        let _ = to;
    }
}

fn shown<T: Debug>() {}
fn plain<T: Debug + Clone + serde::Serialize + serde::de::DeserializeOwned>() {}

#[test]
fn runs() {
    shown::<(OpaqueMsg, OpaqueReply, LeftMsg, RightMsg)>();
    plain::<(SilentMsg, SilentReply)>();
    plain::<(TreeMsg, TreeReply)>();
    plain::<(LeftReply, RightReply)>();
    let message = TreeMsg::Branch {
        left: None,
        right: vec![TreeMsg::Leaf],
    };
    assert_eq!(
        format!("{:?}", message.clone()),
        "Branch { left: None, right: [Leaf] }"
    );
    let message = LeftMsg::Pass {
        to: vec![RightMsg::Pass { to: None }],
    };
    assert_eq!(format!("{message:?}"), "Pass { to: [Pass { to: None }] }");
}

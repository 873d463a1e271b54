//! The message enum and the reply enum as plain data: shown, cloned, frozen, sent whatever they are.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

#[allow(dead_code, reason = "shared")]
#[path = "actor/support.rs"]
mod support;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actor_core::Replies;
use actor_core::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use support::*;

/// Not enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Broke {
    missing: i64,
}

#[protocol]
pub trait Audited {
    fn audit(&self, by: String) -> Vec<String>;
    fn seal(&mut self);
}

#[actor]
#[derive(Default)]
pub struct Till {
    cents: i64,
    notes: Vec<String>,
}

#[actor(protocols = [Audited])]
impl Till {
    pub fn pay(&mut self, cents: i64, note: Option<String>) {
        self.cents += cents;
        self.notes.extend(note);
    }
    pub fn take(&mut self, cents: i64) -> Result<i64, Broke> {
        let missing = cents - self.cents;
        if missing > 0 {
            return Err(Broke { missing });
        }
        self.cents -= cents;
        Ok(self.cents)
    }
    pub fn total(&self) -> i64 {
        self.cents
    }
    pub fn replay(&mut self, r#type: u8, messages: Vec<TillMsg>) -> usize {
        messages.len() + usize::from(r#type)
    }
    #[cfg(any())]
    pub fn absent(&self, what: NoSuchType) -> NoSuchType {
        what
    }
    #[cfg(not(any()))]
    pub fn present(&self, what: u8) -> u8 {
        what
    }
    pub fn boom(&self) {
        panic!("as told");
    }
}

impl Audited for Till {
    fn audit(&self, by: String) -> Vec<String> {
        self.notes.iter().cloned().chain([by]).collect()
    }
    fn seal(&mut self) {
        self.notes.clear();
    }
}

/// One of each, as a value and in JSON.
fn samples() -> Vec<(TillMsg, &'static str)> {
    let (cents, note) = (5, Some("x".to_owned()));
    vec![
        (TillMsg::Total, r#""Total""#),
        (
            TillMsg::Pay { cents, note },
            r#"{"Pay":{"cents":5,"note":"x"}}"#,
        ),
        (TillMsg::Take { cents }, r#"{"Take":{"cents":5}}"#),
        (
            TillMsg::Replay {
                r#type: 1,
                messages: vec![TillMsg::Total, TillMsg::Take { cents }],
            },
            r#"{"Replay":{"type":1,"messages":["Total",{"Take":{"cents":5}}]}}"#,
        ),
        (TillMsg::Present { what: 2 }, r#"{"Present":{"what":2}}"#),
        (
            TillMsg::Audited(AuditedMsg::Audit { by: "me".into() }),
            r#"{"Audited":{"Audit":{"by":"me"}}}"#,
        ),
        (TillMsg::Audited(AuditedMsg::Seal), r#"{"Audited":"Seal"}"#),
    ]
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn the_frozen_form_is_tagged_by_the_variants_name_with_fields_by_theirs() {
    for (message, form) in samples() {
        assert_eq!(json(&message), form);
        let back: TillMsg = serde_json::from_str(form).unwrap();
        assert_eq!(json(&back), form);
    }
}

#[test]
fn messages_survive_formats_with_names_and_without() {
    for (message, form) in samples() {
        let named = rmp_serde::to_vec_named(&message).unwrap();
        let back: TillMsg = rmp_serde::from_slice(&named).unwrap();
        assert_eq!(json(&back), form);
        let bare = rmp_serde::to_vec(&message).unwrap();
        assert!(bare.len() <= named.len());
        let back: TillMsg = rmp_serde::from_slice(&bare).unwrap();
        assert_eq!(json(&back), form);
    }
}

#[test]
fn the_frozen_form_is_that_of_serdes_own_derive() {
    #[derive(Serialize, Deserialize)]
    enum TillMsg {
        Pay { cents: i64, note: Option<String> },
        Total,
        Audited(u8),
    }
    use crate::TillMsg as Ours;
    let derived = [
        TillMsg::Pay {
            cents: 1,
            note: None,
        },
        TillMsg::Total,
    ];
    for value in &derived {
        let bytes = rmp_serde::to_vec(value).unwrap();
        let ours: Ours = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(rmp_serde::to_vec(&ours).unwrap(), bytes);
        assert_eq!(json(&ours), json(value));
    }
    let _ = TillMsg::Audited(0);
}

#[test]
fn an_old_form_is_read_where_the_documentation_says_so() {
    let read = |form: &str| serde_json::from_str::<TillMsg>(form).map(|message| json(&message));
    // A parameter that was taken away, others in another order, and an `Option` that is new.
    assert_eq!(
        read(r#"{"Pay":{"tip":[1,{}],"note":"x","cents":5}}"#).unwrap(),
        r#"{"Pay":{"cents":5,"note":"x"}}"#
    );
    assert_eq!(
        read(r#"{"Pay":{"cents":5}}"#).unwrap(),
        r#"{"Pay":{"cents":5,"note":null}}"#
    );
    for (form, complaint) in [
        (r#"{"Pay":{"note":"x"}}"#, "missing field `cents`"),
        (
            r#"{"Pay":{"cents":5,"cents":5}}"#,
            "duplicate field `cents`",
        ),
        (
            r#"{"Gift":{"cents":5}}"#,
            "unknown variant `Gift`, expected one of `Pay`, `Take`",
        ),
        (
            r#"{"Pay":[5]}"#,
            "invalid length 1, expected the parameters [\"cents\", \"note\"]",
        ),
        (r#"{"Pay":{"cents":"many"}}"#, "invalid type: string"),
        (r#""Pay""#, "invalid type: unit variant"),
        (r"7", "expected value"),
        (r#"{"Absent":{"what":1}}"#, "unknown variant `Absent`"),
    ] {
        let error = read(form).unwrap_err().to_string();
        assert!(error.contains(complaint), "{form}: {error}");
    }
}

#[test]
fn messages_are_shown_and_cloned() {
    let (message, form) = samples().swap_remove(3);
    assert_eq!(json(&message.clone()), form);
    assert_eq!(
        format!("{message:?}"),
        "Replay { type: 1, messages: [Total, Take { cents: 5 }] }"
    );
    assert_eq!(
        format!("{:?}", TillMsg::Audited(AuditedMsg::Seal)),
        "Audited(Seal)"
    );
}

/// Neither shown nor cloned nor frozen.
pub struct Opaque;

/// Some messages with fields that allow little.
#[actor]
pub struct Odd;

#[actor]
impl Odd {
    pub fn run_it(&mut self, job: Box<dyn FnOnce() + Send>, n: u8) -> Opaque {
        job();
        let _ = n;
        Opaque
    }
    pub fn hand(&self, to: Addr<Till>, opaque: Option<Opaque>) -> fn() -> Rc<u8> {
        drop((to, opaque));
        || Rc::new(0)
    }
}

/// `Debug` and `Clone`, and not to be frozen.
#[actor]
pub struct Half;

#[actor]
impl Half {
    pub fn meet(&mut self, other: Addr<Half>) {
        drop(other);
    }
}

#[test]
fn what_cannot_be_shown_is_shown_as_dots() {
    let message = OddMsg::RunIt {
        job: Box::new(|| {}),
        n: 3,
    };
    assert_eq!(format!("{message:?}"), "RunIt { job: .., n: 3 }");
    assert_eq!(format!("{:?}", OddReply::RunIt(Opaque)), "RunIt(..)");
}

#[test]
fn a_type_that_cannot_be_cloned_or_frozen_takes_that_from_its_own_enum_alone() {
    // `OddMsg` is not `Clone`: `ui/fail/message_not_clone.rs`.
    fn can<T: Clone + std::fmt::Debug>() {}
    fn frozen<T: Clone + Serialize + DeserializeOwned>() {}
    can::<HalfMsg>();
    frozen::<HalfReply>();
    frozen::<TillMsg>();
    frozen::<TillReply>();
    frozen::<ShelfMsg<String, u8>>();
    can::<ShelfMsg<Addr<Half>, u8>>();
}

/// Generic, with no more asked of its parameters than an actor needs.
#[actor]
pub struct Shelf<K, V> {
    map: HashMap<K, V>,
}

#[actor]
impl<K: Eq + std::hash::Hash + Send + 'static, V: Send + 'static> Shelf<K, V> {
    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        self.map.insert(key, value)
    }
    pub fn count(&self) -> usize {
        self.map.len()
    }
}

#[test]
fn enums_of_a_generic_actor_are_as_plain_as_its_parameters() {
    let sys = system(1);
    let shelf = sys
        .spawn(Shelf {
            map: HashMap::<String, u8>::new(),
        })
        .unwrap();
    let message: ShelfMsg<String, u8> =
        serde_json::from_str(r#"{"Put":{"key":"a","value":1}}"#).unwrap();
    let first: ShelfReply<u8> = shelf.call(message.clone()).unwrap();
    let second = shelf.call(message).unwrap();
    assert_eq!(json(&[first, second]), r#"[{"Put":null},{"Put":1}]"#);
}

#[test]
fn any_message_is_asked_with_call_and_answered_in_one_type() {
    let sys = system(2);
    let till = sys.spawn(Till::default()).unwrap();
    let replies: Vec<String> = samples()
        .into_iter()
        .map(|(message, _)| json(&till.call(message).unwrap()))
        .collect();
    assert_eq!(
        replies,
        [
            r#"{"Total":0}"#,
            r#""Pay""#,
            r#"{"Take":{"Ok":0}}"#,
            r#"{"Replay":3}"#,
            r#"{"Present":2}"#,
            r#"{"Audited":{"Audit":["x","me"]}}"#,
            r#"{"Audited":"Seal"}"#
        ]
    );
    let broke = till.call(TillMsg::Take { cents: 3 }).unwrap();
    assert!(matches!(broke, TillReply::Take(Err(Broke { missing: 3 }))));
    let audited: AddrOf<dyn Audited> = till.narrow();
    let reply = audited
        .call(AuditedMsg::Audit { by: "you".into() })
        .unwrap();
    assert!(matches!(reply, AuditedReply::Audit(by) if by == ["you"]));
}

#[test]
fn a_call_fails_as_an_ask_does() {
    let sys = system(2);
    let till = sys.spawn(Till::default()).unwrap();
    let error = till.call(TillMsg::Boom).unwrap_err();
    assert!(matches!(
        error,
        AskError::NoReply(Some(ExitReason::Panicked(_)))
    ));
    end(&till);
    for message in [TillMsg::Total, TillMsg::Audited(AuditedMsg::Seal)] {
        let form = json(&message);
        let back = till.call(message).unwrap_err().into_message().unwrap();
        assert_eq!(json(&back), form);
    }
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    let late = probe.call_timeout(ProbeMsg::Seen, Duration::from_millis(1));
    assert!(matches!(late, Err(AskError::Timeout)));
    release.raise();
}

/// Asks any actor what it is told to, and writes down what was asked and answered: what the enums are for.
fn record<A: Replies>(addr: &Addr<A>, log: &mut Vec<String>, messages: Vec<A::Msg>)
where
    A::Msg: Serialize,
    A::Reply: Serialize,
{
    for message in messages {
        let asked = json(&message);
        let answered = json(&addr.call(message).unwrap());
        log.push(format!("{asked} {answered}"));
    }
}

#[test]
fn a_recording_is_played_back_to_another_actor() {
    let sys = system(1);
    let (one, two) = (
        sys.spawn(Till::default()).unwrap(),
        sys.spawn(Till::default()).unwrap(),
    );
    let (mut first, mut second) = (Vec::new(), Vec::new());
    record(
        &one,
        &mut first,
        samples().into_iter().map(|it| it.0).collect(),
    );
    let replay = (first.iter())
        .map(|line| serde_json::from_str(line.split_once(' ').unwrap().0).unwrap())
        .collect();
    record(&two, &mut second, replay);
    assert_eq!(first, second);
}

//! Images of older and later versions.

use actor_core::image::{DecodeError, Head, Image, Kind};
use actor_core::prelude::*;
use actor_core::snapshot::{OldState, RestoreError, UpgradeError};

/// The type as it was, and as it has become. They have one name.
mod first {
    use actor_core::prelude::*;

    #[actor(snapshot, name = "Account")]
    pub struct Account {
        pub euros: i64,
        pub note: String,
    }

    #[actor]
    impl Account {
        pub fn deposit(&mut self, n: i64) {
            self.euros += n;
        }
    }
}

mod second {
    use super::*;

    #[actor(snapshot(version = 2), name = "Account")]
    pub struct Account {
        pub cents: i64,
    }

    #[actor]
    impl Account {
        pub fn deposit(&mut self, n: i64) {
            self.cents += n * 100;
        }
    }
}

#[actor(snapshot(version = 3, upgrade = upgrade), name = "Account")]
pub struct Account {
    cents: i64,
    owner: Option<String>,
    /// Added without a new version.
    limit: Option<i64>,
}

#[actor]
impl Account {
    pub fn deposit(&mut self, n: i64) {
        self.cents += n * 100;
    }
    pub fn cents(&self) -> (i64, Option<String>) {
        (self.cents, self.owner.clone())
    }
    pub fn limit(&self) -> Option<i64> {
        self.limit
    }
}

fn upgrade(old: OldState<'_>) -> Result<AccountSnapshot, UpgradeError> {
    match old.version() {
        1 => {
            let first: first::AccountSnapshot = old.read()?;
            Ok(AccountSnapshot {
                cents: first.euros * 100,
                owner: Some(first.note),
                limit: None,
            })
        }
        2 => {
            let second: second::AccountSnapshot = old.read()?;
            let cents = second.cents;
            Ok(AccountSnapshot {
                cents,
                owner: None,
                limit: None,
            })
        }
        _ => Err(old.unknown()),
    }
}

#[test]
fn older_versions_are_upgraded_with_what_waits() {
    let sys = System::new().unwrap();
    let note = "Ada".to_owned();
    let one = sys.spawn(first::Account { euros: 4, note }).unwrap();
    one.sys().suspend().unwrap();
    one.tell().deposit(1).unwrap();
    let image = one.snapshot().unwrap();
    let now = sys.restore::<Account>(&image).unwrap();
    assert_eq!(now.ask().cents().unwrap(), (500, Some("Ada".to_owned())));

    let two = sys.spawn(second::Account { cents: 42 }).unwrap();
    two.sys().suspend().unwrap();
    two.tell().deposit(2).unwrap();
    let now = sys.restore::<Account>(&two.snapshot().unwrap()).unwrap();
    assert_eq!(now.ask().cents().unwrap(), (242, None));
}

#[test]
fn a_later_version_and_one_without_a_way_are_typed_errors() {
    let sys = System::new().unwrap();
    let now = sys
        .spawn(Account {
            cents: 1,
            owner: None,
            limit: None,
        })
        .unwrap();
    let image = now.snapshot().unwrap();
    let refused = sys.restore::<second::Account>(&image);
    assert!(
        matches!(refused, Err(RestoreError::Newer { image: 3, known: 2 })),
        "{refused:?}"
    );
    let note = String::new();
    let image = sys
        .spawn(first::Account { euros: 1, note })
        .unwrap()
        .snapshot()
        .unwrap();
    let refused = sys.restore::<second::Account>(&image);
    assert!(
        matches!(refused, Err(RestoreError::Upgrade { image: 1, .. })),
        "{refused:?}"
    );
    // An upgrade that does not find what it expects.
    let head = Head::new(Kind::Actor, "Account").schema(1);
    #[derive(serde::Serialize)]
    struct Wrong {
        state: Vec<u8>,
    }
    let image = Image::of(head, &Wrong { state: vec![1] }).unwrap();
    let refused = sys.restore::<Account>(&image);
    assert!(
        matches!(refused, Err(RestoreError::Upgrade { image: 1, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_field_added_as_an_option_needs_no_version() {
    #[derive(serde::Serialize)]
    struct Payload {
        state: State,
    }
    #[derive(serde::Serialize)]
    struct State {
        gone: u8,
        cents: i64,
        owner: &'static str,
    }
    let state = State {
        gone: 1,
        cents: 7,
        owner: "Ada",
    };
    let head = Head::new(Kind::Actor, "Account").schema(3);
    let image = Image::of(head, &Payload { state }).unwrap();
    let sys = System::new().unwrap();
    let now = sys.restore::<Account>(&image).unwrap();
    assert_eq!(now.ask().cents().unwrap(), (7, Some("Ada".to_owned())));
    assert_eq!(now.ask().limit().unwrap(), None);
}

#[test]
fn a_message_that_is_not_known_any_more_makes_an_image_unreadable() {
    #[derive(serde::Serialize)]
    struct Payload {
        state: (),
        queue: Vec<&'static str>,
    }
    #[actor(snapshot)]
    struct Unit;
    #[actor]
    impl Unit {
        pub fn known(&mut self) {}
    }
    let sys = System::new().unwrap();
    let of = |queue| {
        let head = Head::new(Kind::Actor, "Unit").schema(1);
        Image::of(head, &Payload { state: (), queue }).unwrap()
    };
    assert!(sys.restore::<Unit>(&of(vec!["Known"])).is_ok());
    let refused = sys.restore::<Unit>(&of(vec!["Known", "Unknown"]));
    assert!(
        matches!(&refused, Err(RestoreError::Image(DecodeError::Value(text))) if text.contains("Unknown")),
        "{refused:?}"
    );
}

//! The bytes of a snapshot, as they were written once: what is in files must be read for ever.

use std::time::Duration;

use actor_core::image::{Image, Limits};
use actor_core::prelude::*;
use actor_core::snapshot::Summary;
use actor_core::testing;
use actor_core::{MissedTicks, Period};

const GOLDEN: &[u8] = include_bytes!("account-v3.image");

#[actor(snapshot(version = 3), name = "Account")]
pub struct Account {
    cents: i64,
    owner: Option<String>,
    #[snapshot(rename = "log")]
    entries: Vec<u32>,
}

#[actor]
impl Account {
    pub fn pay(&mut self, cents: i64, note: Option<String>) {
        self.cents += cents;
        self.entries.extend(note.map(|it| it.len() as u32));
    }
    #[priority(high)]
    pub fn close(&mut self) {
        self.owner = None;
    }
    pub fn later(&mut self, cx: &mut Cx<Self>, n: u32) {
        cx.stash(AccountMsg::Later { n });
    }
    pub fn all(&self) -> (i64, Option<String>, Vec<u32>) {
        (self.cents, self.owner.clone(), self.entries.clone())
    }
}

/// What the file is of.
fn image() -> Image {
    let written = std::sync::Arc::new(std::sync::Mutex::new(None));
    let out = written.clone();
    testing::Explorer::new().iterations(1).check(move |sys| {
        let owner = Some("Ada".to_owned());
        let entries = vec![1, 200, 70_000];
        let account = Account {
            cents: -5,
            owner,
            entries,
        };
        let supervisor = Supervisor::builder().start(sys).unwrap();
        let account = std::sync::Mutex::new(Some(account));
        let spec = ChildSpec::optional("ada", move || {
            Ok::<_, String>(account.lock().unwrap().take())
        });
        let spec = spec.restart(Restart::Transient).name("account");
        let account = supervisor.start_child(spec).unwrap();
        account.tell().later(9).unwrap();
        account.ask().all().unwrap();
        account.sys().suspend().unwrap();
        account.tell().pay(100, Some("rent".into())).unwrap();
        account.tell().pay(-1, None).unwrap();
        account.tell().close().unwrap();
        account.after(Duration::from_millis(1500)).close();
        let period = Period::new(Duration::from_secs(60)).missed(MissedTicks::Burst);
        account.every(period).pay(1, None);
        *out.lock().unwrap() = Some(account.snapshot().unwrap());
    });
    written.lock().unwrap().take().unwrap()
}

#[test]
fn the_bytes_are_what_they_were() {
    let bytes = image().encode();
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/snapshot/account-v3.image"
        );
        std::fs::write(path, &bytes).unwrap();
    }
    assert_eq!(bytes, GOLDEN);
}

#[test]
fn what_was_written_once_is_read() {
    let image = Image::decode(GOLDEN, &Limits::default()).unwrap();
    let summary = Summary::of(&image).unwrap();
    assert_eq!((&*summary.type_name, summary.version), ("Account", 3));
    assert_eq!(summary.names, ["account"]);
    assert_eq!(summary.role, Some(("ada".to_owned(), Restart::Transient)));
    assert_eq!((summary.messages, summary.timers), (4, 2));
    testing::Explorer::new().iterations(1).check(move |sys| {
        let account = sys.restore::<Account>(&image).unwrap();
        let all = account.ask().all().unwrap();
        assert_eq!(all, (94, None, vec![1, 200, 70_000, 4]));
        microthread::sleep(Duration::from_secs(61));
        assert_eq!(account.ask().all().unwrap().0, 95);
    });
}

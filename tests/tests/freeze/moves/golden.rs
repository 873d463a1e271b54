//! The bytes of what a node has in its store, as they were written once: a node of a later build goes on from them.
//!
//! That of the states that a move goes through is tested beside the code, as offers and tickets are drawn.

use std::sync::Arc;

use actor_core::image::{Image, Limits};
use actor_core::store::{MemoryStore, Store};

use super::nodes::{Ledger, a_sum, world_with};

const GOLDEN: [(&str, &[u8]); 2] = [
    ("ledger", include_bytes!("ledger.image")),
    ("sum", include_bytes!("sum.image")),
];

/// A node's store when it has saved both things.
fn records() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let a = world_with("a", |builder| builder.store(store.clone()));
    let ledger = a.sys.spawn_named("books", Ledger::default()).unwrap();
    a.node.adopt("ledger", &ledger).unwrap();
    ledger.ask().add(70_000).unwrap();
    a.node.save("ledger").unwrap();
    let (start, here) = a_sum(3);
    here.0.send(5).unwrap();
    a.node.spawn_with("sum", start, here).unwrap();
    store
}

#[test]
fn the_bytes_are_what_they_were() {
    let store = records();
    let written = GOLDEN.map(|(name, _)| {
        let record = store.load(&format!("moves/{name}")).unwrap().image.unwrap();
        let bytes = record.encode();
        if std::env::var_os("WRITE_GOLDEN").is_some() {
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/freeze/moves");
            std::fs::write(format!("{dir}/{name}.image"), &bytes).unwrap();
        }
        (name, bytes)
    });
    assert_eq!(written, GOLDEN.map(|(name, bytes)| (name, bytes.to_vec())));
}

#[test]
fn what_was_written_once_is_read() {
    let store = MemoryStore::new();
    for (name, golden) in GOLDEN {
        let image = Image::decode(golden, &Limits::default()).unwrap();
        store.save(&format!("moves/{name}"), &image).unwrap();
    }
    let a = world_with("a", |builder| builder.store(Arc::new(store)));
    let ledger = a.node.actor::<Ledger>("ledger").unwrap();
    assert_eq!(ledger.ask().entries().unwrap(), [70_000]);
    assert!(a.sys.lookup::<Ledger>("books").unwrap() == ledger);
    let (name, (give, take)) = a.arrivals.recv().unwrap();
    assert_eq!(name, "sum");
    give.send(1).unwrap();
    give.send(2).unwrap();
    assert_eq!(take.recv().unwrap(), 5 + 1 + 2);
}

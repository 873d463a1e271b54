use actor_core::migratable;
use std::sync::mpsc;

#[migratable]
fn sends(n: u8) {
    let (tx, _rx) = mpsc::channel();
    let _ = tx.send(n);
}

struct Door;

impl Door {
    fn accept(&self) -> u8 {
        1
    }
}

#[migratable]
fn accepts() -> u8 {
    Door.accept()
}

#[migratable]
fn not_called(n: u8) -> u8 {
    not_called(n)
}

fn main() {}

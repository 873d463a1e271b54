use actor_core::channel::Receiver;
use actor_core::{migratable, select};

#[migratable]
fn guard(from: Receiver<u8>, n: u8) -> u8 {
    match n {
        1 if from.recv().is_ok() => 1,
        _ => 0,
    }
}

#[migratable]
fn in_a_macro(from: Receiver<u8>) -> u8 {
    select! {
        recv(&from) -> n => from.recv().unwrap_or(n.unwrap()),
    }
}

#[migratable]
fn future(n: u8) -> u8 {
    std::future::ready(n).await
}

#[migratable]
fn in_unsafe(from: Receiver<u8>) -> u8 {
    unsafe { from.recv().unwrap() }
}

fn main() {}

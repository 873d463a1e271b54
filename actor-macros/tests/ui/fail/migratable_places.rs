use actor_core::channel::{Receiver, Sender};
use actor_core::{migratable, select};

#[migratable]
fn guard(from: Receiver<u8>, n: u8) -> u8 {
    match n {
        1 if from.recv().is_ok() => 1,
        _ => 0,
    }
}

macro_rules! twice {
    ($value:expr) => {
        $value + $value
    };
}

#[migratable]
fn in_a_macro(from: Receiver<u8>) -> u8 {
    twice!(from.recv().unwrap_or(0))
}

#[migratable]
fn future(n: u8) -> u8 {
    std::future::ready(n).await
}

#[migratable]
fn in_unsafe(from: Receiver<u8>) -> u8 {
    unsafe { from.recv().unwrap() }
}

#[migratable]
fn in_a_closure(from: Receiver<u8>, to: Sender<u8>) -> u8 {
    let next = || from.recv().unwrap_or(0);
    (0..3).for_each(|n| drop(to.send(n)));
    let chosen = |n: u8| select! { recv(&from) -> m => m.unwrap_or(n) };
    next() + chosen(1)
}

#[migratable]
fn into_a_place(from: Receiver<usize>, mut cells: Vec<u8>) -> Vec<u8> {
    cells[from.recv().unwrap_or(0)] = 1;
    cells[from.recv().unwrap_or(0)] += 1;
    cells
}

#[migratable]
fn items(from: Receiver<u8>) -> u8 {
    if let Ok(n) = from.recv() {
        const STEP: u8 = 2;
        return from.recv().unwrap_or(n) + STEP;
    }
    0
}

fn main() {}

use actor_core::channel::{Receiver, Sender, after};
use actor_core::{migratable, select};
use std::time::Duration;

#[migratable]
fn made_each_time(all: Vec<Receiver<u8>>, to: Sender<u8>) -> u8 {
    select! {
        recv(all.iter().next().unwrap()) -> n => n.unwrap_or(0),
        recv(&after(Duration::from_secs(1))) -> _ => 0,
        send(&to.clone(), 1) -> _ => 1,
        send(&to, from Some(2)) -> _ => 2,
    }
}

#[migratable]
fn futures(from: Receiver<u8>) -> u8 {
    select! {
        recv(&from) -> n => n.unwrap_or(0),
        ready(std::future::ready(1)) -> n => n,
    }
}

#[migratable]
fn no_arm(from: Receiver<u8>) -> u8 {
    select! {
        receive(&from) -> n => n.unwrap_or(0),
    }
}

fn main() {}

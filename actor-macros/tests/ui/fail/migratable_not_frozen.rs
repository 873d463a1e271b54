use std::sync::Arc;

use actor_core::{microthread, migratable};

#[migratable]
fn keeps(n: u32) -> u32 {
    let shared = Arc::new(std::sync::Mutex::new(n));
    microthread::yield_now();
    *shared.lock().unwrap()
}

fn main() {}

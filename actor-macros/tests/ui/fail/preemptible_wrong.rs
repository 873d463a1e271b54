#![allow(dead_code)]
use actor_core::prelude::*;

#[preemptible]
const fn computed(to: u32) -> u32 {
    let mut n = 0;
    while n < to {
        n += 1;
    }
    n
}

#[preemptible]
async fn awaits() {
    loop {}
}

struct Table;

#[preemptible]
impl Table {
    const fn size() -> usize {
        let mut n = 0;
        while n < 4 {
            n += 1;
        }
        n
    }
    const EMPTY: usize = 0;
}

#[preemptible]
struct NotCode;

#[preemptible(every = 100)]
fn often() {}

#[preemptible]
trait NotHere {
    fn work(&self) {
        loop {}
    }
}

fn main() {}

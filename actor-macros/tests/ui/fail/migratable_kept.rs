use actor_core::{migratable, microthread};

#[migratable]
fn closure(n: u8) -> u8 {
    let add = |m: u8| m + n;
    microthread::yield_now();
    add(1)
}

fn main() {}

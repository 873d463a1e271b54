use actor_core::prelude::*;
use std::time::Duration;

pub struct Once;

#[actor]
struct A;

#[actor]
impl A {
    pub fn take(&mut self, once: Once, n: u64) {
        let _ = (once, n);
    }
}

fn main() {
    let sys = System::new().unwrap();
    let a = sys.spawn(A).unwrap();
    a.after(Duration::from_secs(1)).take(Once, 1);
    a.every(Duration::from_secs(1)).take(Once, 1);
}

//! `fail/supervisor_constants.rs`, but right.
use std::time::Duration;

use actor_core::prelude::*;

const SOMETHING: Duration = Duration::from_secs(9);

#[supervisor(period = SOMETHING)]
struct Nonzero {}

fn main() {
    let sys = System::new().unwrap();
    Nonzero::start(&sys).unwrap();
}

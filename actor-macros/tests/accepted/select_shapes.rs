//! Every shape of an arm, and names of the user's that the expansion must not touch.

use actor_core::channel::{self, Receiver};
use actor_core::select;
use std::time::{Duration, Instant};

struct Chosen;

fn first(rx: &Receiver<u32>) -> Result<u32, channel::RecvError> {
    let output = Chosen;
    let arm_0 = 1;
    loop {
        select! {
            biased;
            recv(rx) -> n => {
                let n = n?;
                if n == 0 { continue }
                let Chosen = output;
                return Ok(n + arm_0);
            }
            default => break Ok(0),
        }
    }
}

#[test]
fn runs() {
    let (tx, rx) = channel::unbounded();
    let from = 2;
    let mut slot = Some(3);
    let sum: u32 = select! { send(&tx, from) -> sent => { sent.unwrap(); 1 } };
    select! { send(&tx, from slot) => () }
    select! { send(&tx, from slot) => unreachable!(), default => () }
    assert_eq!((sum, slot), (1, None));
    assert_eq!(first(&rx), Ok(3));
    let nobody: Option<&Receiver<u32>> = None;
    let after = channel::after(Duration::ZERO);
    select! {
        recv(nobody) -> _ => unreachable!(),
        recv(&after) -> moment => assert!(moment.is_ok()),
    }
    select! { recv(&channel::after(Duration::ZERO)) -> _ => (), recv(&channel::never::<()>()) => unreachable!() }
    select! { ready(std::future::ready(7)) -> seven => assert_eq!(seven, 7) }
    select! { ready(async { (1, 2) }) -> (one, two) => assert_eq!(one + two, 3) }
    select! { recv(&rx) -> n => assert_eq!(n, Ok(3)), deadline(Instant::now()) => unreachable!() }
    select! { recv(&rx) => unreachable!(), default(Duration::ZERO) => {} }
    select! { default => () }
}

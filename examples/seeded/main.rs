//! Finds a race that a test on real threads would hardly ever meet, prints the seed and the end of the trace, and replays it.
//!
//! ```sh
//! cargo run --release --example seeded
//! ```
//! The race: a till's balance is asked for, and then set to that plus what was paid. Two customers at the same time, and one
//! payment may be lost. Ends with success only if the race was found and its seed led to the same failure by the same steps.
#![allow(unreachable_pub, reason = "the macro makes messages of public methods")]

use std::io::{self, Write};
use std::process::ExitCode;

use actor_core::prelude::*;
use actor_core::testing::{Explorer, Failure, Policy, Reason};

/// Who takes money.
#[actor]
struct Till {
    cents: u64,
}

#[actor]
impl Till {
    /// What is in it.
    pub fn balance(&self) -> u64 {
        self.cents
    }
    /// From now on this is in it.
    pub fn set(&mut self, cents: u64) {
        self.cents = cents;
    }
}

/// Pays, and is interrupted between looking and paying if the scheduler says so.
fn pay(till: &Addr<Till>, cents: u64) {
    let seen = till.ask().balance().expect("the till is there");
    till.tell().set(seen + cents).expect("the till is there");
}

/// What is tested: two customers.
fn two_customers(sys: &System) {
    let till = sys.spawn(Till { cents: 0 }).expect("an actor");
    let customers = [150, 250].map(|cents| {
        let till = till.clone();
        microthread::spawn(move || pay(&till, cents))
    });
    for customer in customers {
        customer.join().expect("a customer has paid");
    }
    let balance = till.ask().balance().expect("the till is there");
    assert_eq!(balance, 400, "a payment was lost");
}

fn show(out: &mut impl Write, policy: Policy) -> io::Result<bool> {
    let explorer = Explorer::new().policy(policy);
    let failure = match explorer.run(two_customers) {
        Ok(report) => {
            writeln!(out, "{policy}: no race found in {} runs", report.runs)?;
            return Ok(false);
        }
        Err(failure) => failure,
    };
    let Failure { seed, trace, .. } = &failure;
    writeln!(
        out,
        "{policy}: run with seed {seed} failed: {}",
        failure.reason
    )?;
    writeln!(out, "the end of its {} steps:", trace.steps)?;
    for entry in trace.tail.iter().rev().take(12).rev() {
        writeln!(out, "{entry}")?;
    }
    let again = explorer.seed(*seed).iterations(1).run(two_customers);
    let Err(again) = again else {
        writeln!(out, "the seed did not replay it")?;
        return Ok(false);
    };
    let same = again.trace.hash == trace.hash && again.reason == failure.reason;
    writeln!(
        out,
        "replayed from seed {seed}: trace hash {:016x}, at first {:016x}: {}\n",
        again.trace.hash,
        trace.hash,
        if same { "the same" } else { "NOT the same" }
    )?;
    Ok(same && matches!(failure.reason, Reason::Panic { .. }))
}

fn main() -> io::Result<ExitCode> {
    // Each failed run panics in its `main` microthread; that is what is looked for, so not a word about it.
    std::panic::set_hook(Box::new(|_| ()));
    let mut out = io::stdout().lock();
    let mut good = show(&mut out, Policy::Random)?;
    good &= show(&mut out, Policy::Pct { depth: 2 })?;
    writeln!(
        out,
        "{}",
        match good {
            true => "found and replayed",
            false => "FAILED",
        }
    )?;
    Ok(match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

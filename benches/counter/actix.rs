//! A counter in actix. Shown, from here on, in `actor_core::guide::compared`.

use actix::prelude::*;

struct Counter {
    n: u64,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Add {
    by: u64,
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Get;

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, add: Add, _: &mut Context<Self>) {
        self.n += add.by;
    }
}

impl Handler<Get> for Counter {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.n
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counter = Counter { n: 0 }.start();
    counter.do_send(Add { by: 2 });
    assert_eq!(counter.send(Get).await?, 2);
    Ok(())
}

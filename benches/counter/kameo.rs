//! A counter in kameo. Shown, from here on, in `actor_core::guide::compared`.

use kameo::prelude::*;

#[derive(Actor)]
struct Counter {
    n: u64,
}

#[messages]
impl Counter {
    #[message]
    fn add(&mut self, by: u64) {
        self.n += by;
    }

    #[message]
    fn get(&self) -> u64 {
        self.n
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counter = Counter::spawn(Counter { n: 0 });
    counter.tell(Add { by: 2 }).await?;
    assert_eq!(counter.ask(Get).await?, 2);
    Ok(())
}

//! A counter in ractor. Shown, from here on, in `actor_core::guide::compared`.

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call, cast};

struct Counter;

enum CounterMessage {
    Add(u64),
    Get(RpcReplyPort<u64>),
}

#[ractor::actor(message = CounterMessage, state = u64)]
impl Counter {
    async fn pre_start(
        &self,
        _myself: ActorRef<CounterMessage>,
        _arguments: (),
    ) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    #[ractor::message(CounterMessage::Add(by))]
    fn add(&self, by: u64, n: &mut u64) {
        *n += by;
    }

    #[ractor::rpc(CounterMessage::Get(reply))]
    fn get(&self, n: &u64) -> u64 {
        *n
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (counter, ended) = Actor::spawn(None, Counter, ()).await?;
    cast!(counter, CounterMessage::Add(2))?;
    assert_eq!(call!(counter, CounterMessage::Get)?, 2);
    counter.stop(None);
    Ok(ended.await?)
}

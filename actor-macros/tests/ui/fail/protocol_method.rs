#![allow(unused_variables)]
use actor_core::prelude::*;

#[protocol]
trait Greeter {
    fn greet(&self, name: &str) -> &str;
    fn take(self);
    async fn wait(&self);
    fn put<T: Send>(&mut self, value: T);
    fn made(&self, #[from] from: u8);
    fn get_all(&self);
    fn get__all(&self);
    fn within(&self);
    fn good(&self) -> u8;
}

// What is right is generated all the same.
fn use_it(greeter: &AddrOf<dyn Greeter>) {
    let _ = greeter.ask().good();
}

fn main() {}

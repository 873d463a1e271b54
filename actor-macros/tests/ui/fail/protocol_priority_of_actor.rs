use actor_core::prelude::*;

#[protocol]
trait Paged {
    fn page(&self);
}

#[actor]
struct Ward;

#[actor(protocols = [Paged])]
impl Ward {}

impl Paged for Ward {
    #[priority(high)]
    fn page(&self) {}
}

fn main() {}

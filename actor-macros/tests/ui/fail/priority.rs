use actor_core::prelude::*;

#[actor]
struct Ward;

#[actor]
impl Ward {
    #[priority(urgent)]
    pub fn unknown(&mut self) {}

    #[priority]
    pub fn bare(&mut self) {}

    #[priority(high)]
    #[priority(normal)]
    pub fn twice(&mut self) {}

    #[priority(high)]
    fn private(&mut self) {}

    #[priority(high)]
    pub fn no_receiver() {}

    #[priority(high)]
    #[on_start]
    fn hook(&mut self) {}
}

#[actor]
struct Own;

#[actor]
impl Own {
    #[priority(high)]
    pub fn run(self, inbox: Inbox<Self>) -> Exit {
        drop(inbox);
        Exit::Normal
    }
}

fn main() {}

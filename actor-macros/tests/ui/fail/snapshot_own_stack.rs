use actor_core::prelude::*;

#[actor(snapshot)]
struct Own;

#[actor(message = u32)]
impl Own {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        drop(inbox);
        Exit::Normal
    }
}

fn main() {}

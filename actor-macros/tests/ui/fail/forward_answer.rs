use actor_core::prelude::*;

#[actor]
struct Back;

#[actor]
impl Back {
    pub fn text(&self) -> String {
        String::new()
    }
}

#[actor]
struct Front(Addr<Back>);

#[actor]
impl Front {
    pub fn get(&self, reply: ReplyTo<u64>) {
        let _ = reply.forward(&self.0).text();
    }
}

fn main() {}

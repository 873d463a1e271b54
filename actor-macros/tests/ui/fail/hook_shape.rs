#![allow(unused_variables)]
use actor_core::prelude::*;

#[actor]
struct A;

#[actor]
impl A {
    #[on_start]
    pub fn open(&mut self, config: String) -> u8 {
        0
    }

    #[on_stop]
    fn close(self, reason: ExitReason) -> Result<(), String> {
        Ok(())
    }

    #[on_move]
    fn leave(&mut self, to: String) -> bool {
        true
    }
}

fn main() {}

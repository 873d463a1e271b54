use actor_core::prelude::*;

#[actor(snapshot)]
enum Door {
    Open,
    Closed { #[snapshot(skip)] by: String },
}

#[actor]
impl Door {
    pub fn shut(&mut self) {
        let by = String::new();
        *self = Door::Closed { by };
    }
    pub fn is_open(&self) -> bool {
        matches!(self, Door::Open)
    }
}

fn main() {}

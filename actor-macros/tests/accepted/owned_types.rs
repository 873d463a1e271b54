//! What looks borrowed and is not may travel.
use actor_core::prelude::*;

struct Jobs;

#[actor]
struct Actor;

trait Shape {
    const SIDES: usize;
}

impl Shape for Actor {
    const SIDES: usize = 3;
}

#[actor]
impl Actor {
    pub fn text(&mut self, text: &'static str) -> &'static str {
        text
    }
    pub fn call(
        &mut self,
        job: Box<dyn FnOnce(&mut Jobs) -> u8 + Send>,
        compare: fn(&str, &str) -> bool,
    ) {
        let _ = (job, compare);
    }
    pub fn sides(
        &self,
        sides: [u8; <Self as Shape>::SIDES],
        me: Option<Addr<Self>>,
    ) -> Option<Addr<Self>> {
        let _ = sides;
        me
    }
    pub fn any(&self, any: Box<dyn for<'a> Fn(&'a str) -> &'a str + Send>) {
        let _ = any;
    }
}

#[actor]
struct Never;

macro_rules! actors {
    ($name:ident, $ty:ty) => {
        #[actor]
        struct $name($ty);

        #[actor]
        impl $name {
            pub fn replace(&mut self, with: $ty) -> $ty {
                std::mem::replace(&mut self.0, with)
            }
        }
    };
}

actors!(Cell, Vec<u8>);

#[test]
fn compiles() {
    let _ = (Jobs, Never);
}

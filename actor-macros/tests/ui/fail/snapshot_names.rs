use actor_core::prelude::*;

#[actor(snapshot)]
struct Before {
    #[snapshot(rename = "n")]
    m: u32,
    n: u32,
}

#[actor(snapshot)]
struct Behind {
    n: u32,
    #[snapshot(rename = "n")]
    m: u32,
}

#[actor(snapshot)]
struct Raw {
    #[snapshot(rename = "type")]
    m: u32,
    r#type: u32,
}

fn main() {}

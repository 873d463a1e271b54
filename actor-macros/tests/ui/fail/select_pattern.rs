use actor_core::{channel, select};

fn main() {
    let (_tx, rx) = channel::unbounded::<u32>();
    select! { recv(&rx) -> Ok(n) => drop::<u32>(n) }
}

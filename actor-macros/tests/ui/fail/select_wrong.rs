use actor_core::{channel, select};

fn main() {
    let (tx, rx) = channel::unbounded::<u32>();
    select! {};
    select! { receive(&rx) -> n => drop(n) }
    select! { recv -> n => drop(n) }
    select! { send(&tx) -> sent => drop(sent) }
    select! { recv(&rx) -> n => drop(n), default => (), default(std::time::Duration::ZERO) => () }
    select! { recv(&rx) -> n => drop(n), deadline => () }
    select! { recv(&rx) -> n => drop(n), default -> n => () }
    select! { ordered; recv(&rx) -> n => drop(n) }
    select! { recv(&rx, 1) -> n => drop(n) }
    select! { recv(&rx) -> n => drop(n) default => () }
    select! { recv(rx) -> n => drop(n) }
}

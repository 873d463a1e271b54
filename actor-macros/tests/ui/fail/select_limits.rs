use actor_core::{channel, select};

macro_rules! many {
    ($($one:ident)*) => {
        fn many(rx: &channel::Receiver<u32>) {
            select! { $(recv(rx) -> $one => drop($one),)* }
        }
    };
}

many! {
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
        x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
}

fn main() {
    let (_tx, rx) = channel::unbounded::<u32>();
    let second = std::time::Duration::from_secs(1);
    select! { recv(&rx) -> n => drop(n), default(second, second) => () }
    many(&rx);
}

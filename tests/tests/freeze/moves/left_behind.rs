//! What a function that moves leaves behind: channels whose other sides somebody here has.

use actor_core::channel::{self, Receiver, Sender};
use actor_core::migrate::{Node, local_pair};
use actor_core::{System, migratable};
use tests::within;

/// Says the numbers up to `n`, then waits for the word to end.
#[migratable]
fn counts(n: u64, to: Sender<u64>, end: Receiver<()>) {
    for k in 0..n {
        let _ = to.send(k);
    }
    let _ = end.recv();
}

type Sides = (Receiver<u64>, Sender<()>);

/// A value that waits in a channel of something that moves is at its new place, and there alone.
#[test]
fn what_waits_in_a_channel_moves_and_is_not_here_any_more() {
    within(60, || {
        let (here, there) = (System::new().unwrap(), System::new().unwrap());
        let (seen, arrivals) = channel::unbounded::<Sides>();
        let node = |name, sys| {
            let seen = seen.clone();
            Node::builder(name, sys)
                .accept_with::<counts, Sides>(move |_, sides| seen.send(sides).unwrap())
                .start()
                .unwrap()
        };
        let (a, b) = (node("a", &here), node("b", &there));
        let (to_b, to_a) = local_pair("a", "b");
        a.attach(to_b).unwrap();
        b.attach(to_a).unwrap();

        let (to, numbers) = channel::unbounded();
        let (end, ends) = channel::unbounded();
        let luggage = (numbers.clone(), end);
        a.spawn_with("counts", counts(10, to, ends), luggage)
            .unwrap();
        // Some are taken here.
        let mut taken: Vec<u64> = (0..3).map(|_| numbers.recv().unwrap()).collect();
        tests::until(|| numbers.len() == 7);
        a.migrate("counts", "b").unwrap();
        taken.extend(numbers.iter());
        let (numbers, _end) = arrivals.recv().unwrap();
        taken.extend(numbers.try_iter());
        assert_eq!(taken, Vec::from_iter(0..10));
    });
}

//! Loom models of the steps in the [module](super), both as a future with its waker in the state and as a wait in the list,
//! which is how blocking calls and `select` wait. A receiver that is not woken waits for ever, which loom reports.

use std::pin::{Pin, pin};
use std::task::Poll;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Receiver, channel};
use crate::channel::RecvError;
use crate::channel::polled::{block_on, poll};
use crate::channel::wait::Waiting;

async fn in_the_list<T>(receiver: Receiver<T>) -> Result<T, RecvError> {
    Waiting::new(receiver.op(), None).await
}

#[test]
fn loom_oneshot_a_send_ends_the_wait_of_a_future() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let other = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(receiver), Ok(7));
        other.join().unwrap();
    });
}

#[test]
fn loom_oneshot_a_send_ends_a_receive() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let other = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(in_the_list(receiver)), Ok(7));
        other.join().unwrap();
    });
}

#[test]
fn loom_oneshot_a_dropped_sender_ends_a_receive() {
    loom::model(|| {
        let (sender, receiver) = channel::<u32>();
        let other = thread::spawn(move || drop(sender));
        assert_eq!(block_on(receiver), Err(RecvError::Disconnected));
        other.join().unwrap();
    });
    loom::model(|| {
        let (sender, receiver) = channel::<u32>();
        let other = thread::spawn(move || drop(sender));
        let received = block_on(in_the_list(receiver));
        assert_eq!(received, Err(RecvError::Disconnected));
        other.join().unwrap();
    });
}

/// Counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The receiver looks once, and goes: the value is received, or dropped with it, or returned to the sender. Once.
fn one_owner(look: impl Fn(Receiver<Counted>) -> Option<Counted> + Sync + Send + 'static) {
    loom::model(move || {
        let drops = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = channel();
        let core = receiver.core.clone(); // nothing is dropped with it
        let sends = {
            let value = Counted(drops.clone());
            thread::spawn(move || sender.send(value).err().map(|error| error.into_inner()))
        };
        let received = look(receiver);
        let returned = sends.join().unwrap();
        let owned = usize::from(received.is_some()) + usize::from(returned.is_some());
        assert!(owned <= 1);
        assert_eq!(drops.load(Ordering::Relaxed), 1 - owned);
        drop((received, returned, core));
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

fn received(poll: Poll<Result<Counted, RecvError>>) -> Option<Counted> {
    match poll {
        Poll::Ready(received) => Some(received.expect("the sender sends")),
        Poll::Pending => None,
    }
}

#[test]
fn loom_oneshot_a_value_is_received_dropped_or_returned() {
    one_owner(|mut receiver| received(poll(Pin::new(&mut receiver), &Default::default())));
    one_owner(|receiver| received(poll(pin!(in_the_list(receiver)), &Default::default())));
}

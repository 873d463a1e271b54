//! Traits as protocols: whatever is in scope where they are used, and whatever they are generic over.
#![deny(
    warnings,
    missing_docs,
    unused,
    nonstandard_style,
    unused_qualifications,
    unreachable_pub
)]
#![forbid(unsafe_code)]

use actor_core::prelude::*;

/// Where the trait comes from.
pub mod greetings {
    use actor_core::prelude::*;

    /// What greets.
    #[protocol]
    pub trait Greeter {
        /// Greets.
        fn greet(&self, name: String) -> String;
        /// Fails.
        fn refuse(&mut self) -> Result<(), std::fmt::Error> {
            Err(std::fmt::Error)
        }
        /// Introduces itself.
        fn introduce(&mut self, cx: &mut Cx<Self>, to: AddrOf<dyn Greeter>) -> u64 {
            let _ = to;
            cx.id()
        }
        /// No message.
        fn new() -> Self
        where
            Self: Sized;
    }

    /// What keeps, and can be shown.
    #[protocol]
    pub trait Store<K, const N: usize = 2>: std::fmt::Debug
    where
        Self: Send,
        K: Send + 'static,
    {
        /// Keeps.
        fn keep(&mut self, keys: [K; N]) -> usize;
    }
}

// Only the traits: what was generated for them is found by way of them.
use greetings::{Greeter, Store};

#[protocol]
trait Private {
    fn secret(&self, hidden: Hidden) -> Hidden;
}

struct Hidden;

/// Takes part in all.
#[actor]
#[derive(Debug)]
pub struct Clerk<T> {
    kept: Vec<T>,
}

#[actor(protocols = [Greeter, greetings::Store<T>, Private])]
impl<T: Send + std::fmt::Debug + 'static> Clerk<T> {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }
}

impl<T: Send + std::fmt::Debug + 'static> Greeter for Clerk<T> {
    fn greet(&self, name: String) -> String {
        name
    }
    fn new() -> Self {
        Self { kept: Vec::new() }
    }
}

impl<T: Send + std::fmt::Debug + 'static> Store<T> for Clerk<T> {
    fn keep(&mut self, keys: [T; 2]) -> usize {
        self.kept.extend(keys);
        self.kept.len()
    }
}

impl<T: Send + std::fmt::Debug + 'static> Private for Clerk<T> {
    fn secret(&self, hidden: Hidden) -> Hidden {
        hidden
    }
}

fn all<T: Send + std::fmt::Debug + 'static>(clerk: &Addr<Clerk<T>>) {
    let _: AddrOf<dyn Greeter> = clerk.narrow();
    let _ = clerk.narrow::<dyn Store<T>>();
    let secret: AddrOf<dyn Private> = clerk.into();
    drop(secret.ask().secret(Hidden));
}

#[test]
fn compiles() {
    let _ = all::<u8>;
    drop(<Clerk<u8> as Greeter>::new());
}

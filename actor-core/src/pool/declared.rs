//! Pools in trees declared as structs: what `#[supervisor]` writes for `#[pool(..)]`.
//!
//! A tree's supervisor is set up anew for each of its lives, and with it the spec of the pool. The pool itself, which is its
//! table, is made for the first of them and kept beside the tree's seats: so a handle leads to the workers of whatever life
//! there is, and a size that was changed stays.

/// For generated code. Reached as `actor_core::__private::pool`.
pub mod private {
    use crate::actor::Actor;
    use crate::pool::{Pool, PoolBuilder};
    use crate::supervision::declared::private::{Handle, Makes, Seats};
    use crate::supervision::{ChildSpec, DynamicBuilder};

    /// The expression of a `#[pool(..)]`, before its settings.
    pub fn builder<A: Actor, R: Makes<A>>(
        size: usize,
        id: &str,
        make: impl Fn(usize) -> R + Send + Sync + 'static,
    ) -> PoolBuilder<A> {
        Pool::try_builder(size, move |slot| make(slot).made()).id(id)
    }

    /// `#[pool(..)] field: Pool<A>`
    pub fn field<A: Actor>(
        seats: &Seats,
        id: &str,
        builder: PoolBuilder<A>,
    ) -> ChildSpec<DynamicBuilder<A, usize>> {
        let pool = seats.keep(id, || builder.pool());
        builder.child_of(id, &pool)
    }

    /// What is in the field.
    pub fn handle<A: Actor>(tree: &Handle, id: &str) -> Pool<A> {
        tree.kept(id)
    }
}

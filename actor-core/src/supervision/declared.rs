//! Trees declared as structs: what `#[supervisor]` writes code for.
//!
//! The macro turns the struct into calls of the functions in [`private`], one for each child, so that what the user wrote is
//! checked by the compiler and not by the macro. What a child's expression may give is said by two traits: [`Makes`] an actor, or
//! [`MayMake`] one.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::seats::Seats;
use super::spec::{ChildSpec, SpecError};
use super::supervisor::sealed::{Build, Built};
use super::supervisor::{Supervisor, SupervisorBuilder, SupervisorSetup};
use crate::actor::{Actor, SpawnError};
use crate::system::System;

use private::Handle;

/// A supervision tree that is declared as a struct: `#[supervisor]` writes this.
///
/// ```
/// use actor_core::prelude::*;
/// # #[actor]
/// # struct Store { n: u64 }
/// # #[actor]
/// # impl Store { pub fn get(&self) -> u64 { self.n } }
///
/// #[supervisor(one_for_all)]
/// struct App {
///     #[child(Store { n: 7 })]
///     store: Addr<Store>,
/// }
///
/// let sys = System::new()?;
/// let app = App::start(&sys)?;
/// assert_eq!(app.store.ask().get()?, 7);
/// assert_eq!(app.which_children()?.len(), 1); // it derefs to its `Supervisor`
///
/// // The same tree as a child of a supervisor that is built at run time:
/// let root = Supervisor::builder().start(&sys)?;
/// let app = root.start_supervisor(App::spec("app").restart(Restart::Transient))?;
/// assert_eq!(app.store.ask().get()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a supervision tree",
    label = "not marked as a supervisor",
    note = "write `#[supervisor]` on the definition of `{Self}`",
    note = "a field that is a `Pool<A>` is marked `#[pool(..)]`, and a `DynamicSupervisor<A, Args>` `#[dynamic(..)]`"
)]
pub trait Tree: Sized + 'static {
    /// What it is started with.
    type Args: Clone + Send + 'static;

    #[doc(hidden)]
    fn __name() -> Option<Arc<str>>;

    #[doc(hidden)]
    fn __builder(seats: &Seats, args: Self::Args) -> SupervisorBuilder;

    #[doc(hidden)]
    fn __handles(handle: Handle) -> Self;
}

/// What the supervisor of a declared [`Tree`] is made by when it is a child: `T::spec(..)` is the [`ChildSpec`] of one.
pub struct TreeSetup<T: Tree> {
    seats: Seats,
    args: T::Args,
}

impl<T: Tree> fmt::Debug for TreeSetup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeSetup").finish_non_exhaustive()
    }
}

impl<T: Tree> Build for TreeSetup<T> {
    fn build(self) -> Result<Built, SpecError> {
        T::__builder(&self.seats, self.args).build()
    }
}

impl<T: Tree> SupervisorSetup for TreeSetup<T> {
    type Handle = T;

    fn __handle(supervisor: Supervisor, seats: Option<Seats>) -> T {
        let seats = seats.expect("the spec of a tree has its seats");
        T::__handles(Handle { supervisor, seats })
    }
}

/// For generated code. Reached as `actor_core::__private::tree`.
pub mod private {
    use std::fmt::Display;
    use std::time::Duration;

    use super::*;
    use crate::actor::Addr;
    use crate::supervision::driver::Driver;
    use crate::supervision::dynamic::{DynamicBuilder, DynamicSupervisor};
    use crate::supervision::intensity::Intensity;
    use crate::supervision::spec::Made;
    use crate::supervision::template::ChildTemplate;

    pub use crate::supervision::seats::Seats;

    /// Of a supervisor that says nothing.
    pub const DEFAULT_INTENSITY: (u32, Duration) = Intensity::DEFAULT.parts();

    /// What a child's expression gives: an actor, or the reason why there is none.
    #[diagnostic::on_unimplemented(
        message = "this does not make a `{A}`",
        label = "a `{Self}`",
        note = "the expression gives the actor itself, or a `Result` of it whose error can be displayed; that of a `#[child]` \
                may also decline, if the field is an `Option<Addr<..>>`"
    )]
    pub trait Makes<A> {
        /// As a factory says it.
        fn made(self) -> Result<A, Arc<str>>;
    }

    impl<A: Actor> Makes<A> for A {
        fn made(self) -> Result<A, Arc<str>> {
            Ok(self)
        }
    }

    impl<A: Actor, E: Display> Makes<A> for Result<A, E> {
        fn made(self) -> Result<A, Arc<str>> {
            self.map_err(|error| error.to_string().into())
        }
    }

    /// As [`Makes`], of a child that may decline.
    #[diagnostic::on_unimplemented(
        message = "this does not make an `Option` of `{A}`",
        label = "a `{Self}`",
        note = "the field is an `Option<Addr<..>>`, so its expression gives an `Option` of the actor, or a `Result` of that"
    )]
    pub trait MayMake<A> {
        /// As a factory says it.
        fn made(self) -> Made<A>;
    }

    impl<A: Actor> MayMake<A> for Option<A> {
        fn made(self) -> Made<A> {
            Ok(self)
        }
    }

    impl<A: Actor, E: Display> MayMake<A> for Result<Option<A>, E> {
        fn made(self) -> Made<A> {
            self.map_err(|error| error.to_string().into())
        }
    }

    /// Calls a closure of the user's: its parameter's type is known from the argument.
    pub fn apply<T, R>(f: impl FnOnce(T) -> R, argument: T) -> R {
        f(argument)
    }

    /// The id of one of many.
    pub fn nth(id: &str, index: usize) -> String {
        format!("{id}[{index}]")
    }

    /// `#[child(..)] field: Addr<A>`
    pub fn child<A: Actor, R: Makes<A>>(
        seats: &Seats,
        id: &str,
        make: impl Fn() -> R + Send + 'static,
    ) -> ChildSpec<A> {
        ChildSpec::try_new(id, move || make().made()).seated(seats)
    }

    /// `#[child(..)] field: Option<Addr<A>>`
    pub fn optional<A: Actor, R: MayMake<A>>(
        seats: &Seats,
        id: &str,
        make: impl Fn() -> R + Send + 'static,
    ) -> ChildSpec<A> {
        ChildSpec::optional(id, move || make().made()).seated(seats)
    }

    /// How the children of a `#[dynamic(..)]` are made.
    pub fn template<A: Actor, Args: Send + 'static, R: Makes<A>>(
        id: &str,
        make: impl Fn(&Args) -> R + Send + Sync + 'static,
    ) -> ChildTemplate<A, Args> {
        ChildTemplate::try_new(id, move |args: &Args| make(args).made())
    }

    /// `#[dynamic(..)] field: DynamicSupervisor<A, Args>`
    pub fn dynamic<A: Actor, Args: Send + 'static>(
        seats: &Seats,
        id: &str,
        make: impl Fn() -> DynamicBuilder<A, Args> + Send + 'static,
    ) -> ChildSpec<DynamicBuilder<A, Args>> {
        ChildSpec::new(id, make).seated(seats)
    }

    /// `#[supervisor] field: T`
    pub fn inner<T: Tree>(
        seats: &Seats,
        id: &str,
        args: impl Fn() -> T::Args + Send + 'static,
    ) -> ChildSpec<TreeSetup<T>> {
        of_tree(id.into(), seats.inner(id), args).seated(seats)
    }

    /// `T::spec`
    pub fn spec<T: Tree>(id: Arc<str>, args: T::Args) -> ChildSpec<TreeSetup<T>> {
        of_tree(id, Seats::default(), move || args.clone())
    }

    fn of_tree<T: Tree>(
        id: Arc<str>,
        seats: Seats,
        args: impl Fn() -> T::Args + Send + 'static,
    ) -> ChildSpec<TreeSetup<T>> {
        let own = seats.clone();
        let spec = ChildSpec::new(id, move || TreeSetup {
            seats: seats.clone(),
            args: args(),
        });
        let spec = match T::__name() {
            Some(name) => spec.name(name),
            None => spec,
        };
        spec.with_tree(own)
    }

    /// `T::start`
    pub fn start<T: Tree>(sys: &System, args: T::Args) -> Result<T, SpawnError> {
        let seats = Seats::default();
        let mut builder = T::__builder(&seats, args);
        if let Some(name) = T::__name() {
            builder = builder.name(name);
        }
        let supervisor = builder.start(sys)?;
        Ok(T::__handles(Handle { supervisor, seats }))
    }

    /// The handle of a tree: its supervisor, and its children's seats. Equal if the supervisor is the same.
    #[derive(Clone, Debug)]
    pub struct Handle {
        pub(in crate::supervision) supervisor: Supervisor,
        pub(in crate::supervision) seats: Seats,
    }

    impl PartialEq for Handle {
        fn eq(&self, other: &Self) -> bool {
            self.supervisor == other.supervisor
        }
    }

    impl Eq for Handle {}

    impl Hash for Handle {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.supervisor.hash(state);
        }
    }

    /// Why a seat is never empty that has to be taken: the tree has started, so each of its children has had an actor, and
    /// one that cannot decline never leaves its seat.
    const TAKEN: &str = "a child of a tree that has started has an address";

    /// It is kept since the first life of the tree was set up, as what the field is declared to be.
    const KEPT: &str = "the tree has been set up";

    impl Handle {
        /// The supervisor.
        #[must_use]
        pub fn supervisor(&self) -> &Supervisor {
            &self.supervisor
        }

        /// Of an `Addr<A>`.
        #[must_use]
        pub fn addr<A: Actor>(&self, id: &str) -> Addr<A> {
            self.seats.get(id).expect(TAKEN)
        }

        /// Of an `Option<Addr<A>>`.
        #[must_use]
        pub fn maybe<A: Actor>(&self, id: &str) -> Option<Addr<A>> {
            self.seats.get(id)
        }

        /// Of an `[Addr<A>; N]`.
        #[must_use]
        pub fn many<A: Actor, const N: usize>(&self, id: &str) -> [Addr<A>; N] {
            std::array::from_fn(|i| self.addr(&nth(id, i)))
        }

        /// Of an `[Option<Addr<A>>; N]`.
        #[must_use]
        pub fn maybe_many<A: Actor, const N: usize>(&self, id: &str) -> [Option<Addr<A>>; N] {
            std::array::from_fn(|i| self.maybe(&nth(id, i)))
        }

        /// Of a `DynamicSupervisor<A, Args>`.
        #[must_use]
        pub fn dynamic<A, Args>(&self, id: &str) -> DynamicSupervisor<A, Args> {
            DynamicSupervisor::of(self.inner(id))
        }

        /// Of an inner tree.
        #[must_use]
        pub fn tree<T: Tree>(&self, id: &str) -> T {
            let (supervisor, seats) = (self.inner(id), self.seats.inner(id));
            T::__handles(Handle { supervisor, seats })
        }

        /// What a child keeps beside its seat.
        pub(crate) fn kept<T: Clone + Send + Sync + 'static>(&self, id: &str) -> T {
            self.seats.kept(id).expect(KEPT)
        }

        fn inner(&self, id: &str) -> Supervisor {
            Supervisor::at(self.addr::<Driver>(id))
        }
    }
}

//! Seeded faults: mistakes put into the code on purpose, to see that a test catches each.
//!
//! [`fault!("name")`](fault) is `true` where the fault of that name has been switched on, and the code then does the wrong
//! thing: skips a fence, weakens an ordering, drops a wake-up. It is the literal `false` in every build but that of this
//! crate's own tests, so that nothing is left of it: those read the name of the one fault to switch on from the environment
//! variable `ACTOR_FAULT`. The tests and the models that are run anyway thus serve all faults; `ci/faults.sh` runs them.
//!
//! # Where they are listed
//! In the docs of the module that has them, in a table with a row for each:
//!
//! ```text
//! //! | fault          | what it breaks | caught by           |
//! //! | `name_of_it`   | in a few words | `the_test`, `other` |
//! ```
//! Each of the tests named must fail with the fault and pass without; those that begin with `loom_` are run in the model
//! checker. A test that does not end with the fault is one that fails if its row says "does not end". `ci/faults.sh` fails
//! where a table and the code disagree.

/// Whether the seeded fault of this name is switched on. See the [module](self).
#[cfg(not(test))]
macro_rules! fault {
    ($name:literal) => {
        false
    };
}

/// Whether the seeded fault of this name is switched on. See the [module](self).
#[cfg(test)]
macro_rules! fault {
    ($name:literal) => {
        $crate::sys::fault::is_on($name)
    };
}

pub(crate) use fault;

/// The environment is read once, by `std`'s cell: it is no part of what loom explores.
#[cfg(test)]
pub(crate) fn is_on(name: &str) -> bool {
    static ON: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var("ACTOR_FAULT").ok())
        .as_deref()
        == Some(name)
}

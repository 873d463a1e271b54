//! What is kept only to be dropped at the end of its scope.
//!
//! A function drops its variables at the end of their scopes, in the reverse order. So does a migratable one, as far as they can
//! be kept: `hold!(value)` is the value, or [`Gone`] where there is nothing to drop, or it cannot be frozen. Which it is, is the
//! compiler's choice of a method, as no bound can be asked for what need not be kept.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::program::Keep;

/// In place of what is dropped already.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Gone;

/// The type of a value.
#[derive(Debug)]
pub struct Of<T>(PhantomData<T>);

/// That of `value`.
pub fn of<T>(_: &T) -> Of<T> {
    Of(PhantomData)
}

/// It is dropped at once.
#[derive(Debug)]
pub struct Discard;

impl Discard {
    /// Drops it.
    pub fn hold<T>(self, value: T) -> Gone {
        drop(value);
        Gone
    }
}

/// It is kept.
#[derive(Debug)]
pub struct Hold;

impl Hold {
    /// Keeps it.
    pub fn hold<T: Keep>(self, value: T) -> T {
        value
    }
}

/// The first choice: there is nothing to drop.
pub trait Plain {
    /// Which.
    fn kind(&self) -> Discard {
        Discard
    }
}

impl<T: Copy> Plain for &&Of<T> {}

/// The second: it can be kept.
pub trait Kept {
    /// Which.
    fn kind(&self) -> Hold {
        Hold
    }
}

impl<T: Keep> Kept for &Of<T> {}

/// Otherwise.
pub trait Other {
    /// Which.
    fn kind(&self) -> Discard {
        Discard
    }
}

impl<T> Other for Of<T> {}

#[doc(hidden)]
#[macro_export]
macro_rules! __hold {
    ($value:ident) => {{
        #[allow(unused_imports)]
        use $crate::__private::migratable::hold::{Kept as _, Other as _, Plain as _};
        let __of = $crate::__private::migratable::hold::of(&$value);
        (&&&__of).kind().hold($value)
    }};
}

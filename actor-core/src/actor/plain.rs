//! What is generated for message and reply enums leans on this: `Debug` for whatever a field is, and bounds that are looked at late.
//!
//! The frozen form is that of serde's derive, which is not used: its bounds would be on every field's type at the definition, where
//! one type that cannot be frozen is an error in a program that never freezes anything. It is read by `image::variants`.

use std::fmt;

use serde::Serialize;

// ---- Debug ----------------------------------------------------------------------------------------------------------

/// A field of a message, to be shown: `(&&Show(field)).shown()`, with both traits below in scope, is the field itself if its
/// type is known to be `Debug` there, and `..` if not: the first is found with one borrow less.
#[derive(Debug)]
pub struct Show<'a, T: ?Sized>(pub &'a T);

/// The first choice.
pub trait ShowValue {
    /// The field.
    fn shown(&self) -> &dyn fmt::Debug;
}

impl<T: fmt::Debug> ShowValue for &Show<'_, T> {
    fn shown(&self) -> &dyn fmt::Debug {
        self.0
    }
}

/// The second.
pub trait ShowPlace {
    /// Two dots.
    fn shown(&self) -> &dyn fmt::Debug;
}

impl<T> ShowPlace for Show<'_, T> {
    fn shown(&self) -> &dyn fmt::Debug {
        struct Dots;
        impl fmt::Debug for Dots {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("..")
            }
        }
        &Dots
    }
}

// ---- bounds that are looked at late ---------------------------------------------------------------------------------

/// A field of an enum that is `Clone`. The lifetime is any: a bound that mentions one of the impl's may not hold, and is no
/// error until somebody clones.
pub trait CloneField<'x> {
    /// Clones it.
    fn clone_field(&self) -> Self;
}

impl<T: Clone> CloneField<'_> for T {
    fn clone_field(&self) -> Self {
        self.clone()
    }
}

/// As [`CloneField`], of one that is `Serialize`.
pub trait SerializeField<'x> {
    /// What serializes as it does.
    fn frozen(&self) -> impl Serialize + '_;
}

impl<T: Serialize> SerializeField<'_> for T {
    fn frozen(&self) -> impl Serialize + '_ {
        self
    }
}

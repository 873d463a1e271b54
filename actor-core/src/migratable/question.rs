//! `?`, whose trait is not stable: for `Result` and `Option`, the same conversions.

use std::convert::Infallible;
use std::ops::ControlFlow;

/// What `?` may be written behind.
#[diagnostic::on_unimplemented(
    message = "`?` works on `Result` and `Option` in a migratable function, not on `{Self}`",
    note = "use `match`"
)]
pub trait Branch {
    type Output;
    type Residual;
    fn branch(self) -> ControlFlow<Self::Residual, Self::Output>;
}

impl<T, E> Branch for Result<T, E> {
    type Output = T;
    type Residual = Result<Infallible, E>;

    #[inline(always)]
    fn branch(self) -> ControlFlow<Self::Residual, T> {
        match self {
            Ok(value) => ControlFlow::Continue(value),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    }
}

impl<T> Branch for Option<T> {
    type Output = T;
    type Residual = Option<Infallible>;

    #[inline(always)]
    fn branch(self) -> ControlFlow<Self::Residual, T> {
        match self {
            Some(value) => ControlFlow::Continue(value),
            None => ControlFlow::Break(None),
        }
    }
}

/// What a function may return that `?` stands in.
#[diagnostic::on_unimplemented(
    message = "`?` cannot turn `{R}` into what this function returns, `{Self}`",
    note = "`?` on a `Result` needs a function that returns a `Result` whose error is made by `From`; on an `Option`, one that returns an `Option`"
)]
pub trait FromResidual<R> {
    fn from_residual(residual: R) -> Self;
}

impl<T, E, F: From<E>> FromResidual<Result<Infallible, E>> for Result<T, F> {
    #[inline(always)]
    fn from_residual(residual: Result<Infallible, E>) -> Self {
        match residual {
            Ok(never) => match never {},
            Err(error) => Err(F::from(error)),
        }
    }
}

impl<T> FromResidual<Option<Infallible>> for Option<T> {
    #[inline(always)]
    fn from_residual(_: Option<Infallible>) -> Self {
        None
    }
}

/// The first half of `?`.
#[inline(always)]
pub fn branch<T: Branch>(value: T) -> ControlFlow<T::Residual, T::Output> {
    value.branch()
}

/// The second.
#[inline(always)]
pub fn residual<R, T: FromResidual<R>>(residual: R) -> T {
    T::from_residual(residual)
}

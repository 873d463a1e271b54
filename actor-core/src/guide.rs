//! Pages to read, with nothing in them to call.

#[doc = include_str!("../docs/compared.md")]
pub mod compared {}

#[doc = include_str!("../docs/erlang.md")]
pub mod erlang {}

#[doc = include_str!("../docs/moving.md")]
pub mod moving {}

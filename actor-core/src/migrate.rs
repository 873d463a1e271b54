//! Moving what runs from one node to another.

mod far;
mod handover;
mod tcp;

pub use far::{FarError, FarSide, LocalFarSide, local_pair};
pub use handover::Refusal;
#[doc(hidden)]
pub use tcp::private;
pub use tcp::{Secret, ShortSecret, TcpCaller, TcpFarListener, TcpFarSide, TcpSettings};

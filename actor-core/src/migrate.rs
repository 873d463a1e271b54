//! Moving what runs from one node to another.

mod far;
mod handover;
mod node;
mod tcp;

pub use far::{FarError, FarSide, LocalFarSide, local_pair};
pub use handover::Refusal;
pub use node::{Movable, MoveError, Moved, Node, NodeBuilder, NodeError};
#[doc(hidden)]
pub use tcp::private;
pub use tcp::{Secret, ShortSecret, TcpCaller, TcpFarListener, TcpFarSide, TcpSettings};

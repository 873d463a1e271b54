//! Work shared out among actors: routers, and pools of supervised workers.

mod error;
mod hash;
mod pick;
mod router;

pub use error::{Nobody, RouteError};
pub use pick::Balance;
pub use router::Router;

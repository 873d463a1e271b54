//! What can go wrong with a store.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use super::Damaged;

/// A store could not do what it was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The name is empty or too long for this store.
    Name {
        /// The name.
        name: String,
        /// The longest there may be, in bytes as the store writes it.
        longest: usize,
    },
    /// Another store, here or in another process, has the directory open.
    InUse(PathBuf),
    /// The system refused.
    Io {
        /// What was being done, to which file.
        doing: String,
        /// Why not.
        error: io::Error,
    },
    /// Every image under the name is damaged. They were set aside: the next `load` finds nothing.
    Damaged(Vec<Damaged>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, longest } => write!(
                f,
                "no name to keep an image under, or longer than {longest} bytes: {name:?}"
            ),
            Self::InUse(dir) => write!(f, "another store has {} open", dir.display()),
            Self::Io { doing, .. } => f.write_str(doing),
            Self::Damaged(all) => {
                f.write_str("every image is damaged")?;
                all.iter().try_for_each(|it| write!(f, "; {it}"))
            }
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

//! The links: an actor that owns them, so that nothing needs a lock.

use std::collections::HashMap;
use std::fmt;

use actor_core::prelude::*;
use serde::Serialize;

/// What is known of a link.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    /// How often somebody was led there.
    pub visits: u64,
}

/// Nothing goes by that code.
#[derive(Debug)]
pub struct NoSuchLink;

impl fmt::Display for NoSuchLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such link")
    }
}

impl std::error::Error for NoSuchLink {}

/// All links. Bounded, so that a flood of requests waits outside and not in memory.
#[actor(mailbox = 4096)]
#[derive(Default)]
pub struct Links {
    by_code: HashMap<String, Link>,
}

#[actor]
impl Links {
    /// Keeps a link, and says by which code.
    pub fn add(&mut self, url: String) -> String {
        let code = format!("{:x}", self.by_code.len());
        self.by_code.insert(code.clone(), Link { url, visits: 0 });
        code
    }

    /// Where the link leads; counts the visit.
    pub fn visit(&mut self, code: String) -> Result<String, NoSuchLink> {
        let link = self.by_code.get_mut(&code).ok_or(NoSuchLink)?;
        link.visits += 1;
        Ok(link.url.clone())
    }

    /// What is known of the link.
    pub fn look(&self, code: String) -> Result<Link, NoSuchLink> {
        self.by_code.get(&code).cloned().ok_or(NoSuchLink)
    }
}

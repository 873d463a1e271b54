//! Who looks whether a link leads anywhere: a handler that uses a client made for tokio.

use std::time::Duration;

use actor_core::microthread;
use actor_core::prelude::*;

/// Asks other servers, one at a time. An HTTP client's frames are deeper than the default stack; of a larger one only the
/// pages that are touched cost memory.
#[actor(stack = 512 * 1024)]
pub struct Checker {
    client: reqwest::Client,
}

impl Checker {
    /// One with a client of its own.
    pub fn new() -> Self {
        Checker {
            client: reqwest::Client::new(),
        }
    }
}

#[actor]
impl Checker {
    /// The status that a GET of `url` is answered with. Redirections are followed.
    pub fn status(&mut self, url: String) -> Result<u16, reqwest::Error> {
        // Parks this handler until the future is ready; the worker goes on with others meanwhile. It is polled with tokio's
        // context around it (feature `tokio`), which the client's sockets and timers need; so what makes them belongs inside.
        let response = microthread::block_on(async {
            let get = self.client.get(url).timeout(Duration::from_secs(10));
            get.send().await
        })?;
        Ok(response.status().as_u16())
    }
}

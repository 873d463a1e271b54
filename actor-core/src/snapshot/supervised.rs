//! Children that go on from their last snapshot.

use std::sync::Arc;

use super::policy::SnapshotPolicy;
use super::restore::Thawed;
use super::traits::Snapshot;
use crate::actor::{Addr, Host};
use crate::supervision::{ChildSpec, Continued, Past};

impl<A: Snapshot> ChildSpec<A> {
    /// Each life of the child goes on from the last snapshot of `policy`, if there is one; the factory makes it if there is
    /// none. Snapshots of it are saved as the policy says. [The module](crate::snapshot#policies) says what is found, and what
    /// then becomes of it.
    ///
    /// A life that begins in the place of another finds its mailbox as it is, and only state and timers come from the
    /// snapshot. So a child that panicked has handled what it had handled, and what that did to its state since the last
    /// snapshot is undone.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::snapshot::SnapshotPolicy;
    /// use actor_core::store::MemoryStore;
    /// use std::sync::Arc;
    /// # #[actor(snapshot)]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter {
    /// #     pub fn add(&mut self, n: u64) { self.n += n }
    /// #     pub fn get(&self) -> u64 { self.n }
    /// # }
    ///
    /// let sys = System::new()?;
    /// let policy = SnapshotPolicy::new(Arc::new(MemoryStore::new()), "hits").on_stop();
    /// let spec = ChildSpec::new("hits", || Counter { n: 0 }).restore(policy);
    /// let supervisor = Supervisor::builder().start(&sys)?;
    /// let hits = supervisor.start_child(spec)?;
    /// hits.tell().add(3)?;
    /// hits.ask().get()?;
    /// hits.stop(); // ends this life; the supervisor begins the next
    /// assert_eq!(hits.ask().get()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(self, policy: SnapshotPolicy) -> Self {
        self.with_past(Box::new(policy))
    }
}

impl<A: Snapshot> Past<A> for SnapshotPolicy {
    fn last(&self, host: &Arc<Host>) -> Result<Option<Continued<A>>, Arc<str>> {
        let last = SnapshotPolicy::last(self, host).map_err(|error| error.to_string())?;
        Ok(last.map(|Thawed { actor, seed, .. }| Continued { actor, seed }))
    }

    fn attach(&self, addr: &Addr<A>, host: &Arc<Host>) {
        SnapshotPolicy::attach(self, addr, host);
    }
}

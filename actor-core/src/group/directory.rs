//! Where groups are found by name.
//!
//! The directory does not keep a group alive: its members, handles and watches do. When the last of them is gone the group
//! goes, and takes its entry along, unless a successor of that name is there already.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::{Group, Inner};
use crate::actor::{Actor, Host};

type AnyGroup = dyn Any + Send + Sync;

/// A system's groups: by the type of their members, and by name.
#[derive(Default)]
pub(crate) struct Directory {
    groups: DashMap<(TypeId, Arc<str>), Weak<AnyGroup>>,
}

impl Directory {
    /// The group of that name, which is made if there is none.
    pub(crate) fn get<A: Actor>(&self, host: &Arc<Host>, name: Arc<str>) -> Group<A> {
        let make = || Arc::new(Inner::<A>::new(host, Some(name.clone())));
        let inner = match self.groups.entry((TypeId::of::<A>(), name.clone())) {
            Entry::Vacant(entry) => {
                let made = make();
                let any: Arc<AnyGroup> = made.clone();
                entry.insert(Arc::downgrade(&any));
                made
            }
            Entry::Occupied(mut entry) => match entry.get().upgrade() {
                // Not dropped under the lock, which its destructor may take.
                Some(there) => there.downcast().expect("of the type in its key"),
                None => {
                    let made = make();
                    let any: Arc<AnyGroup> = made.clone();
                    entry.insert(Arc::downgrade(&any));
                    made
                }
            },
        };
        Group { inner }
    }

    /// A group of that name is gone.
    pub(super) fn forget<A: Actor>(&self, name: &Arc<str>) {
        let key = (TypeId::of::<A>(), name.clone());
        self.groups
            .remove_if(&key, |_, group| group.strong_count() == 0);
    }

    /// The names of those that have members, sorted.
    pub(crate) fn names<A: Actor>(&self) -> Vec<Arc<str>> {
        let of = TypeId::of::<A>();
        let mine = self.groups.iter().filter(|it| it.key().0 == of);
        // Dropped when the locks are released: see `get`.
        let groups: Vec<_> = mine.filter_map(|it| it.value().upgrade()).collect();
        let groups = groups.into_iter().filter_map(|it| it.downcast().ok());
        let groups = groups.map(|inner: Arc<Inner<A>>| Group { inner });
        let inhabited = groups.filter(|group| !group.is_empty());
        let mut names: Vec<Arc<str>> = inhabited.filter_map(|it| it.inner.name.clone()).collect();
        names.sort_unstable();
        names
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("groups", &self.groups.len())
            .finish()
    }
}

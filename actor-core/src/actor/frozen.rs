//! Addresses in an image: the name of the actor there, and whoever has that name where it is thawed.
//!
//! An address is a place in this process. What can be said of it elsewhere is a name, if the actor has one: the first of those
//! that it is registered under. It is looked up among the names of a system when the image is thawed, within
//! [`System::with_names`](crate::System::with_names).

use std::cell::RefCell;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::addr::Addr;
use super::host::Host;
use super::traits::Actor;
use crate::migratable::private::{refuse_freeze, refuse_thaw};
use crate::migratable::{FreezeError, ThawError};

thread_local! {
    static NAMES: RefCell<Option<Arc<Host>>> = const { RefCell::new(None) };
}

/// Calls `f`, in which addresses are looked up among the names of `host`.
pub(crate) fn with_names<R>(host: &Arc<Host>, f: impl FnOnce() -> R) -> R {
    /// Also when `f` panics.
    struct Outer(Option<Arc<Host>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            let inner = NAMES.replace(self.0.take());
            drop(inner);
        }
    }
    let _outer = Outer(NAMES.replace(Some(host.clone())));
    f()
}

/// As the name that the actor is registered under. One without a name is an error.
impl<A: Actor> Serialize for Addr<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let extra = self.cell().extra();
        match extra.and_then(|extra| extra.lock().name.clone()) {
            Some(name) => serializer.serialize_str(&name),
            None => Err(S::Error::custom(refuse_freeze(FreezeError::NoName {
                actor: std::any::type_name::<A>(),
            }))),
        }
    }
}

/// The actor that has the name in the system whose [`with_names`](crate::System::with_names) this happens in. Elsewhere an error.
impl<'de, A: Actor> Deserialize<'de> for Addr<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let host = NAMES.with_borrow(Clone::clone);
        let found = match host {
            Some(host) => host.registry.lookup(&name).map_err(|why| why.to_string()),
            None => Err("thaw it within `System::with_names`".to_owned()),
        };
        found.map_err(|why| D::Error::custom(refuse_thaw(ThawError::NoActor { name, why })))
    }
}

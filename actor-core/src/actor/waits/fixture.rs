//! An actor without a runtime, for the tests and the models.

use std::ptr::NonNull;

use crate::observe::Who;
use crate::rt::header::{After, Header, Runnable, VTable};
use crate::rt::park::Parker;

unsafe fn who(header: NonNull<Header>) -> Who {
    // SAFETY: the caller's.
    Who::new(unsafe { header.as_ref() }.id(), "It", None)
}

unsafe fn run(_: Runnable, _: &'static Parker) -> After {
    unreachable!("never queued")
}

pub(super) static ACTOR_TABLE: VTable = VTable {
    run,
    overflowed: |_, _| (),
    discard: |_| (),
    release: |_| (),
    who,
    pending: |_| None,
    alarm: |_| unreachable!("it sets none"),
    killed: |_| (),
    is_actor: true,
    type_name: || "It",
};

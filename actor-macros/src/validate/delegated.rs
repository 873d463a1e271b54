//! Messages that take the port for their answer.

use syn::{FnArg, PatType, Signature, Type};

use super::Reader;
use crate::types;

impl Reader<'_> {
    /// The `T` of the method's `ReplyTo<T>`, if it has one.
    pub(super) fn port<'s>(&mut self, sig: &'s Signature) -> Option<&'s Type> {
        let mut ports = sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(arg) if types::is_named(&arg.ty, "ReplyTo") => Some(arg),
            _ => None,
        });
        let port: &PatType = ports.next()?;
        for extra in ports {
            self.errors.at(
                extra,
                "a message has one answer, and one port for it: take this parameter out, or wrap a port of somebody else's in a type of its own",
            );
        }
        if let Some(returned) = types::returned(&sig.output) {
            self.errors.at(
                returned,
                "this message is answered by its `ReplyTo`: return nothing",
            );
        }
        let answer = types::only_argument(&port.ty);
        if answer.is_none() {
            self.errors.at(
                &port.ty,
                "say what the answer is: write `ReplyTo<T>`, or `ReplyTo<()>` if it only says that it is done",
            );
        }
        answer
    }
}

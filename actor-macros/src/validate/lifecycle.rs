//! The methods that are no messages: hooks, and the body that owns its stack.

use syn::{Attribute, FnArg, ImplItemFn};

use super::message::cfgs;
use super::{Reader, is_public};
use crate::model::{Hook, HookArg, Message};
use crate::types;

impl Reader<'_> {
    /// Reads a hook into `slot`. The outer `Option` is whether there is one, the inner whether it is sound.
    pub(super) fn hook(
        &mut self,
        method: &ImplItemFn,
        attr: &Attribute,
        name: &str,
        slot: &mut Option<Option<Hook>>,
    ) {
        let before = self.errors.count();
        let sig = &method.sig;
        let what = "a hook";
        if slot.is_some() {
            self.errors.at(
                attr,
                format_args!("there is one `#[{name}]`: call this from it"),
            );
        }
        if is_public(&method.vis) {
            self.errors.at(
                &method.vis,
                format_args!(
                    "`#[{name}]` is called by the runtime and is no message: drop the `pub`"
                ),
            );
        }
        self.plain_fn(method, what);
        match sig.receiver() {
            Some(receiver) => self.receiver(receiver, what),
            None => self
                .errors
                .at(&sig.ident, "a hook is about one actor: take `&mut self`"),
        }
        let mut args = Vec::new();
        for input in &sig.inputs {
            let FnArg::Typed(arg) = input else { continue };
            let kind = if types::is_reference_to(&arg.ty, "Cx") {
                HookArg::Context
            } else if types::is_reference_to(&arg.ty, "ExitReason") && name == "on_stop" {
                HookArg::Reason
            } else if types::is_named(&arg.ty, "Signal") && name == "on_signal" {
                HookArg::Signal
            } else if types::is_named(&arg.ty, "HandlerError") && name == "on_error" {
                HookArg::Error
            } else if types::is_reference_to(&arg.ty, "str") && name == "on_move" {
                HookArg::Destination
            } else {
                self.errors.at(
                    arg,
                    match name {
                        "on_stop" => "`#[on_stop]` takes `cx: &mut Cx<Self>` and `reason: &ExitReason`, or neither",
                        "on_signal" => "`#[on_signal]` takes `cx: &mut Cx<Self>` and `signal: Signal`, by value, or one of them",
                        "on_error" => "`#[on_error]` takes `cx: &mut Cx<Self>` and `error: HandlerError`, or neither",
                        "on_move" => "`#[on_move]` takes `cx: &mut Cx<Self>` and `to: &str`, or one of them, or nothing",
                        _ => "`#[on_start]` takes `cx: &mut Cx<Self>` or nothing: give the actor what it needs as fields",
                    },
                );
                continue;
            };
            if args.contains(&kind) {
                self.errors
                    .at(arg, "a hook gets this once: take the parameter out");
            }
            args.push(kind);
        }
        let returns = types::returned(&sig.output).cloned();
        if let (Some(ty), "on_stop") = (&returns, name) {
            self.errors.at(
                ty,
                "the actor is gone when `#[on_stop]` returns, so nobody could receive this: return nothing",
            );
        }
        if let (Some(ty), "on_signal") = (&returns, name) {
            self.errors.at(
                ty,
                "nobody waits for what `#[on_signal]` returns: return nothing, and to end the actor call `cx.exit(..)`",
            );
        }
        if let (Some(ty), "on_error") = (&returns, name) {
            self.errors.at(
                ty,
                "nobody asked, so nobody could receive this: return nothing, and end the actor by `cx.exit(..)` if it shall end",
            );
        }
        if let (Some(ty), "on_start") = (&returns, name)
            && !types::is_named(ty, "Result")
        {
            self.errors.at(
                ty,
                "`#[on_start]` returns nothing, or `Result<(), E>` if it may refuse to start",
            );
        }
        if let (Some(ty), "on_move") = (&returns, name)
            && !types::is_named(ty, "Result")
        {
            self.errors.at(
                ty,
                "`#[on_move]` returns nothing, or `Result<(), E>` if it may refuse to go",
            );
        }
        let sound = self.errors.count() == before;
        *slot = Some(sound.then(|| Hook {
            method: sig.ident.clone(),
            cfgs: cfgs(&method.attrs),
            args,
            returns,
        }));
    }

    /// Checks an own-stack body.
    pub(super) fn run(&mut self, run: &ImplItemFn) {
        const SHAPE: &str = "write `fn run(self, inbox: Inbox<Self>) -> Exit`";
        self.plain_fn(run, "a `run` body");
        for attr in cfgs(&run.attrs) {
            self.errors.at(
                attr,
                "without its `run` this would be another actor: put the `cfg` on the `impl` block",
            );
        }
        let inputs: Vec<&FnArg> = run.sig.inputs.iter().skip(1).collect();
        match inputs.as_slice() {
            [FnArg::Typed(inbox)] if types::is_named(&inbox.ty, "Inbox") => {}
            [] => self.errors.at(
                &run.sig.ident,
                format_args!("a `run` body receives from its inbox: {SHAPE}"),
            ),
            [first, ..] => {
                let is_inbox =
                    matches!(first, FnArg::Typed(arg) if types::is_named(&arg.ty, "Inbox"));
                let wrong = inputs[usize::from(is_inbox)];
                self.errors.at(
                    wrong,
                    format_args!("a `run` body takes its inbox and nothing else ({SHAPE}): what it needs are fields"),
                );
            }
        }
        match types::returned(&run.sig.output) {
            Some(ty) if types::is_named(ty, "Exit") => {}
            Some(ty) => self.errors.at(
                ty,
                format_args!(
                    "a `run` body says how it ended ({SHAPE}): a `Result` converts by `.into()`"
                ),
            ),
            None => self.errors.at(
                &run.sig.ident,
                format_args!("a `run` body says how it ended: {SHAPE}"),
            ),
        }
    }

    /// Checks that nothing stands beside an own-stack body which needs the other one.
    pub(super) fn beside_run(
        &mut self,
        messages: &[(ImplItemFn, Option<Message>)],
        on_stop: Option<&Option<Hook>>,
        on_signal: Option<&Option<Hook>>,
        on_error: Option<&Option<Hook>>,
        on_move: Option<&Option<Hook>>,
    ) {
        for (method, _) in messages {
            self.errors.at(
                &method.vis,
                "an actor with a `run` body takes messages from its inbox alone: drop this `pub`, or drop `run`",
            );
        }
        if let Some(Some(hook)) = on_error {
            self.errors.at(
                &hook.method,
                "`run` handles its messages itself, and their errors: there is nothing to call this for",
            );
        }
        if let Some(Some(hook)) = on_move {
            self.errors.at(
                &hook.method,
                "an actor with a `run` body has its state on its stack, and does not move: drop this, or `run`",
            );
        }
        if let Some(Some(hook)) = on_stop {
            self.errors.at(
                &hook.method,
                "`run` owns the actor, which is gone when it returns: do this at the end of `run`, or in `Drop`",
            );
        }
        if let Some(Some(hook)) = on_signal {
            self.errors.at(
                &hook.method,
                "`run` owns the actor, so that nobody else can be called with a signal: receive it there, by `inbox.recv_any()`",
            );
        }
    }
}

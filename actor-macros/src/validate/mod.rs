//! From the user's `impl` block to the [`model`](crate::model), reporting everything that does not fit on the way: here
//! the block as a whole, in `message` its messages, in `lifecycle` the hooks and the `run` body.

mod delegated;
mod lifecycle;
mod message;
mod protocol;

pub(crate) use protocol::protocol;

use message::take_from;
use syn::{
    Attribute, Generics, Ident, ImplItem, ImplItemFn, ItemImpl, Meta, Path, Receiver, Type,
    Visibility,
};

use crate::args::ImplArgs;
use crate::diagnostics::Errors;
use crate::model::{Actor, Arg, Body, Message, Spoken};
use crate::snapshot;
use crate::types;

/// Reads the block. Hook attributes are taken off its methods, and `#[from]` off their parameters, which are otherwise left alone. `None`, if there is too
/// much wrong with the block as a whole for anything to be generated; methods that are wrong are only left out.
pub(crate) fn actor(block: &mut ItemImpl, args: ImplArgs, errors: &mut Errors) -> Option<Actor> {
    let name = header(block, errors);
    let of_trait = block.trait_.is_some();
    let ty = (*block.self_ty).clone();
    let mut reader = Reader {
        ty: &ty,
        place: "`impl`",
        errors,
    };
    let (mut messages, mut run) = (Vec::new(), None);
    let (mut on_start, mut on_stop) = (None, None);
    let (mut on_signal, mut on_error, mut on_move) = (None, None, None);
    for item in &mut block.items {
        let ImplItem::Fn(method) = item else { continue };
        let priority = reader.take_priority(&mut method.attrs);
        let skip = snapshot::of_message(&mut method.attrs, reader.errors);
        let hook = reader.take_hook(&mut method.attrs);
        let is_message = hook.is_none()
            && is_public(&method.vis)
            && method.sig.receiver().is_some()
            && !is_run(method);
        if let Some((attr, _)) = &priority
            && !is_message
        {
            reader.errors.at(
                attr,
                match of_trait {
                    true => "a protocol says for all its actors which messages are urgent: put this on the method in the \
                             trait, which is marked `#[protocol]`",
                    false => "only a message has a priority: put this on a public method with a receiver",
                },
            );
        }
        if let Some(attr) = &skip
            && !is_message
        {
            reader.errors.at(
                attr,
                "only a message waits, and may be left out of snapshots: put this on a public method with a receiver",
            );
        }
        match hook {
            Some(Kind::Start(attr)) => reader.hook(method, &attr, "on_start", &mut on_start),
            Some(Kind::Stop(attr)) => reader.hook(method, &attr, "on_stop", &mut on_stop),
            Some(Kind::Signal(attr)) => reader.hook(method, &attr, "on_signal", &mut on_signal),
            Some(Kind::Error(attr)) => reader.hook(method, &attr, "on_error", &mut on_error),
            Some(Kind::Move(attr)) => reader.hook(method, &attr, "on_move", &mut on_move),
            None if is_run(method) => run = Some(method.clone()),
            None if is_message => {
                let mut message = reader.message(method);
                if let Some(message) = &mut message {
                    message.urgent = priority.is_some_and(|(_, urgent)| urgent);
                    message.kept = skip.is_none();
                }
                messages.push((method.clone(), message));
                take_from(method);
            }
            None => {}
        }
    }
    let (protocols_key, protocols) = args.protocols.unzip();
    let body = match run {
        Some(run) => {
            if let Some(key) = &protocols_key {
                reader.errors.at(
                    key,
                    "a `run` body takes its messages apart itself: make its message type `From` the protocol's \
                     and `TryInto` it, and drop `protocols`",
                );
            }
            let before = reader.errors.count();
            reader.run(&run);
            let sound = reader.errors.count() == before;
            reader.beside_run(
                &messages,
                on_stop.as_ref(),
                on_signal.as_ref(),
                on_error.as_ref(),
                on_move.as_ref(),
            );
            Body::OwnStack {
                sound,
                message: args.message.map(|(_, ty)| ty),
            }
        }
        None => {
            if let Some((key, _)) = args.message {
                reader.errors.at(
                    key,
                    "`message` is for an actor with its own stack, `fn run(self, inbox: Inbox<Self>) -> Exit`: \
                     here each public method is a message",
                );
            }
            let mut messages: Vec<Message> = messages
                .into_iter()
                .filter_map(|(_, message)| message)
                .collect();
            reader.drop_clashes(&mut messages);
            reader.check_from(&block.generics, &mut messages);
            Body::Messages(messages)
        }
    };
    let protocols = match &body {
        Body::Messages(messages) => reader.protocols(protocols.unwrap_or_default(), messages),
        Body::OwnStack { .. } => Vec::new(),
    };
    let generics = types::resolve_self(
        &ty,
        block.generics.clone(),
        |resolve, generics: &mut Generics| {
            syn::visit_mut::VisitMut::visit_generics_mut(resolve, generics);
        },
    );
    Some(Actor {
        name: name?,
        generics,
        protocols,
        body,
        on_start: on_start.flatten(),
        on_stop: on_stop.flatten(),
        on_signal: on_signal.flatten(),
        on_error: on_error.flatten(),
        on_move: on_move.flatten(),
        ty,
    })
}

/// Checks what stands before the braces; gives the actor's name.
fn header(block: &ItemImpl, errors: &mut Errors) -> Option<Ident> {
    let before = errors.count();
    if let Some((_, path, _)) = &block.trait_ {
        errors.at(
            path,
            "`#[actor]` goes on the actor's own `impl` block, not on one of a trait: take it off here, and name the trait \
             there if it is a protocol, `#[actor(protocols = [..])]`",
        );
    }
    if let Some(unsafety) = &block.unsafety {
        errors.at(
            unsafety,
            "an actor's `impl` block is not `unsafe`: take the word off",
        );
    }
    for lifetime in block.generics.lifetimes() {
        errors.at(
            lifetime,
            "an actor outlives the code that spawns it, so it cannot borrow: own what it holds, or use `'static`",
        );
    }
    let name = types::last_segment(&block.self_ty).map(|segment| segment.ident.clone());
    if name.is_none() {
        errors.at(
            &block.self_ty,
            "an actor is a struct or an enum of its own: wrap this type in one",
        );
    }
    if errors.count() == before { name } else { None }
}

enum Kind {
    Start(Attribute),
    Stop(Attribute),
    Signal(Attribute),
    Error(Attribute),
    Move(Attribute),
}

/// An own-stack body: a `run` that takes the actor by value.
fn is_run(method: &ImplItemFn) -> bool {
    method.sig.ident == "run" && method.sig.receiver().is_some_and(by_value)
}

fn by_value(receiver: &Receiver) -> bool {
    receiver.reference.is_none()
        && (receiver.colon_token.is_none() || types::is_named(&receiver.ty, "Self"))
}

/// Whether others than this module can call it. `pub(self)` is private in more words.
fn is_public(vis: &Visibility) -> bool {
    match vis {
        Visibility::Public(_) => true,
        Visibility::Restricted(restricted) => !restricted.path.is_ident("self"),
        Visibility::Inherited => false,
    }
}

struct Reader<'a> {
    /// What `Self` is.
    ty: &'a Type,
    /// Where parameters and bounds can go that a method cannot have.
    place: &'static str,
    errors: &'a mut Errors,
}

impl Reader<'_> {
    /// Takes the mark of a hook off.
    fn take_hook(&mut self, attrs: &mut Vec<Attribute>) -> Option<Kind> {
        let mut found = None;
        let mut extra = Vec::new();
        attrs.retain(|attr| {
            let kind = match attr.path().segments.last() {
                Some(last) if last.ident == "on_start" => Kind::Start(attr.clone()),
                Some(last) if last.ident == "on_stop" => Kind::Stop(attr.clone()),
                Some(last) if last.ident == "on_signal" => Kind::Signal(attr.clone()),
                Some(last) if last.ident == "on_error" => Kind::Error(attr.clone()),
                Some(last) if last.ident == "on_move" => Kind::Move(attr.clone()),
                _ => return true,
            };
            if !matches!(attr.meta, Meta::Path(_)) || found.is_some() {
                extra.push(attr.clone());
            }
            found.get_or_insert(kind);
            false
        });
        for attr in extra {
            self.errors
                .at(attr, "a hook is marked once, and takes no arguments");
        }
        found
    }

    /// Takes `#[priority(..)]` off. With it, whether it says `high`.
    fn take_priority(&mut self, attrs: &mut Vec<Attribute>) -> Option<(Attribute, bool)> {
        let is_priority = |attr: &Attribute| attr.path().is_ident("priority");
        let found: Vec<Attribute> = attrs
            .iter()
            .filter(|attr| is_priority(attr))
            .cloned()
            .collect();
        attrs.retain(|attr| !is_priority(attr));
        for again in found.iter().skip(1) {
            self.errors
                .at(again, "a message has one priority: take this off");
        }
        let attr = found.into_iter().next()?;
        let level = match attr.meta.require_list() {
            Ok(list) => list.parse_args::<Ident>().ok(),
            Err(_) => None,
        };
        let urgent = match level.map(|level| level.to_string()).as_deref() {
            Some("high") => true,
            Some("normal") => false,
            _ => {
                self.errors.at(
                    &attr,
                    "a priority is `#[priority(high)]`, or `#[priority(normal)]`, which is the default",
                );
                false
            }
        };
        Some((attr, urgent))
    }

    /// What a hook, a message and a `run` body have in common.
    fn plain_fn(&mut self, method: &ImplItemFn, what: &str) {
        let sig = &method.sig;
        if let Some(asyncness) = &sig.asyncness {
            self.errors.at(
                asyncness,
                format_args!(
                    "{what} is not `async`: it may block instead, which holds up no thread. \
                     Drop `async`, and wait for a future by `microthread::block_on(future)`"
                ),
            );
        }
        if let Some(unsafety) = &sig.unsafety {
            self.errors.at(
                unsafety,
                format_args!(
                    "{what} is not `unsafe`: whoever sends a message cannot uphold a contract"
                ),
            );
        }
        // Lifetimes alone are reported where they are used, if they are.
        let is_lifetime_only =
            sig.generics.type_params().count() + sig.generics.const_params().count() == 0;
        if !sig.generics.params.is_empty() && !is_lifetime_only {
            self.errors.at(
                &sig.generics,
                format_args!(
                    "{what} has no parameters of its own: name the type, or move the parameter to the {}",
                    self.place
                ),
            );
        }
        if let Some(clause) = &sig.generics.where_clause {
            self.errors.at(
                clause,
                format_args!(
                    "{what} has no bounds of its own: move them to the {}",
                    self.place
                ),
            );
        }
    }

    /// The protocols the actor takes part in; none of their variants may be that of a message, or of another.
    fn protocols(&mut self, paths: Vec<Path>, messages: &[Message]) -> Vec<Spoken> {
        let mut kept: Vec<Spoken> = Vec::new();
        for path in paths {
            let Some(variant) = path.segments.last().map(|segment| segment.ident.clone()) else {
                continue;
            };
            let message = messages.iter().find(|message| message.variant == variant);
            if let Some(message) = message {
                self.errors.at(
                    &path,
                    format_args!(
                        "the protocol and the method `{}` would both be the variant `{variant}`: rename one",
                        message.method
                    ),
                );
            } else if kept.iter().any(|earlier| earlier.variant == variant) {
                self.errors.at(
                    &path,
                    format_args!("two protocols would be the variant `{variant}`: take one out, or `use` it under another name"),
                );
            } else {
                kept.push(Spoken { path, variant });
            }
        }
        kept
    }

    fn resolve(&self, ty: &Type) -> Type {
        types::resolve_self(self.ty, ty.clone(), |resolve, ty: &mut Type| {
            syn::visit_mut::VisitMut::visit_type_mut(resolve, ty);
        })
    }

    /// No two messages may become one variant, unless they are one method under different `cfg`s. Leaves out the later.
    fn drop_clashes(&mut self, messages: &mut Vec<Message>) {
        let mut kept: Vec<Message> = Vec::new();
        for message in messages.drain(..) {
            let clash = kept.iter().find(|earlier| {
                earlier.variant == message.variant && earlier.method != message.method
            });
            if let Some(earlier) = clash {
                self.errors.at(
                    &message.method,
                    format_args!(
                        "`{}` and `{}` would both be the variant `{}`: rename one",
                        earlier.method, message.method, message.variant
                    ),
                );
            } else {
                kept.push(message);
            }
        }
        *messages = kept;
    }

    /// A value makes at most one message, and is not of any type whatever. Leaves `#[from]` away where that is not so.
    fn check_from(&mut self, generics: &Generics, messages: &mut [Message]) {
        let mut seen: Vec<(Type, Ident)> = Vec::new();
        for message in messages {
            for arg in &mut message.args {
                let Arg::Field(field) = arg else { continue };
                if !field.is_from {
                    continue;
                }
                let any = generics.type_params().any(
                    |param| matches!(&field.ty, Type::Path(ty) if ty.path.is_ident(&param.ident)),
                );
                let earlier = (seen.iter())
                    .find(|(ty, earlier)| *ty == field.ty && *earlier != message.method);
                if any {
                    self.errors.at(
                        &field.ty,
                        "this may be any type, the message enum itself too: take `#[from]` off, or wrap the value in a type of its own",
                    );
                } else if let Some((_, earlier)) = earlier {
                    self.errors.at(
                        &field.ty,
                        format_args!("a value of this type makes the message `{earlier}` already: take one `#[from]` off"),
                    );
                } else {
                    seen.push((field.ty.clone(), message.method.clone()));
                    continue;
                }
                field.is_from = false;
            }
        }
    }
}

//! From a trait to the model of a protocol.

use quote::ToTokens;
use syn::{
    Attribute, FnArg, Generics, Ident, ImplItemFn, ItemTrait, Token, TraitItem, TraitItemFn, Type,
    Visibility, parse_quote,
};

use super::Reader;
use super::message::{from_attrs, is_from_attr};
use crate::diagnostics::Errors;
use crate::model::{Message, Protocol};
use crate::types;

/// Reads the trait. A method that takes a context gets the bound that makes `Cx<Self>` a type. `None`, if there is too much
/// wrong with the trait as a whole for anything to be generated; methods that are wrong are only left out.
pub(crate) fn protocol(item: &mut ItemTrait, errors: &mut Errors) -> Option<Protocol> {
    let mut sound = header(item, errors);
    let (name, (_, type_generics, _)) = (&item.ident, item.generics.split_for_impl());
    let object: Type = parse_quote!(dyn #name #type_generics);
    let mut reader = Reader {
        ty: &object,
        place: "trait",
        errors,
    };
    let mut messages = Vec::new();
    for item in &mut item.items {
        if let TraitItem::Fn(function) = item
            && function.sig.receiver().is_none()
            && let Some((attr, _)) = reader.take_priority(&mut function.attrs)
        {
            reader.errors.at(
                attr,
                "only a message has a priority: put this on a method with a receiver",
            );
        }
        match item {
            TraitItem::Fn(method) if method.sig.receiver().is_some() => {
                messages.extend(reader.protocol_message(method));
            }
            TraitItem::Fn(function) if says_sized(function) => {}
            TraitItem::Fn(function) => {
                reader.errors.at(
                    &function.sig,
                    "a protocol is what an actor can be asked: give this a receiver, or `where Self: Sized`",
                );
                not_for_the_object(function);
            }
            TraitItem::Type(ty) => {
                reader.errors.at(
                    &ty.ident,
                    "whoever has a narrowed address does not know this type: make it a parameter of the trait",
                );
                sound = false;
            }
            TraitItem::Const(constant) => {
                reader.errors.at(
                    &constant.ident,
                    "whoever has a narrowed address does not know this constant: make it a method",
                );
                sound = false;
            }
            // What the compiler makes of it.
            _ => {}
        }
    }
    reader.drop_clashes(&mut messages);
    sound.then(|| Protocol {
        name: item.ident.clone(),
        generics: without_self(&item.generics),
        messages,
    })
}

/// The generics without bounds on `Self`, which say something of the actors and nothing of the messages.
fn without_self(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    if let Some(clause) = generics.where_clause.take() {
        let kept: Vec<_> = (clause.predicates.into_iter())
            .filter(|predicate| !types::mentions(predicate.to_token_stream(), &self_name()))
            .collect();
        if !kept.is_empty() {
            generics.make_where_clause().predicates.extend(kept);
        }
    }
    generics
}

fn self_name() -> Ident {
    Ident::from(<Token![Self]>::default())
}

/// Checks what stands before the braces.
fn header(item: &ItemTrait, errors: &mut Errors) -> bool {
    let before = errors.count();
    if let Some(unsafety) = &item.unsafety {
        errors.at(
            unsafety,
            "a protocol is not `unsafe`: whoever sends a message cannot uphold a contract",
        );
    }
    for lifetime in item.generics.lifetimes() {
        errors.at(
            lifetime,
            "a message outlives the call that sends it, so a protocol cannot borrow: use owned types, or `'static`",
        );
    }
    errors.count() == before
}

/// Whether it says that it is no part of the trait object.
fn says_sized(function: &TraitItemFn) -> bool {
    let clause = function.sig.generics.where_clause.as_ref();
    clause.is_some_and(|clause| {
        (clause.predicates.iter())
            .any(|predicate| types::show(predicate).replace(' ', "") == "Self:Sized")
    })
}

/// Takes a method out of the trait object, which stays a type whatever the method is.
fn not_for_the_object(method: &mut TraitItemFn) {
    let clause = method.sig.generics.make_where_clause();
    clause
        .predicates
        .push(parse_quote!(Self: ::actor_core::Actor));
}

impl Reader<'_> {
    /// Reads a method as a message, and takes `#[priority(..)]` off. If it takes a context it gets the bound that makes
    /// `Cx<Self>` a type.
    fn protocol_message(&mut self, method: &mut TraitItemFn) -> Option<Message> {
        let before = self.errors.count();
        let priority = self.take_priority(&mut method.attrs);
        for attr in method.sig.inputs.iter().flat_map(from_attrs) {
            self.errors.at(
                attr,
                "`#[from]` is for the messages of an actor's own `impl` block: take it off",
            );
        }
        let mut has_context = false;
        for input in &method.sig.inputs {
            if let FnArg::Typed(arg) = input {
                if types::is_reference_to(&arg.ty, "Cx") {
                    has_context = true;
                } else {
                    self.no_self(&arg.ty);
                }
            }
        }
        if let Some(ty) = types::returned(&method.sig.output) {
            self.no_self(ty);
        }
        let message = self.message(&ImplItemFn {
            attrs: method.attrs.clone(),
            vis: Visibility::Public(Default::default()),
            defaultness: None,
            sig: method.sig.clone(),
            block: parse_quote!({}),
        });
        for input in &mut method.sig.inputs {
            if let FnArg::Typed(arg) = input {
                arg.attrs.retain(|attr: &Attribute| !is_from_attr(&attr));
            }
        }
        let sound = self.errors.count() == before;
        if has_context || !sound {
            not_for_the_object(method);
        }
        let mut message = message.filter(|_| sound)?;
        message.urgent = priority.is_some_and(|(_, urgent)| urgent);
        Some(message)
    }

    /// Reports `Self` in a type that travels: it would be another type for each actor.
    fn no_self(&mut self, ty: &Type) {
        if types::mentions(ty.to_token_stream(), &self_name()) {
            let object = types::show(self.ty);
            let advice = match types::is_named(ty, "Addr") {
                true => format!("write `AddrOf<{object}>` instead of `{}`", types::show(ty)),
                false => "write a type that all have in common".to_owned(),
            };
            self.errors.at(
                ty,
                format_args!("a message of a protocol is the same for every actor, and `Self` is not: {advice}"),
            );
        }
    }
}

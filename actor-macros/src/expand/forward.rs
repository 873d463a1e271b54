//! The view of an ask that is handed on: what `reply.forward(&addr)` returns.
//!
//! It is generic over what the asker waits for, and a message is a method of it only for its own answer: so one with another
//! answer does not compile.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{GenericParam, Generics, Ident, parse_quote};

use super::messages::{self, EnumType};
use super::{Side, answered, quiet};
use crate::model::{Actor, Message};

/// The view's name, and its parameter for the answer, which none of the user's is called.
fn names(actor: &Actor) -> (Ident, Ident) {
    (
        format_ident!("{}Forward", actor.name),
        format_ident!("__Answer"),
    )
}

/// The parameters of the view but the answer: the address's lifetime, then the actor's own.
fn parameters(actor: &Actor) -> Generics {
    let mut generics = actor.generics.clone();
    generics.params.insert(0, parse_quote!('addr));
    generics
}

/// The parameters as arguments.
fn arguments(generics: &Generics) -> Vec<TokenStream> {
    let argument = |param: &GenericParam| match param {
        GenericParam::Lifetime(param) => {
            let lifetime = &param.lifetime;
            quote!(#lifetime)
        }
        GenericParam::Type(param) => {
            let name = &param.ident;
            quote!(#name)
        }
        GenericParam::Const(param) => {
            let name = &param.ident;
            quote!(#name)
        }
    };
    generics.params.iter().map(argument).collect()
}

/// `type Forward<'a, T> = CounterForward<'a, T>;`
pub(super) fn associated_type(actor: &Actor) -> TokenStream {
    let (name, answer) = names(actor);
    let arguments = arguments(&parameters(actor));
    quote!(type Forward<'addr, #answer> = #name<#(#arguments,)* #answer>;)
}

pub(super) fn view(actor: &Actor, side: &Side<'_>, message: &EnumType) -> TokenStream {
    let (name, answer) = names(actor);
    let ty = &actor.ty;
    let doc = format!(
        "The messages of [`{}`], behind `reply.forward(&addr)`. Each method hands the ask on with its message, whose handler \
         answers it.",
        actor.name
    );
    let parameters = parameters(actor);
    let arguments = arguments(&parameters);
    let mut all = parameters.clone();
    all.params.push(parse_quote!(#answer));
    let (impl_generics, type_generics, where_clause) = all.split_for_impl();
    let methods =
        (side.messages.iter()).map(|m| method(side, &name, &parameters, &arguments, message, m));
    let quiet = quiet();
    quote! {
        #[doc = #doc]
        #quiet
        #[must_use = "a view sends nothing by itself: call one of its methods"]
        pub struct #name #impl_generics #where_clause {
            forward: ::actor_core::Forward<'addr, #ty, #answer>,
        }

        #[automatically_derived]
        #quiet
        impl #impl_generics ::core::convert::From<::actor_core::Forward<'addr, #ty, #answer>>
            for #name #type_generics #where_clause
        {
            fn from(forward: ::actor_core::Forward<'addr, #ty, #answer>) -> Self {
                Self { forward }
            }
        }

        #(#methods)*
    }
}

fn method(
    side: &Side<'_>,
    view: &Ident,
    parameters: &Generics,
    arguments: &[TokenStream],
    message_type: &EnumType,
    message: &Message,
) -> TokenStream {
    let Message {
        method,
        vis,
        cfgs,
        notes,
        answer,
        ..
    } = message;
    let summary = messages::docs(side, message);
    let more = [
        "Whoever waits for the answer gets this message's.",
        "# Errors",
        "If the actor is dead, or its mailbox full and this is not to wait. The error gives message and port back.",
    ];
    let more = more.iter().flat_map(|line| ["", line]);
    let params = message.fields().map(|field| {
        let (name, ty) = (&field.name, &field.ty);
        quote!(#name: #ty)
    });
    let (msg_ty, value) = (message_type.ty(), message_type.construct(message));
    let answer = answered(answer);
    let (impl_generics, _, where_clause) = parameters.split_for_impl();
    let quiet = quiet();
    quote! {
        #(#cfgs)*
        #quiet
        impl #impl_generics #view<#(#arguments,)* #answer> #where_clause {
            #summary
            #(#[doc = #more])*
            #(#notes)*
            #vis fn #method(self, #(#params),*)
                -> ::core::result::Result<(), ::actor_core::ForwardError<#msg_ty, #answer>>
            {
                self.forward.send(#value)
            }
        }
    }
}

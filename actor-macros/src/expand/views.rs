//! The views of an address: what `tell()`, `try_tell()`, `ask()` and `request()` return.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, parse_quote};

use super::messages::{self, EnumType};
use super::{Side, quiet};
use crate::model::{Answer, Message};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Tell,
    TryTell,
    Ask,
    Request,
}

const VERBS: [Verb; 4] = [Verb::Tell, Verb::TryTell, Verb::Ask, Verb::Request];

impl Verb {
    /// The associated type of `Actor`; with the actor's name before it, the view's name.
    fn name(self) -> &'static str {
        match self {
            Self::Tell => "Tell",
            Self::TryTell => "TryTell",
            Self::Ask => "Ask",
            Self::Request => "Request",
        }
    }

    /// The method of `Addr` that returns the view.
    fn accessor(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::TryTell => "try_tell",
            Self::Ask => "ask",
            Self::Request => "request",
        }
    }

    /// What is said of the view.
    fn about(self) -> &'static str {
        match self {
            Self::Tell => {
                "Each method puts its message into the mailbox, waiting while that is full."
            }
            Self::TryTell => "Each method puts its message into the mailbox, and never waits.",
            Self::Ask => "Each method sends its message and waits for the answer.",
            Self::Request => "Each method sends its message; what it returns waits for the answer.",
        }
    }

    /// What is said of each method, after the user's summary.
    fn method_docs(self, fallible: bool) -> &'static [&'static str] {
        match (self, fallible) {
            (Self::Tell, _) => &[
                "Waits while the mailbox is full, and not for the message to be handled.",
                "# Errors",
                "If the actor is dead. The error gives the message back.",
            ],
            (Self::TryTell, _) => &[
                "Does not wait.",
                "# Errors",
                "If the mailbox is full or the actor dead. The error gives the message back.",
            ],
            (Self::Ask, false) => &[
                "Waits for the answer.",
                "# Errors",
                "If there is no answer: the actor is dead or failed, or the deadline passed.",
            ],
            (Self::Ask, true) => &[
                "Waits for the answer.",
                "# Errors",
                "If the handler answers with an error (`AskError::Handler`), or there is no answer: the actor is dead or \
                 failed, or the deadline passed.",
            ],
            (Self::Request, _) => {
                &["Does not wait for the answer: what is returned does, and has the errors."]
            }
        }
    }

    fn view(self, side: &Side<'_>) -> Ident {
        format_ident!("{}{}", side.name, self.name())
    }
}

/// The parameters of a view: the address's lifetime, then the user's own. It is not called `'a`, which types of the
/// user's may well bind (`dyn for<'a> Fn(&'a str)`) and must not shadow.
fn generics(side: &Side<'_>) -> Generics {
    let mut generics = side.generics.clone();
    generics.params.insert(0, parse_quote!('addr));
    generics
}

/// `type Tell<'a> = CounterTell<'a>;` and so on.
pub(super) fn associated_types(side: &Side<'_>) -> TokenStream {
    let generics = generics(side);
    let (_, type_generics, _) = generics.split_for_impl();
    let types = VERBS.iter().map(|verb| {
        let (name, view) = (format_ident!("{}", verb.name()), verb.view(side));
        quote!(type #name<'addr> = #view #type_generics;)
    });
    types.collect()
}

pub(super) fn all(side: &Side<'_>, message: &EnumType) -> TokenStream {
    (VERBS.iter())
        .map(|verb| view(*verb, side, message))
        .collect()
}

fn view(verb: Verb, side: &Side<'_>, message: &EnumType) -> TokenStream {
    let name = verb.view(side);
    let address = &side.address;
    let doc = format!(
        "The messages of [`{}`], behind `addr.{}()`. {}",
        side.name,
        verb.accessor(),
        verb.about()
    );
    let generics = generics(side);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let is_ask = verb == Verb::Ask;
    let (within_field, no_within) = match is_ask {
        true => (
            Some(quote!(within: ::core::option::Option<::core::time::Duration>,)),
            Some(quote!(within: ::core::option::Option::None,)),
        ),
        false => (None, None),
    };
    let within = is_ask.then(within);
    let methods = (side.messages.iter()).map(|m| method(verb, side, message, m));
    let quiet = quiet();
    quote! {
        #[doc = #doc]
        #quiet
        #[must_use = "a view sends nothing by itself: call one of its methods"]
        pub struct #name #impl_generics #where_clause {
            addr: &'addr #address,
            #within_field
        }

        #[automatically_derived]
        #quiet
        impl #impl_generics ::core::convert::From<&'addr #address> for #name #type_generics #where_clause {
            fn from(addr: &'addr #address) -> Self {
                Self { addr, #no_within }
            }
        }

        #quiet
        impl #impl_generics #name #type_generics #where_clause {
            #within
            #(#methods)*
        }
    }
}

/// The one method that is not a message.
fn within() -> TokenStream {
    quote! {
        /// Waits no longer than `limit` for the answer, counted from the call that asks.
        #[must_use = "this sets the deadline of the call that follows"]
        pub fn within(mut self, limit: ::core::time::Duration) -> Self {
            self.within = ::core::option::Option::Some(limit);
            self
        }
    }
}

fn method(verb: Verb, side: &Side<'_>, message_type: &EnumType, message: &Message) -> TokenStream {
    let Message {
        method,
        vis,
        cfgs,
        notes,
        answer,
        ..
    } = message;
    let summary = messages::docs(side, message);
    let more = verb
        .method_docs(matches!(answer, Answer::Fallible(_)))
        .iter()
        .flat_map(|line| ["", line]);
    let params = message.fields().map(|field| {
        let (name, ty) = (&field.name, &field.ty);
        quote!(#name: #ty)
    });
    let msg_ty = message_type.ty();
    let value = message_type.construct(message);
    let (returns, call) = match verb {
        Verb::Tell | Verb::TryTell => {
            let send = format_ident!("__{}", verb.accessor());
            (
                quote!(::core::result::Result<(), ::actor_core::TellError<#msg_ty>>),
                quote!(#send(#value)),
            )
        }
        Verb::Ask | Verb::Request => {
            let (ok, error) = halves(answer);
            let flat = if error.is_some() { "_result" } else { "" };
            let send = format_ident!("__{}{}", verb.accessor(), flat);
            match verb {
                Verb::Ask => (
                    quote!(::core::result::Result<#ok, ::actor_core::AskError<#msg_ty #error>>),
                    quote!(#send::<#ok #error>(#value, self.within)),
                ),
                _ => (
                    quote!(::actor_core::Pending<#ok, #msg_ty #error>),
                    quote!(#send::<#ok #error>(#value)),
                ),
            }
        }
    };
    quote! {
        #(#cfgs)*
        #summary
        #(#[doc = #more])*
        #(#notes)*
        #vis fn #method(&self, #(#params),*) -> #returns {
            self.addr.#call
        }
    }
}

/// What an ask gives for this answer; and with a comma before it, the handler's own error.
///
/// The halves of a `Result` are found by a trait, which also sees through an alias such as `io::Result<T>`.
fn halves(answer: &Answer) -> (TokenStream, Option<TokenStream>) {
    match answer {
        Answer::Nothing => (quote!(()), None),
        Answer::Value(ty) => (quote!(#ty), None),
        Answer::Fallible(ty) => (
            quote_spanned!(ty.span()=> ::actor_core::__private::OkOf<#ty>),
            Some(quote_spanned!(ty.span()=> , ::actor_core::__private::ErrOf<#ty>)),
        ),
    }
}

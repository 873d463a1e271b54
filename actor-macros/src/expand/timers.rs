//! The views of messages that time sends: what `addr.after(delay)` and `addr.every(period)` return.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::messages::{self, EnumType};
use super::{Side, local, quiet};
use crate::model::{Actor, Field, Message};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    After,
    Every,
}

impl Verb {
    /// What it is called: the associated type, and the type that sets the timer. With the actor's name before it, the view.
    fn name(self) -> Ident {
        match self {
            Self::After => format_ident!("After"),
            Self::Every => format_ident!("Every"),
        }
    }

    fn view(self, of: &Ident) -> Ident {
        format_ident!("{of}{}", self.name())
    }

    /// What is said of the view.
    fn about(self) -> &'static str {
        match self {
            Self::After => {
                "behind `addr.after(delay)`. Each method sends its message after that delay."
            }
            Self::Every => {
                "behind `addr.every(period)`. Each method sends its message again and again, with clones of its parameters."
            }
        }
    }

    /// What is said of each method, after the user's summary.
    fn method_docs(self) -> &'static str {
        match self {
            Self::After => {
                "Returns at once; the message comes when it is time, unless the timer is cancelled."
            }
            Self::Every => {
                "Returns at once; a message comes whenever it is time, until the timer is cancelled."
            }
        }
    }
}

const VERBS: [Verb; 2] = [Verb::After, Verb::Every];

/// `type After = CounterAfter;` and so on.
pub(super) fn associated_types(actor: &Actor) -> TokenStream {
    let (_, type_generics, _) = actor.generics.split_for_impl();
    let types = VERBS.iter().map(|verb| {
        let (name, view) = (verb.name(), verb.view(&actor.name));
        quote!(type #name = #view #type_generics;)
    });
    types.collect()
}

pub(super) fn views(side: &Side<'_>, message: &EnumType, ty: &Type) -> TokenStream {
    VERBS
        .iter()
        .map(|verb| view(*verb, side, message, ty))
        .collect()
}

fn view(verb: Verb, side: &Side<'_>, message: &EnumType, ty: &Type) -> TokenStream {
    let (view, name) = (verb.view(side.name), verb.name());
    let doc = format!("The messages of [`{}`], {}", side.name, verb.about());
    let (impl_generics, type_generics, where_clause) = side.generics.split_for_impl();
    let methods = (side.messages.iter()).map(|m| method(verb, side, message, m));
    let quiet = quiet();
    quote! {
        #[doc = #doc]
        #quiet
        #[must_use = "a view sets nothing by itself: call one of its methods"]
        pub struct #view #impl_generics #where_clause {
            timing: ::actor_core::#name<#ty>,
        }

        #[automatically_derived]
        #quiet
        impl #impl_generics ::core::convert::From<::actor_core::#name<#ty>> for #view #type_generics #where_clause {
            fn from(timing: ::actor_core::#name<#ty>) -> Self {
                Self { timing }
            }
        }

        #quiet
        impl #impl_generics #view #type_generics #where_clause {
            #(#methods)*
        }
    }
}

fn method(verb: Verb, side: &Side<'_>, message_type: &EnumType, message: &Message) -> TokenStream {
    let Message {
        method,
        vis,
        cfgs,
        notes,
        ..
    } = message;
    let summary = messages::docs(side, message);
    let more = ["", verb.method_docs()];
    let params = message.fields().map(|field| {
        let (name, ty) = (&field.name, &field.ty);
        quote!(#name: #ty)
    });
    let value = message_type.construct(message);
    let lifetime = (verb == Verb::Every).then(|| quote!(<'__clone>));
    let (bounds, call) = match verb {
        Verb::After => (None, quote!(set(#value))),
        Verb::Every => {
            let names = message.fields().map(|field| &field.name);
            let bounds = message.fields().map(is_clone);
            let msg = local("msg");
            (
                Some(quote!(where #(#bounds),*)),
                quote! {
                    __set_cloned(#value, |#msg| match #msg {
                        #value => {
                            #(#[allow(unused_variables)] let #names = ::actor_core::__private::plain::CloneField::clone_field(#names);)*
                            #value
                        }
                        _ => ::core::unreachable!(),
                    })
                },
            )
        }
    };
    quote! {
        #(#cfgs)*
        #summary
        #(#[doc = #more])*
        #(#notes)*
        #vis fn #method #lifetime (self, #(#params),*) -> ::actor_core::Timer #bounds {
            self.timing.#call
        }
    }
}

/// The bound on a parameter, said so that it is looked at where the method is called and not here: a message that cannot be
/// repeated is no error before somebody wants to repeat it. (A bound that names nothing of the method's own would be checked on
/// the spot; hence the lifetime.)
fn is_clone(field: &Field) -> TokenStream {
    let ty = &field.ty;
    quote_spanned!(ty.span()=> #ty: ::actor_core::__private::plain::CloneField<'__clone>)
}

//! The message enum: one variant for each message method, with its parameters as fields.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Generics, Visibility};

use super::quiet;
use crate::model::{Actor, Message};
use crate::types;

/// The enum's name and what it is generic over.
///
/// That is the part of the `impl` block's parameters which the fields mention, so that the enum holds nothing but
/// messages: one over all parameters would need a variant that nobody can build, and everyone who matches sees.
pub(super) struct MessageType {
    name: Ident,
    generics: Generics,
}

impl MessageType {
    pub(super) fn new(actor: &Actor, messages: &[Message]) -> Self {
        let fields = messages
            .iter()
            .flat_map(Message::fields)
            .map(|field| &field.ty);
        Self {
            name: format_ident!("{}Msg", actor.name),
            generics: types::generics_used(&actor.generics, &quote!(#(#fields),*)),
        }
    }

    /// As a type.
    pub(super) fn ty(&self) -> TokenStream {
        let name = &self.name;
        let (_, type_generics, _) = self.generics.split_for_impl();
        quote!(#name #type_generics)
    }

    /// The value of `message` from variables called as its fields; also the pattern that binds them.
    pub(super) fn construct(&self, message: &Message) -> TokenStream {
        let name = &self.name;
        let variant = &message.variant;
        let fields = message.fields().map(|field| &field.name);
        quote!(#name::#variant { #(#fields),* })
    }

    /// The pattern for `message` that binds nothing.
    pub(super) fn pattern(&self, message: &Message) -> TokenStream {
        let name = &self.name;
        let variant = &message.variant;
        quote!(#name::#variant { .. })
    }

    pub(super) fn enumeration(&self, actor: &Actor, messages: &[Message]) -> TokenStream {
        let Self { name, generics } = self;
        let doc = format!(
            "The messages of [`{0}`]: one variant for each of its public methods.",
            actor.name
        );
        let variants = messages.iter().map(|message| {
            let Message {
                variant,
                method,
                cfgs,
                notes,
                ..
            } = message;
            let docs = docs(
                message,
                &format!("The message [`{method}`]({}::{method}).", actor.name),
            );
            // A variant is as public as its enum: this one is not to be named by all who could.
            let hidden =
                (!matches!(message.vis, Visibility::Public(_))).then(|| quote!(#[doc(hidden)]));
            let fields = message.fields().map(|field| {
                let (name, ty) = (&field.name, &field.ty);
                let doc = format!("The parameter `{name}`.");
                quote!(#[doc = #doc] #name: #ty)
            });
            quote! {
                #(#cfgs)*
                #docs
                #(#notes)*
                #hidden
                #variant { #(#fields),* }
            }
        });
        let quiet = quiet();
        let where_clause = &generics.where_clause;
        quote! {
            #[doc = #doc]
            #quiet
            pub enum #name #generics #where_clause {
                #(#variants),*
            }
        }
    }
}

/// The user's summary, or `instead` if there is none.
pub(super) fn docs(message: &Message, instead: &str) -> TokenStream {
    let summary = &message.summary;
    match summary.is_empty() {
        true => quote!(#[doc = #instead]),
        false => quote!(#(#[doc = #summary])*),
    }
}

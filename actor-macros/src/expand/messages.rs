//! The two enums: of the messages, with their parameters as fields, and of the answers to them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, Visibility};

use super::{Side, local, quiet};
use crate::model::{Field, Message};
use crate::types;

/// An enum's name and what it is generic over.
///
/// That is the part of the user's parameters which the fields mention, so that the enum holds nothing but messages (or
/// answers): one over all parameters would need a variant that nobody can build, and everyone who matches sees.
pub(super) struct EnumType {
    name: Ident,
    generics: Generics,
}

impl EnumType {
    pub(super) fn messages(side: &Side<'_>) -> Self {
        let fields = (side.messages.iter())
            .flat_map(Message::fields)
            .map(|field| &field.ty);
        let spoken = side.spoken.iter().map(|spoken| spoken.assoc("Msg"));
        Self {
            name: format_ident!("{}Msg", side.name),
            generics: types::generics_used(side.generics, &quote!(#(#fields,)* #(#spoken),*)),
        }
    }

    pub(super) fn replies(side: &Side<'_>) -> Self {
        let answers = (side.messages.iter()).filter_map(|message| message.answer.ty());
        let spoken = side.spoken.iter().map(|spoken| spoken.assoc("Reply"));
        Self {
            name: format_ident!("{}Reply", side.name),
            generics: types::generics_used(side.generics, &quote!(#(#answers,)* #(#spoken),*)),
        }
    }

    /// As a type.
    pub(super) fn ty(&self) -> TokenStream {
        let name = &self.name;
        let (_, type_generics, _) = self.generics.split_for_impl();
        quote!(#name #type_generics)
    }

    /// A variant, as a path.
    pub(super) fn variant(&self, variant: &Ident) -> TokenStream {
        let name = &self.name;
        quote!(#name::#variant)
    }

    /// The value of `message` from variables called as its fields; also the pattern that binds them.
    pub(super) fn construct(&self, message: &Message) -> TokenStream {
        let variant = self.variant(&message.variant);
        let fields = message.fields().map(|field| &field.name);
        quote!(#variant { #(#fields),* })
    }

    fn enumeration(&self, doc: &str, variants: &TokenStream) -> TokenStream {
        let Self { name, generics } = self;
        let quiet = quiet();
        let where_clause = &generics.where_clause;
        quote! {
            #[doc = #doc]
            #[doc = ""]
            #[doc = "It is `Clone`, and serde's `Serialize` and `Deserialize`, if all types in it are. `Debug` shows `..` for what is not."]
            #quiet
            #[derive(::actor_core::__private::PlainData)]
            pub enum #name #generics #where_clause {
                #variants
            }
        }
    }
}

/// The message enum.
pub(super) fn enumeration(side: &Side<'_>, message_type: &EnumType) -> TokenStream {
    let doc = format!(
        "The messages of [`{}`]: one variant for each of its public methods.",
        side.name
    );
    let variants = side.messages.iter().map(|message| {
        let head = head(side, message);
        let variant = &message.variant;
        let mut fields = message.fields().peekable();
        let has_fields = fields.peek().is_some();
        let fields = fields.map(|field| {
            let (name, ty) = (&field.name, &field.ty);
            let doc = format!("The parameter `{name}`.");
            quote!(#[doc = #doc] #name: #ty)
        });
        let fields = has_fields.then(|| quote!({ #(#fields),* }));
        let skipped = (!message.kept).then(|| quote!(#[plain(skip)]));
        quote!(#head #skipped #variant #fields,)
    });
    let spoken = side.spoken.iter().map(|spoken| {
        let (variant, ty) = (&spoken.variant, spoken.assoc("Msg"));
        let doc = format!(
            "A message of the protocol [`{}`].",
            types::show(&spoken.path)
        );
        quote!(#[doc = #doc] #variant(#ty),)
    });
    message_type.enumeration(&doc, &quote!(#(#variants)* #(#spoken)*))
}

/// The reply enum.
pub(super) fn replies(side: &Side<'_>, reply_type: &EnumType) -> TokenStream {
    let doc = format!(
        "The answers to the messages of [`{}`]: one variant for each, with what the method returns. `addr.call(message)` \
         gives one.",
        side.name
    );
    let variants = side.messages.iter().map(|message| {
        let head = head(side, message);
        let variant = &message.variant;
        let answer = message.answer.ty().map(|ty| quote!((#ty)));
        quote!(#head #variant #answer,)
    });
    let spoken = side.spoken.iter().map(|spoken| {
        let (variant, ty) = (&spoken.variant, spoken.assoc("Reply"));
        let doc = format!(
            "An answer of the protocol [`{}`].",
            types::show(&spoken.path)
        );
        quote!(#[doc = #doc] #variant(#ty),)
    });
    reply_type.enumeration(&doc, &quote!(#(#variants)* #(#spoken)*))
}

/// What stands before a variant's name.
fn head(side: &Side<'_>, message: &Message) -> TokenStream {
    let Message { cfgs, notes, .. } = message;
    let docs = docs(side, message);
    // A variant is as public as its enum: this one is not to be named by all who could.
    let hidden = (!matches!(message.vis, Visibility::Public(_))).then(|| quote!(#[doc(hidden)]));
    quote! {
        #(#cfgs)*
        #docs
        #(#notes)*
        #hidden
    }
}

/// The user's summary of the method, or where to look if there is none.
pub(super) fn docs(side: &Side<'_>, message: &Message) -> TokenStream {
    let summary = &message.summary;
    if summary.is_empty() {
        let (method, of) = (&message.method, side.name);
        let instead = format!("The message [`{method}`]({of}::{method}).");
        quote!(#[doc = #instead])
    } else {
        quote!(#(#[doc = #summary])*)
    }
}

/// The conversions between the message enum and what makes one of its messages: the messages of a protocol, or the parameter
/// marked `#[from]`.
pub(super) fn conversions(side: &Side<'_>, message_type: &EnumType) -> TokenStream {
    let (value, other) = (local("value"), local("other"));
    let spoken = side.spoken.iter().map(|spoken| {
        let variant = message_type.variant(&spoken.variant);
        let pattern = quote!(#variant(#value));
        conversion(message_type, &spoken.assoc("Msg"), &pattern, &value, &other)
    });
    let from = |message: &Message, field: &Field| {
        let (variant, name) = (message_type.variant(&message.variant), &field.name);
        let pattern = quote!(#variant { #name: #value });
        let cfgs = &message.cfgs;
        let ty = field.ty.to_token_stream();
        let [wrap, unwrap] = conversion(message_type, &ty, &pattern, &value, &other);
        quote!(#(#cfgs)* #wrap #(#cfgs)* #unwrap)
    };
    let marked = side.messages.iter().flat_map(|message| {
        let fields = message.fields().filter(|field| field.is_from);
        fields.map(move |field| from(message, field))
    });
    let marked: TokenStream = marked.collect();
    quote!(#(#(#spoken)*)* #marked)
}

/// Two impls: from `ty`, and back.
fn conversion(
    message_type: &EnumType,
    ty: &TokenStream,
    pattern: &TokenStream,
    value: &Ident,
    other: &Ident,
) -> [TokenStream; 2] {
    let quiet = quiet();
    let message = message_type.ty();
    let (impl_generics, _, where_clause) = message_type.generics.split_for_impl();
    let wrap = quote_spanned! {ty.span()=>
        #[automatically_derived]
        #quiet
        impl #impl_generics ::core::convert::From<#ty> for #message #where_clause {
            fn from(#value: #ty) -> Self {
                #pattern
            }
        }
    };
    let unwrap = quote_spanned! {ty.span()=>
        #[automatically_derived]
        #quiet
        impl #impl_generics ::core::convert::TryFrom<#message> for #ty #where_clause {
            type Error = #message;

            fn try_from(#value: #message) -> ::core::result::Result<Self, #message> {
                match #value {
                    #pattern => ::core::result::Result::Ok(#value),
                    #other => ::core::result::Result::Err(#other),
                }
            }
        }
    };
    [wrap, unwrap]
}

/// `fn call`, of `Replies` and of `Protocol`: the message decides of what type the answer is.
pub(super) fn call(side: &Side<'_>, message_type: &EnumType, reply_type: &EnumType) -> TokenStream {
    let (addr, msg, within, error) = (local("addr"), local("msg"), local("within"), local("error"));
    let arms = side.messages.iter().map(|message| {
        let cfgs = &message.cfgs;
        let pattern = message_type.variant(&message.variant);
        let reply = reply_type.variant(&message.variant);
        let (ty, reply) = match message.answer.ty() {
            None => (quote!(()), quote!(|()| #reply)),
            Some(ty) => (ty.to_token_stream(), reply),
        };
        quote! {
            #(#cfgs)*
            #msg @ #pattern { .. } => ::core::result::Result::map(#addr.__ask::<#ty>(#msg, #within), #reply),
        }
    });
    let spoken = side.spoken.iter().map(|spoken| {
        let pattern = message_type.variant(&spoken.variant);
        let reply = reply_type.variant(&spoken.variant);
        let object = spoken.object();
        quote! {
            #pattern(#msg) => match <#object as ::actor_core::Protocol>::call(&#addr.narrow::<#object>(), #msg, #within) {
                ::core::result::Result::Ok(#msg) => ::core::result::Result::Ok(#reply(#msg)),
                ::core::result::Result::Err(#error) => ::core::result::Result::Err(#error.map_message(#pattern)),
            },
        }
    });
    let (address, message, reply) = (&side.address, message_type.ty(), reply_type.ty());
    quote! {
        #[allow(unused_variables)]
        fn call(
            #addr: &#address,
            #msg: #message,
            #within: ::core::option::Option<::core::time::Duration>,
        ) -> ::core::result::Result<#reply, ::actor_core::AskError<#message>> {
            match #msg {
                #(#arms)*
                #(#spoken)*
            }
        }
    }
}

//! `#[actor]` on a type: its options.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemEnum, ItemStruct};

use crate::args;
use crate::diagnostics::Errors;
use crate::expand::unraw;
use crate::snapshot::{self, Options};

/// What may be an actor.
pub(crate) enum Definition {
    Struct(ItemStruct),
    Enum(ItemEnum),
}

impl ToTokens for Definition {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Struct(item) => item.to_tokens(tokens),
            Self::Enum(item) => item.to_tokens(tokens),
        }
    }
}

/// The implementation of `ActorOptions` for a type, with the user's definition before it.
pub(crate) fn expand(args: TokenStream, mut item: Definition) -> TokenStream {
    let mut errors = Errors::default();
    let args = args::of_type(args, &mut errors);
    let snapshot = snapshot(args.snapshot.as_ref(), &mut item, &mut errors);
    let (name, generics) = match &item {
        Definition::Struct(item) => (&item.ident, &item.generics),
        Definition::Enum(item) => (&item.ident, &item.generics),
    };
    for lifetime in generics.lifetimes() {
        errors.at(
            lifetime,
            "an actor outlives the code that spawns it, so it cannot borrow: own what it holds",
        );
    }
    // Each call has its argument's span, which is where the compiler reports that a constant is refused.
    let mailbox =
        (args.mailbox).map(|messages| quote_spanned!(messages.span()=> .mailbox(#messages)));
    let when_full = args.when_full.map(
        |(_, policy)| quote_spanned!(policy.span()=> .when_full(::actor_core::WhenFull::#policy)),
    );
    let stack = (args.stack).map(|bytes| quote_spanned!(bytes.span()=> .stack(#bytes)));
    let label = match args.name {
        Some(name) => quote_spanned!(name.span()=> .name(#name)),
        None => {
            let text = unraw(name);
            quote!(.name(#text))
        }
    };
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let errors = errors.into_tokens();
    quote! {
        #item
        #[automatically_derived]
        impl #impl_generics ::actor_core::ActorOptions for #name #type_generics #where_clause {
            const OPTIONS: ::actor_core::Options = {
                // A constant of its own is evaluated, and so checked, whether the actor is spawned or not.
                const OPTIONS: ::actor_core::Options = ::actor_core::Options::new() #mailbox #when_full #stack #label;
                OPTIONS
            };
        }
        #snapshot
        #errors
    }
}

/// What `snapshot` adds. The fields' attributes are taken off in any case.
fn snapshot(
    options: Option<&Options>,
    item: &mut Definition,
    errors: &mut Errors,
) -> Option<TokenStream> {
    match (options, item) {
        (Some(options), Definition::Struct(item)) => {
            let fields = snapshot::take_from_fields(&mut item.fields, errors);
            let sound = errors.count() == 0 && item.generics.lifetimes().next().is_none();
            sound.then(|| snapshot::expand(options, item, &fields))
        }
        (None, Definition::Struct(item)) => {
            snapshot::forbid(item.fields.iter_mut(), errors);
            None
        }
        (options, Definition::Enum(item)) => {
            let fields = item.variants.iter_mut().flat_map(|it| &mut it.fields);
            match options {
                Some(Options { key, .. }) => {
                    errors.at(
                        key,
                        "snapshots are of structs: put the enum into a field of one, or implement `Snapshot` for it by hand",
                    );
                    // All is said with that: what is wrong with the fields is none of it.
                    snapshot::forbid(fields, &mut Errors::default());
                }
                None => snapshot::forbid(fields, errors),
            }
            None
        }
    }
}

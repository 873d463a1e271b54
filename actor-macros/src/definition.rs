//! `#[actor]` on a type: its options.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, Ident};

use crate::args;
use crate::diagnostics::Errors;

/// The implementation of `ActorOptions` for a type, with the user's definition before it.
pub(crate) fn expand(
    args: TokenStream,
    item: impl ToTokens,
    name: &Ident,
    generics: &Generics,
) -> TokenStream {
    let mut errors = Errors::default();
    let args = args::of_type(args, &mut errors);
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
            let text = name.to_string();
            let text = text.trim_start_matches("r#");
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
        #errors
    }
}

//! `#[supervisor]`: a supervision tree declared as a struct.
//!
//! The same stages as those of `#[actor]`. *Parse* (`parse`, `options`, `values`) takes the attributes apart, into options that stand at the
//! user's tokens. The *model* holds only what can be expanded, and reading into it reports every mistake. *Expand* writes the
//! code: most of it is calls of functions in `actor_core::__private::tree`, so that types are checked by the compiler, at the
//! user's expression.
//!
//! The struct comes out again with its attributes taken off the fields and one field more, which holds the supervisor's
//! handle. It does so whatever is wrong, with methods of the right signatures, so that an editor goes on completing.

mod expand;
mod model;
mod options;
pub(crate) mod parse;
mod read;
mod values;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use crate::diagnostics::Errors;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut definition = match syn::parse2(item.clone()) {
        Ok(Item::Struct(definition)) => definition,
        Ok(other) => {
            errors.at(
                other,
                "`#[supervisor]` goes on a struct with a named field for each child",
            );
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let Some(tree) = read::tree(args, &mut definition, &mut errors) else {
        let errors = errors.into_tokens();
        return quote!(#definition #errors);
    };
    let sound = errors.count() == 0;
    let generated = expand::tree(&tree, &mut definition, sound);
    let errors = errors.into_tokens();
    quote!(#definition #generated #errors)
}

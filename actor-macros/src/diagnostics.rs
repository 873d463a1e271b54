//! All that is wrong with the user's code, collected and reported together.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The errors found so far. Reading goes on after an error, so that a program with three mistakes hears of three.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Reports `message` at the user's `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// Reports an error that knows its place.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// How many so far: whoever reads a part compares before and after to know whether the part is sound.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// As items that fail to compile with these messages.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}

//! The inside of `#[supervisor(..)]`, `#[child(..)]` and their like: options, after an expression perhaps.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token, Type, parenthesized, token};

use crate::diagnostics::Errors;

/// One option.
pub(crate) enum Opt {
    /// `transient`
    Word(Ident),
    /// `shutdown = "5s"`
    Value(Ident, Expr),
    /// `args(..)`
    List(Ident, TokenStream),
}

impl Opt {
    pub(crate) fn key(&self) -> &Ident {
        match self {
            Self::Word(key) | Self::Value(key, _) | Self::List(key, _) => key,
        }
    }
}

impl ToTokens for Opt {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.key().to_tokens(tokens);
    }
}

impl Parse for Opt {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: Ident = input.parse()?;
        if input.parse::<Option<Token![=]>>()?.is_some() {
            return Ok(Self::Value(key, input.parse()?));
        }
        if input.peek(token::Paren) {
            let list;
            parenthesized!(list in input);
            return Ok(Self::List(key, list.parse()?));
        }
        Ok(Self::Word(key))
    }
}

/// The options alone. One that is given twice is reported, and its second left out.
pub(crate) fn options(tokens: TokenStream, errors: &mut Errors) -> Vec<Opt> {
    match Punctuated::<Opt, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(options) => without_repetitions(options, errors),
        Err(error) => {
            errors.push(error);
            Vec::new()
        }
    }
}

/// An expression and then options.
pub(crate) fn expression_and_options(
    tokens: TokenStream,
    errors: &mut Errors,
) -> Option<(Expr, Vec<Opt>)> {
    let parser = |input: ParseStream<'_>| {
        let expr: Expr = input.parse()?;
        let mut options = Punctuated::new();
        if input.parse::<Option<Token![,]>>()?.is_some() {
            options = Punctuated::<Opt, Token![,]>::parse_terminated(input)?;
        } else if !input.is_empty() {
            return Err(input.error("a comma belongs between the expression and the options"));
        }
        Ok((expr, options))
    };
    match parser.parse2(tokens) {
        Ok((expr, options)) => Some((expr, without_repetitions(options, errors))),
        Err(error) => {
            errors.push(error);
            None
        }
    }
}

fn without_repetitions(options: Punctuated<Opt, Token![,]>, errors: &mut Errors) -> Vec<Opt> {
    let mut kept: Vec<Opt> = Vec::new();
    for option in options {
        if kept.iter().any(|earlier| earlier.key() == option.key()) {
            errors.at(&option, format_args!("`{}` is given twice", option.key()));
        } else {
            kept.push(option);
        }
    }
    kept
}

/// `args(dir: PathBuf, shards: usize)`: the parameters of a tree.
pub(crate) fn parameters(tokens: TokenStream, errors: &mut Errors) -> Vec<(Ident, Type)> {
    let one = |input: ParseStream<'_>| -> syn::Result<_> {
        let name: Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok((name, input.parse::<Type>()?))
    };
    let all = |input: ParseStream<'_>| -> syn::Result<_> {
        let mut parameters = Vec::new();
        while !input.is_empty() {
            parameters.push(one(input)?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(parameters)
    };
    all.parse2(tokens.clone()).unwrap_or_else(|_| {
        errors.at(
            tokens,
            "these are the tree's parameters: write `args(dir: PathBuf, shards: usize)`",
        );
        Vec::new()
    })
}

/// `args(dir.join("work"), 3)`: what an inner tree is started with.
pub(crate) fn arguments(tokens: TokenStream, errors: &mut Errors) -> Vec<Expr> {
    match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(arguments) => arguments.into_iter().collect(),
        Err(error) => {
            errors.push(error);
            Vec::new()
        }
    }
}

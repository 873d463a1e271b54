//! `select!`: an array of arms, a call that says which was done, and a `match` on its outcome.
//!
//! *Parse*: the arms, and at most one end of the wait. *Expand*: the arms are variables of a block whose value is the outcome
//! of one of them, so that nothing is borrowed any more when its body runs, and the body is no closure: it may `break` and
//! `return`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Pat, Token, parenthesized};

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2::<Select>(input) {
        Ok(select) => select.expand(),
        Err(error) => error.to_compile_error(),
    }
}

pub(crate) struct Select {
    pub(crate) biased: bool,
    pub(crate) arms: Vec<Arm>,
    pub(crate) end: Option<End>,
}

/// An operation.
pub(crate) struct Arm {
    pub(crate) kind: Kind,
    pub(crate) pattern: Option<Pat>,
    pub(crate) body: Expr,
}

pub(crate) enum Kind {
    Recv(Expr),
    Send(Expr, Expr),
    SendFrom(Expr, Expr),
    Ready(Expr),
}

/// What ends the wait if no arm does.
pub(crate) struct End {
    pub(crate) limit: Limit,
    pub(crate) body: Expr,
}

pub(crate) enum Limit {
    Now,
    For(Expr),
    Until(Expr),
}

const ARMS: &str = "expected an arm: `recv(&rx) -> msg => ..`, `send(&tx, value) -> sent => ..`, `ready(future) -> output => ..`, \
     `default => ..`, `default(duration) => ..` or `deadline(instant) => ..`";

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut select = Select {
            biased: false,
            arms: Vec::new(),
            end: None,
        };
        if input.peek(syn::Ident) && input.peek2(Token![;]) {
            let word: Ident = input.parse()?;
            if word != "biased" {
                return Err(syn::Error::new(word.span(), "expected `biased;` or an arm"));
            }
            input.parse::<Token![;]>()?;
            select.biased = true;
        }
        while !input.is_empty() {
            select.parse_arm(input)?;
        }
        if select.arms.is_empty() && select.end.is_none() {
            return Err(syn::Error::new(
                Span::call_site(),
                "a `select!` without arms would wait for ever",
            ));
        }
        Ok(select)
    }
}

impl Select {
    fn parse_arm(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // `default` is an identifier to syn, as the other words are.
        let word: Ident = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), ARMS))?;
        match word.to_string().as_str() {
            "default" | "deadline" => self.parse_end(&word, input),
            "recv" | "send" | "ready" => {
                if self.arms.len() == usize::from(u8::MAX) {
                    return Err(syn::Error::new(
                        word.span(),
                        "a `select!` has at most 255 arms: use `channel::Select`",
                    ));
                }
                self.arms.push(Arm::parse(&word, input)?);
                Ok(())
            }
            _ => Err(syn::Error::new(word.span(), ARMS)),
        }
    }

    fn parse_end(&mut self, word: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        if self.end.is_some() {
            return Err(syn::Error::new(
                word.span(),
                "a `select!` has one `default` or `deadline`, not two",
            ));
        }
        let limit = if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            let limit: Expr = content.parse()?;
            end_of(&content, "one expression in the parentheses")?;
            if word == "default" {
                Limit::For(limit)
            } else {
                Limit::Until(limit)
            }
        } else if word == "default" {
            Limit::Now
        } else {
            return Err(syn::Error::new(
                word.span(),
                "expected the instant: `deadline(instant) => ..`",
            ));
        };
        if input.peek(Token![->]) {
            return Err(input.error("a `default` gives nothing: write `=>` at once"));
        }
        let body = body(input)?;
        self.end = Some(End { limit, body });
        Ok(())
    }

    fn expand(&self) -> TokenStream {
        let path = quote!(::actor_core::channel::select);
        // Variables of the expansion are not seen by the user's code; its type is, so nobody must have one of that name.
        let site = Span::mixed_site();
        let output = Ident::new("output", site);
        let chosen = Ident::new("__SelectChosen", site);
        let variable = |n: usize| Ident::new(&format!("arm_{n}"), site);
        let variant = |n: usize| format_ident!("Arm{n}");
        let count = self.arms.len();
        let variables: Vec<_> = (0..count).map(variable).collect();
        let variants: Vec<_> = (0..count).map(variant).collect();
        let numbers = 0..count;

        let arms = self.arms.iter().map(|arm| match &arm.kind {
            Kind::Recv(source) => quote!(#path::recv(#source)),
            Kind::Send(sender, value) => quote!(#path::send(#sender, #value)),
            Kind::SendFrom(sender, slot) => quote!(#path::send_from(#sender, &mut #slot)),
            Kind::Ready(future) => quote!(#path::ready(::core::pin::pin!(#future))),
        });
        let (patience, otherwise) = match &self.end {
            Some(end) => {
                let patience = match &end.limit {
                    Limit::Now => quote!(None),
                    Limit::For(limit) => quote!(For(#limit)),
                    Limit::Until(limit) => quote!(Until(#limit)),
                };
                (patience, quote!(#chosen::End))
            }
            None => (
                quote!(Endless),
                quote!(::core::unreachable!("it waits as long as it takes")),
            ),
        };
        let biased = self.biased;
        let bodies = self.arms.iter().zip(&variants).map(|(arm, variant)| {
            let body = statements(&arm.body);
            match &arm.pattern {
                Some(pattern) => {
                    quote!(#chosen::#variant(#output) => { let #pattern = #output; #body })
                }
                None => quote!(#chosen::#variant(_) => { #body }),
            }
        });
        let end = match &self.end {
            Some(End { body, .. }) => {
                let body = statements(body);
                quote!(#chosen::End => { #body })
            }
            None => quote!(#chosen::End => ::core::unreachable!(),),
        };
        quote! {{
            #[allow(dead_code)]
            enum #chosen<#(#variants),*> { #(#variants(#variants),)* End }
            match {
                // As a `match`, so that what the expressions borrow from may be temporary; as a `let`, so that it is gone
                // before the body runs.
                let #output = match (#(#arms,)*) {
                    (#(mut #variables,)*) => match #path::run(
                        [#(#path::Arm::case(&mut #variables)),*],
                        #path::Patience::#patience,
                        #biased,
                    ) {
                        #(::core::option::Option::Some(#numbers) => #chosen::#variants(#path::Arm::output(&mut #variables)),)*
                        _ => #otherwise,
                    },
                };
                #output
            } {
                #(#bodies)*
                #end
            }
        }}
    }
}

impl Arm {
    fn parse(word: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(syn::token::Paren) {
            return Err(syn::Error::new(
                word.span(),
                format!("expected what to {word}, in parentheses: `{word}(..) -> result => ..`"),
            ));
        }
        let content;
        parenthesized!(content in input);
        let first: Expr = content.parse()?;
        let kind = match word.to_string().as_str() {
            "recv" => Kind::Recv(first),
            "ready" => Kind::Ready(first),
            _ => {
                if content.is_empty() {
                    return Err(syn::Error::new(
                        word.span(),
                        "expected what to send: `send(&tx, value) -> sent => ..`",
                    ));
                }
                content.parse::<Token![,]>()?;
                let from = content.peek(syn::Ident)
                    && !content.peek2(Token![.])
                    && content
                        .fork()
                        .parse::<Ident>()
                        .is_ok_and(|word| word == "from")
                    && !content.peek2(syn::token::Paren)
                    && !content.peek2(Token![,])
                    && !is_last(&content);
                if from {
                    content.parse::<Ident>()?;
                    Kind::SendFrom(first, content.parse()?)
                } else {
                    Kind::Send(first, content.parse()?)
                }
            }
        };
        end_of(&content, "nothing more in the parentheses")?;
        let pattern = if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            Some(Pat::parse_multi_with_leading_vert(input)?)
        } else {
            None
        };
        let body = body(input)?;
        Ok(Arm {
            kind,
            pattern,
            body,
        })
    }
}

/// A body, for the end of a block.
fn statements(body: &Expr) -> TokenStream {
    match body {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => {
            let statements = &block.block.stmts;
            quote!(#(#statements)*)
        }
        other => quote!(#other),
    }
}

/// Whether one token is left.
fn is_last(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<proc_macro2::TokenTree>().is_ok() && ahead.is_empty()
}

/// A trailing comma is allowed, and nothing else.
fn end_of(content: ParseStream<'_>, expected: &str) -> syn::Result<()> {
    if content.peek(Token![,]) {
        content.parse::<Token![,]>()?;
    }
    if content.is_empty() {
        Ok(())
    } else {
        Err(content.error(format!("expected {expected}")))
    }
}

/// `=> expression,`: the comma may be left out after a block, and at the end.
fn body(input: ParseStream<'_>) -> syn::Result<Expr> {
    input.parse::<Token![=>]>()?;
    let body = if input.peek(syn::token::Brace) {
        let block: syn::ExprBlock = input.parse()?;
        Expr::Block(block)
    } else {
        input.parse()?
    };
    let optional = matches!(body, Expr::Block(_)) || input.is_empty();
    if input.peek(Token![,]) || !optional {
        input.parse::<Token![,]>()?;
    }
    Ok(body)
}

//! The arguments of `#[actor(..)]`: `key = value`, separated by commas.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, Path, Token, Type, bracketed, parenthesized, token};

use crate::diagnostics::Errors;
use crate::snapshot;

/// What `#[actor(..)]` on a type sets.
#[derive(Default)]
pub(crate) struct TypeArgs {
    pub(crate) mailbox: Option<Expr>,
    /// The key (for errors) and the variant of `WhenFull`.
    pub(crate) when_full: Option<(Ident, Ident)>,
    pub(crate) stack: Option<Expr>,
    pub(crate) name: Option<Expr>,
    pub(crate) snapshot: Option<snapshot::Options>,
}

/// What `#[actor(..)]` on an `impl` block sets.
#[derive(Default)]
pub(crate) struct ImplArgs {
    /// The key (for errors) and the message type of a `run` body.
    pub(crate) message: Option<(Ident, Type)>,
    /// The key (for errors) and the traits that are its protocols.
    pub(crate) protocols: Option<(Ident, Vec<Path>)>,
}

/// `[A, b::B<C>]`
struct Paths(Vec<Path>);

impl Parse for Paths {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let inside;
        bracketed!(inside in input);
        let paths = Punctuated::<Path, Token![,]>::parse_terminated(&inside)?;
        Ok(Self(paths.into_iter().collect()))
    }
}

/// One `key = value`, with the value unread: what it is depends on the key. Or `key`, or `key(..)`.
struct Arg {
    key: Ident,
    value: TokenStream,
    list: Option<TokenStream>,
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: Ident = input.parse()?;
        let mut value = TokenStream::new();
        let mut list = None;
        if key == "snapshot" && input.peek(token::Paren) {
            let inside;
            parenthesized!(inside in input);
            list = Some(inside.parse()?);
        }
        if input.parse::<Option<Token![=]>>()?.is_some() {
            // Commas inside generic arguments belong to the value; those inside brackets are in a group anyway.
            let mut depth = 0_usize;
            while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
                if input.peek(Token![<]) {
                    depth += 1;
                } else if input.peek(Token![>]) {
                    depth = depth.saturating_sub(1);
                }
                input
                    .parse::<proc_macro2::TokenTree>()?
                    .to_tokens(&mut value);
            }
        }
        Ok(Self { key, value, list })
    }
}

/// Splits the arguments, reporting what has not the form `key = value` and what is said twice.
fn split(args: TokenStream, errors: &mut Errors) -> Vec<Arg> {
    let args = match Punctuated::<Arg, Token![,]>::parse_terminated.parse2(args) {
        Ok(args) => args,
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    let mut seen: Vec<Arg> = Vec::new();
    for arg in args {
        if seen.iter().any(|earlier| earlier.key == arg.key) {
            errors.at(&arg.key, format_args!("`{}` is given twice", arg.key));
        } else {
            seen.push(arg);
        }
    }
    seen
}

/// Reads the value of `arg`, or reports what is wrong with it.
fn value<T: Parse>(arg: &Arg, example: &str, errors: &mut Errors) -> Option<T> {
    if arg.value.is_empty() {
        errors.at(
            &arg.key,
            format_args!("`{}` needs a value: write `{example}`", arg.key),
        );
        return None;
    }
    match syn::parse2(arg.value.clone()) {
        Ok(value) => Some(value),
        Err(_) => {
            errors.at(
                &arg.value,
                format_args!("not a value for `{}`: write `{example}`", arg.key),
            );
            None
        }
    }
}

/// Reads the arguments of `#[actor(..)]` on a type.
pub(crate) fn of_type(args: TokenStream, errors: &mut Errors) -> TypeArgs {
    let mut read = TypeArgs::default();
    let mut bounded = false;
    for arg in split(args, errors) {
        bounded |= arg.key == "mailbox";
        match arg.key.to_string().as_str() {
            "mailbox" => read.mailbox = number(&arg, "mailbox = 1024", errors),
            "when_full" => read.when_full = policy(&arg, errors).map(|variant| (arg.key.clone(), variant)),
            "stack" => read.stack = number(&arg, "stack = 131072", errors),
            "name" => read.name = text(&arg, "name = \"till\"", errors),
            "snapshot" if !arg.value.is_empty() => errors.at(
                &arg.value,
                "`snapshot` stands by itself, or has options in parentheses: write `snapshot`, or \
                 `snapshot(version = 2, upgrade = upgrade)`",
            ),
            "snapshot" => read.snapshot = Some(snapshot::options(arg.key, arg.list, errors)),
            "protocols" => errors.at(
                &arg.key,
                "`protocols` belongs on the `impl` block with the messages: write `#[actor(protocols = ..)] impl ..`",
            ),
            "message" => errors.at(
                &arg.key,
                "`message` belongs on the `impl` block with the `run` body: write `#[actor(message = ..)] impl ..`",
            ),
            other => errors.at(
                &arg.key,
                format_args!("unknown option `{other}`: an actor type has `mailbox`, `when_full`, `stack`, `name` and `snapshot`"),
            ),
        }
    }
    if read.mailbox.is_none()
        && let Some((key, _)) = read.when_full.take()
        && !bounded
    // one that is wrong has been reported
    {
        errors.at(
            key,
            "an unbounded mailbox is never full: give it a bound (`mailbox = 1024`), or leave `when_full` out",
        );
    }
    read
}

/// Reads the arguments of `#[actor(..)]` on an `impl` block.
pub(crate) fn of_impl(args: TokenStream, errors: &mut Errors) -> ImplArgs {
    let mut read = ImplArgs::default();
    for arg in split(args, errors) {
        match arg.key.to_string().as_str() {
            "message" => {
                read.message =
                    value(&arg, "message = SessionMsg", errors).map(|ty| (arg.key.clone(), ty));
            }
            "protocols" => {
                read.protocols = value(&arg, "protocols = [Greeter, ..]", errors)
                    .map(|Paths(paths)| (arg.key.clone(), paths));
            }
            option @ ("mailbox" | "when_full" | "stack" | "name") => errors.at(
                &arg.key,
                format_args!("`{option}` belongs to the type: write `#[actor({option} = ..)]` on its definition"),
            ),
            "snapshot" => errors.at(
                &arg.key,
                "`snapshot` belongs to the type: write `#[actor(snapshot)]` on its definition",
            ),
            other => errors.at(
                &arg.key,
                format_args!("unknown option `{other}`: an actor's `impl` block has `protocols`, and `message` for a `run` body"),
            ),
        }
    }
    read
}

/// A number or an expression; a 0 written out is refused here, a computed one by `Options` itself.
fn number(arg: &Arg, example: &str, errors: &mut Errors) -> Option<Expr> {
    let expr: Expr = value(arg, example, errors)?;
    match literal(&expr) {
        Some(Lit::Int(n)) if n.base10_digits() == "0" => {
            errors.at(
                n,
                match example.starts_with("mailbox") {
                    true => "a mailbox holds at least one message: leave `mailbox` out for an unbounded one",
                    false => "a stack has a size, in bytes: leave `stack` out for the system's default",
                },
            );
            None
        }
        Some(Lit::Int(_)) | None => Some(expr),
        Some(other) => {
            errors.at(other, format_args!("not a number: write `{example}`"));
            None
        }
    }
}

/// A string or an expression.
fn text(arg: &Arg, example: &str, errors: &mut Errors) -> Option<Expr> {
    let expr: Expr = value(arg, example, errors)?;
    match literal(&expr) {
        Some(Lit::Str(text)) if text.value().is_empty() => {
            errors.at(text, "a name has at least one character");
            None
        }
        Some(Lit::Str(_)) | None => Some(expr),
        Some(other) => {
            errors.at(other, format_args!("not a string: write `{example}`"));
            None
        }
    }
}

/// What a full mailbox does, as the variant of `WhenFull`.
fn policy(arg: &Arg, errors: &mut Errors) -> Option<Ident> {
    const EXAMPLE: &str = "when_full = \"drop_oldest\"";
    let expr: Expr = value(arg, EXAMPLE, errors)?;
    let Some(Lit::Str(text)) = literal(&expr) else {
        errors.at(
            &expr,
            format_args!("not a policy in quotes: write `{EXAMPLE}`"),
        );
        return None;
    };
    let variant = match text.value().as_str() {
        "block" => "Block",
        "fail" => "Fail",
        "drop_oldest" => "DropOldest",
        "drop_newest" => "DropNewest",
        other => {
            errors.at(
                text,
                format_args!(
                    "unknown policy `{other}`: a full mailbox can `block`, `fail`, `drop_oldest` or `drop_newest`"
                ),
            );
            return None;
        }
    };
    Some(Ident::new(variant, text.span()))
}

/// The literal that an expression is.
pub(crate) fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

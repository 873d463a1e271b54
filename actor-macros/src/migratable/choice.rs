//! `select!` as a wait.
//!
//! Before anything else it becomes a `match` on a call that no program has:
//! ```text
//!   match __select1(__recv(&rx), __send(&tx, 7), __for(limit)) {
//!       __Select1::Arm0(m) => .., __Select1::Arm1(sent) => .., __Select1::End => ..,
//!   }
//! ```
//! so all that is to know about patterns, scopes and branches is known already. The call is the wait: [`Lower::select`] makes
//! one try of it, as it stands at the head of a block, and `__Select1` its outcome.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprCall, ExprClosure, ExprConst, Item, Macro, Path, Stmt, parse_quote,
    parse_quote_spanned,
};

use crate::diagnostics::Errors;
use crate::select::{Kind, Limit, Select};

use super::lower::{Lower, Operand, is_place, ours};
use super::waits::{arguments, waits};

const CALL: &str = "__select";

/// The number of the `select!` that a call stands for.
pub(super) fn number(path: &Path) -> Option<usize> {
    let name = path.get_ident()?.to_string();
    name.strip_prefix(CALL)?.parse().ok()
}

/// Makes each `select!` in `body` a `match`. Gives items that make use of their names, as these lines of the user's do.
pub(super) fn as_matches(body: &mut Block, errors: &mut Errors) -> Vec<Item> {
    let mut choices = Choices {
        errors,
        paths: Vec::new(),
    };
    choices.visit_block_mut(body);
    let paths = choices.paths.into_iter();
    paths
        .map(|path| parse_quote!(#[allow(unused_imports)] use #path as _;))
        .collect()
}

struct Choices<'e> {
    errors: &'e mut Errors,
    /// Those found, as they are named.
    paths: Vec<Path>,
}

impl Choices<'_> {
    fn as_match(&mut self, found: &Macro) -> Option<Expr> {
        if found.path.segments.last()?.ident != "select" {
            return None;
        }
        let select: Select = match syn::parse2(found.tokens.clone()) {
            Ok(select) => select,
            Err(error) => {
                self.errors.push(error);
                return Some(parse_quote!(::core::unreachable!()));
            }
        };
        self.paths.push(found.path.clone());
        let number = self.paths.len();
        let span = ours(found.path.span());
        let call = format_ident!("{CALL}{number}", span = span);
        let chosen = chosen(number, span);
        let mut args: Vec<Expr> = Vec::new();
        let mut bodies = TokenStream::new();
        for (n, arm) in select.arms.iter().enumerate() {
            args.push(match &arm.kind {
                Kind::Recv(from) => parse_quote!(__recv(#from)),
                Kind::Send(to, value) => parse_quote!(__send(#to, #value)),
                Kind::SendFrom(to, slot) => parse_quote!(__send_from(#to, #slot)),
                Kind::Ready(future) => {
                    self.errors.at(future, "a future cannot be kept across a wait: wait for it in a function of its own, which waits on this machine only");
                    continue;
                }
            });
            let variant = format_ident!("Arm{n}");
            let pattern = arm.pattern.as_ref();
            let pattern = pattern.map_or_else(|| quote!(_), ToTokens::to_token_stream);
            let body = &arm.body;
            bodies.extend(quote!(#chosen::#variant(#pattern) => #body,));
        }
        let end = match &select.end {
            Some(end) => {
                args.push(match &end.limit {
                    Limit::Now => parse_quote!(__now()),
                    Limit::For(limit) => parse_quote!(__for(#limit)),
                    Limit::Until(limit) => parse_quote!(__until(#limit)),
                });
                end.body.to_token_stream()
            }
            None => quote!(::core::unreachable!("it waits as long as it takes")),
        };
        bodies.extend(quote!(#chosen::End => #end,));
        if select.biased {
            args.push(parse_quote!(__biased()));
        }
        Some(parse_quote_spanned!(span=> match #call(#(#args),*) { #bodies }))
    }
}

impl VisitMut for Choices<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Macro(found) = expr
            && let Some(as_match) = self.as_match(&found.mac)
        {
            *expr = as_match;
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        if let Stmt::Macro(found) = stmt
            && let Some(as_match) = self.as_match(&found.mac)
        {
            *stmt = Stmt::Expr(as_match, found.semi_token);
        }
        visit_mut::visit_stmt_mut(self, stmt);
    }

    fn visit_macro_mut(&mut self, found: &mut Macro) {
        let has_one = found.tokens.to_string().contains("select");
        if has_one && let Some(mut args) = arguments(found) {
            args.iter_mut().for_each(|arg| self.visit_expr_mut(arg));
            found.tokens = quote!(#args);
        }
    }

    // What runs some other time, or in another function.
    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}
    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn chosen(number: usize, span: Span) -> syn::Ident {
    format_ident!("__Select{number}", span = span)
}

impl Lower<'_> {
    /// One try of a `select!`; what it is done with is kept.
    pub(super) fn select(&mut self, call: &ExprCall, number: usize) -> TokenStream {
        let span = ours(call.func.span());
        let rt = quote_spanned!(span=> ::actor_core::__private::migratable);
        let mut arms = Vec::new();
        let mut patience = quote!(Endless);
        let mut biased = false;
        let parts: Vec<(String, Vec<&Expr>)> = call.args.iter().filter_map(part).collect();
        // In the order written, those that wait before the first try.
        let operands: Vec<Operand<'_>> = parts
            .iter()
            .flat_map(|(word, args)| {
                args.iter().enumerate().map(move |(n, expr)| Operand {
                    expr,
                    place: n == 0 && matches!(word.as_str(), "__recv" | "__send" | "__send_from")
                        || word == "__send_from",
                })
            })
            .collect();
        let mut values = self.operands(&operands).into_iter();
        for (word, args) in &parts {
            let mut next = || values.next().expect("a value for each operand");
            match (word.as_str(), &args[..]) {
                ("__recv", [from]) => {
                    self.seen_again(from, "rx");
                    let from = next();
                    arms.push(quote_spanned!(from.span()=> #rt::choice::recv(#from)));
                }
                ("__send" | "__send_from", [to, value]) => {
                    self.seen_again(to, "tx");
                    let (to, given) = (next(), next());
                    let slot = match word.as_str() {
                        "__send" => self.keep(parse_quote!(::core::option::Option::Some(#given))),
                        _ if is_place(value) => given,
                        _ => self.refuse(
                            value,
                            "the slot of a `send` is a variable: bind it first, `let mut slot = Some(..);`",
                        ),
                    };
                    let sent = self.keep(parse_quote!(false));
                    arms.push(quote_spanned! {to.span()=>
                        #rt::choice::send(#to, &mut #slot, &mut #sent)
                    });
                }
                ("__now", []) => patience = quote!(None),
                ("__for", [_]) => {
                    let limit = next();
                    let until = self.keep(parse_quote!(#rt::Until::after(#limit)));
                    patience = quote!(Until(&#until));
                }
                ("__until", [_]) => {
                    let at = next();
                    let until = self.keep(parse_quote!(#rt::Until::new(#at)));
                    patience = quote!(Until(&#until));
                }
                _ => biased = true,
            }
        }
        let chosen = chosen(number, span);
        let names: Vec<_> = (0..arms.len()).map(|n| format_ident!("__arm{n}")).collect();
        let variants: Vec<_> = (0..arms.len()).map(|n| format_ident!("Arm{n}")).collect();
        let numbers = 0..arms.len();
        self.items
            .push(parse_quote!(enum #chosen<#(#variants),*> { #(#variants(#variants),)* End }));
        quote_spanned! {span=> {
            #(let mut #names = #arms;)*
            match #rt::choice::choose([#(&mut #names),*], #rt::choice::Patience::#patience, #biased, __cx) {
                ::core::task::Poll::Pending => ::core::task::Poll::Pending,
                #(::core::task::Poll::Ready(::core::option::Option::Some(#numbers)) =>
                    ::core::task::Poll::Ready(#chosen::#variants(#rt::choice::Arm::output(#names))),)*
                ::core::task::Poll::Ready(_) => ::core::task::Poll::Ready(#chosen::End),
            }
        }}
    }

    /// Refuses what cannot be evaluated at each try.
    fn seen_again(&mut self, expr: &Expr, name: &str) {
        if waits(expr) || !is_borrow_of_place(expr) {
            self.refuse(
                expr,
                &format!("a `select!` looks at this again after each wait: bind it first, `let {name} = ..;`, and write `&{name}`, or `{name}.as_ref()` for one in an `Option`"),
            );
        }
    }
}

/// `__recv(&rx)` as its word and its arguments.
fn part(arg: &Expr) -> Option<(String, Vec<&Expr>)> {
    let Expr::Call(call) = arg else { return None };
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let word = path.path.get_ident()?.to_string();
    Some((word, call.args.iter().collect()))
}

/// `&rx`, `&all[0]`, `rx.as_ref()`
fn is_borrow_of_place(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(inner) => is_borrow_of_place(&inner.expr),
        Expr::Reference(found) => is_indexed_place(&found.expr),
        Expr::MethodCall(call) => {
            call.method == "as_ref" && call.args.is_empty() && is_indexed_place(&call.receiver)
        }
        _ => false,
    }
}

fn is_indexed_place(expr: &Expr) -> bool {
    match expr {
        Expr::Index(found) => {
            let index = &*found.index;
            is_indexed_place(&found.expr) && (is_place(index) || matches!(index, Expr::Lit(_)))
        }
        Expr::Field(found) => is_indexed_place(&found.base),
        expr => is_place(expr),
    }
}

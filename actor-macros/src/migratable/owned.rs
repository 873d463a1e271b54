//! Which variables live to the end of their scope, whatever is mentioned of them: as far as tokens can tell.
//!
//! In a function a variable is dropped at the end of its scope unless it has been moved away. Here it is kept until then, if
//! - nothing in the function takes it by value, as whether it has been taken may depend on the way; and
//! - it borrows nothing, as what is borrowed has no value of its own to be dropped.
//!
//! Both are judged on the safe side: a variable of which it is not clear is dropped at the first wait after its last mention.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item, Macro};

use super::format::is_punct;
use super::graph::{Graph, Names};
use super::lower::compound;
use super::waits::arguments;
use super::{operators, rename};

/// Methods that borrow what they are called on, by the conventions of `std` and of channels.
const BORROWING: &[&str] = &[
    "accept",
    "append",
    "as_deref",
    "as_mut",
    "as_ref",
    "as_slice",
    "as_str",
    "balance",
    "clear",
    "clone",
    "contains",
    "contains_key",
    "drain",
    "entry",
    "extend",
    "first",
    "get",
    "get_mut",
    "insert",
    "is_empty",
    "is_err",
    "is_none",
    "is_ok",
    "is_some",
    "iter",
    "iter_mut",
    "keys",
    "last",
    "len",
    "next",
    "peek",
    "pop",
    "pop_back",
    "pop_front",
    "push",
    "push_back",
    "push_front",
    "push_str",
    "recv",
    "remove",
    "replace",
    "retain",
    "send",
    "sort",
    "starts_with",
    "swap",
    "take",
    "to_owned",
    "to_string",
    "to_vec",
    "truncate",
    "try_iter",
    "try_recv",
    "try_send",
    "values",
    "ask",
    "tell",
    "request",
];

/// Those of them that give something that borrows nothing.
const OWNING: &[&str] = &[
    "accept",
    "balance",
    "clone",
    "contains",
    "contains_key",
    "is_empty",
    "is_err",
    "is_none",
    "is_ok",
    "is_some",
    "len",
    "recv",
    "send",
    "to_owned",
    "to_string",
    "to_vec",
    "try_recv",
    "try_send",
];

/// The words that may be variables which something in `body` takes by value.
pub(super) fn taken(body: &Block) -> Names {
    let mut taken = Taken(Names::new());
    taken.visit_block(body);
    taken.0
}

struct Taken(Names);

impl Taken {
    /// `expr` is used where it is.
    fn borrow(&mut self, expr: &Expr) {
        match expr {
            Expr::Path(_) => {}
            Expr::Field(found) => self.borrow(&found.base),
            Expr::Index(found) => {
                self.borrow(&found.expr);
                self.visit_expr(&found.index);
            }
            Expr::Paren(found) => self.borrow(&found.expr),
            Expr::MethodCall(found) if BORROWING.contains(&&*found.method.to_string()) => {
                self.borrow(&found.receiver);
                found.args.iter().for_each(|arg| self.visit_expr(arg));
            }
            other => visit::visit_expr(self, other),
        }
    }

    fn all(&mut self, tokens: TokenStream) {
        rename::all_words(tokens, &mut self.0);
    }
}

impl<'a> Visit<'a> for Taken {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Path(found) => {
                self.0
                    .extend(found.path.get_ident().map(ToString::to_string));
            }
            Expr::Reference(found) => self.borrow(&found.expr),
            Expr::MethodCall(_) | Expr::Index(_) => self.borrow(expr),
            Expr::Assign(found) => {
                self.borrow(&found.left);
                self.visit_expr(&found.right);
            }
            Expr::Binary(found) => {
                let compares = operators::compares(&found.op);
                match compares || compound(&found.op) {
                    true => self.borrow(&found.left),
                    false => self.visit_expr(&found.left),
                }
                match compares {
                    true => self.borrow(&found.right),
                    false => self.visit_expr(&found.right),
                }
            }
            Expr::Closure(found) if found.capture.is_some() => self.all(found.to_token_stream()),
            _ => visit::visit_expr(self, expr),
        }
    }

    fn visit_macro(&mut self, found: &'a Macro) {
        match arguments(found) {
            Some(args) if operators::is_borrowing(&found.path) => {
                for arg in &args {
                    self.borrow(operators::value(arg));
                }
            }
            Some(args) => args.iter().for_each(|arg| self.all(arg.to_token_stream())),
            None => self.all(found.tokens.clone()),
        }
    }

    fn visit_item(&mut self, _: &'a Item) {}
}

/// Whether at `at` one of `methods` is called.
fn method(tokens: &[TokenTree], at: usize, methods: &[&str]) -> bool {
    let called = matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
    let named = matches!(tokens.get(at), Some(TokenTree::Ident(name)) if methods.contains(&&*name.to_string()));
    called && named
}

impl Graph {
    /// Whether what `tokens` evaluate to borrows nothing.
    pub(super) fn is_owned(&self, tokens: &TokenStream) -> bool {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        tokens.iter().enumerate().all(|(i, token)| match token {
            TokenTree::Group(group) => self.is_owned(&group.stream()),
            // A borrow, and a closure.
            TokenTree::Punct(punct) => !matches!(punct.as_char(), '&' | '|'),
            TokenTree::Ident(ident) => {
                let field = i > 0 && is_punct(tokens.get(i - 1), '.');
                let part = is_punct(tokens.get(i + 1), '.') && !method(&tokens, i + 2, OWNING);
                match self.vars.get(&ident.to_string()) {
                    Some(var) if !field => var.owned && !part,
                    _ => true,
                }
            }
            TokenTree::Literal(_) => true,
        })
    }
}

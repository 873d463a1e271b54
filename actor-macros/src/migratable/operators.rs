//! Expressions with operands, one of which waits; and macros with arguments.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{BinOp, Expr, ExprMacro, Path, parse_quote};

use super::lower::{Lower, Operand};
use super::verbatim;
use super::waits;

/// The macros whose arguments are evaluated once each, in order, and borrowed.
const BORROWING: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "panic",
    "print",
    "println",
    "write",
    "writeln",
];

/// Those whose arguments are evaluated likewise, and taken.
const TAKING: &[&str] = &["dbg", "vec"];

/// Whether the macro `path` is one of either.
pub(super) fn is_plain(path: &Path) -> bool {
    is_one_of(path, BORROWING) || is_one_of(path, TAKING)
}

/// Whether the macro `path` borrows its arguments.
pub(super) fn is_borrowing(path: &Path) -> bool {
    is_one_of(path, BORROWING)
}

fn is_one_of(path: &Path, names: &[&str]) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| names.contains(&&*last.ident.to_string()))
}

/// The value of a macro's argument: a named one of a format string is `name = value`.
pub(super) fn value(arg: &Expr) -> &Expr {
    match arg {
        Expr::Assign(named) => &named.right,
        arg => arg,
    }
}

impl Lower<'_> {
    pub(super) fn lower_operator(&mut self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        if let Expr::Try(found) = &expr {
            let inner = self.expr(&found.expr);
            return verbatim::question(&inner, found.question_token.span());
        }
        let mut parts = parts(&mut expr);
        let operands: Vec<Expr> = parts.iter().map(|(part, _)| (**part).clone()).collect();
        let operands: Vec<Operand<'_>> = operands
            .iter()
            .zip(&parts)
            .map(|(expr, (_, place))| Operand {
                expr,
                place: *place,
            })
            .collect();
        let rest = self.operands(&operands);
        for ((part, _), rest) in parts.iter_mut().zip(rest) {
            **part = rest;
        }
        expr
    }

    pub(super) fn lower_macro(&mut self, found: &ExprMacro) -> Expr {
        let plain = is_plain(&found.mac.path);
        let args = waits::arguments(&found.mac).filter(|_| plain);
        let Some(args) = args else {
            self.errors.at(
                &found.mac.path,
                "a wait inside this macro cannot be seen: bind what is waited for first, `let value = ..;`",
            );
            return parse_quote!(::core::unreachable!());
        };
        let operand = |arg| Operand {
            expr: value(arg),
            place: true,
        };
        let operands: Vec<Operand<'_>> = args.iter().map(operand).collect();
        let rest: Vec<TokenStream> = self
            .operands(&operands)
            .into_iter()
            .zip(&args)
            .map(|(rest, arg)| match arg {
                Expr::Assign(named) => {
                    let name = &named.left;
                    quote!(#name = #rest)
                }
                _ => rest.to_token_stream(),
            })
            .collect();
        let mut found = found.clone();
        found.mac.tokens = quote!(#(#rest),*);
        Expr::Macro(found)
    }
}

/// Whether `op` is a comparison, which takes references of its operands.
pub(super) fn compares(op: &BinOp) -> bool {
    use BinOp::{Eq, Ge, Gt, Le, Lt, Ne};
    matches!(op, Eq(_) | Ne(_) | Lt(_) | Le(_) | Gt(_) | Ge(_))
}

/// The parts of an expression in the order in which they are evaluated, and whether each is used where it is.
fn parts(expr: &mut Expr) -> Vec<(&mut Expr, bool)> {
    match expr {
        Expr::Paren(found) => vec![(&mut *found.expr, true)],
        Expr::Group(found) => vec![(&mut *found.expr, true)],
        Expr::Unary(found) => vec![(&mut *found.expr, false)],
        Expr::Cast(found) => vec![(&mut *found.expr, false)],
        Expr::Field(found) => vec![(&mut *found.base, true)],
        Expr::Reference(found) => vec![(&mut *found.expr, true)],
        Expr::Index(found) => vec![(&mut *found.expr, true), (&mut *found.index, false)],
        Expr::Binary(found) => {
            let place = compares(&found.op);
            vec![(&mut *found.left, place), (&mut *found.right, place)]
        }
        Expr::Call(found) => {
            let mut parts = vec![(&mut *found.func, true)];
            parts.extend(found.args.iter_mut().map(|arg| (arg, false)));
            parts
        }
        Expr::MethodCall(found) => {
            let mut parts = vec![(&mut *found.receiver, true)];
            parts.extend(found.args.iter_mut().map(|arg| (arg, false)));
            parts
        }
        Expr::Tuple(found) => found.elems.iter_mut().map(|part| (part, false)).collect(),
        Expr::Array(found) => found.elems.iter_mut().map(|part| (part, false)).collect(),
        Expr::Struct(found) => {
            let mut parts: Vec<(&mut Expr, bool)> = found
                .fields
                .iter_mut()
                .map(|field| (&mut field.expr, false))
                .collect();
            parts.extend(found.rest.iter_mut().map(|rest| (&mut **rest, true)));
            parts
        }
        Expr::Range(found) => {
            let mut parts = Vec::new();
            parts.extend(found.start.iter_mut().map(|start| (&mut **start, false)));
            parts.extend(found.end.iter_mut().map(|end| (&mut **end, false)));
            parts
        }
        Expr::Repeat(found) => vec![(&mut *found.expr, false)],
        _ => Vec::new(),
    }
}

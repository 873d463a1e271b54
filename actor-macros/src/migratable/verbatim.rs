//! Code without a wait stays as it is, but for the ways out of it.
//!
//! `return` and `?` leave the function that polls, and `break` and `continue` of a loop that has been taken apart become jumps
//! to its blocks ([`JUMP`](super::graph::JUMP)).

use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Expr, ExprAsync, ExprBreak, ExprClosure, ExprConst, ExprForLoop, ExprLoop, ExprWhile, Item,
    Label, Macro, Stmt, parse_quote, parse_quote_spanned,
};

use super::lower::{Dest, Target};
use super::{operators, waits};

/// Code as it can stand in a block, where `targets` are the loops around it that have been taken apart, the innermost last.
pub(super) fn expr(expr: &Expr, targets: &[Target]) -> Expr {
    let mut expr = expr.clone();
    Ways::new(targets).visit_expr_mut(&mut expr);
    expr
}

/// The same for a statement.
pub(super) fn stmt(stmt: &Stmt, targets: &[Target]) -> Stmt {
    let mut stmt = stmt.clone();
    Ways::new(targets).visit_stmt_mut(&mut stmt);
    stmt
}

/// `expr?`, where `expr` can stand in a block already.
pub(super) fn question(expr: &Expr, question: proc_macro2::Span) -> Expr {
    parse_quote_spanned! {question=>
        match ::actor_core::__private::migratable::branch(#expr) {
            ::core::ops::ControlFlow::Continue(__value) => __value,
            ::core::ops::ControlFlow::Break(__residual) => {
                return ::core::task::Poll::Ready(::actor_core::__private::migratable::residual(__residual))
            }
        }
    }
}

/// The loop or labelled block that a `break` leaves, if it has been taken apart.
pub(super) fn target<'a>(
    label: Option<&syn::Lifetime>,
    targets: &'a [Target],
) -> Option<&'a Target> {
    match label {
        Some(label) => targets
            .iter()
            .rev()
            .find(|target| target.label.as_deref() == Some(&label.ident.to_string())),
        None => targets.iter().rev().find(|target| target.head.is_some()),
    }
}

struct Ways<'a> {
    targets: &'a [Target],
    /// Loops that stay as they are, around the place the visit has come to.
    loops: usize,
    labels: Vec<String>,
}

impl<'a> Ways<'a> {
    fn new(targets: &'a [Target]) -> Self {
        Ways {
            targets,
            loops: 0,
            labels: Vec::new(),
        }
    }

    fn target(&self, label: Option<&syn::Lifetime>) -> Option<&'a Target> {
        let own = match label {
            Some(label) => self.labels.contains(&label.ident.to_string()),
            None => self.loops > 0,
        };
        if own {
            return None;
        }
        target(label, self.targets)
    }

    fn within(&mut self, label: Option<&Label>, is_loop: bool, visit: impl FnOnce(&mut Self)) {
        let labels = self.labels.len();
        self.labels
            .extend(label.map(|label| label.name.ident.to_string()));
        self.loops += usize::from(is_loop);
        visit(self);
        self.loops -= usize::from(is_loop);
        self.labels.truncate(labels);
    }

    fn leave(&self, found: &ExprBreak) -> Option<Expr> {
        let target = self.target(found.label.as_ref())?;
        let exit = proc_macro2::Literal::usize_unsuffixed(target.exit);
        let value: Expr = match &found.expr {
            Some(value) => (**value).clone(),
            None => parse_quote!(()),
        };
        Some(match &target.dest {
            Dest::Discard if found.expr.is_none() => parse_quote!(__jump!(#exit)),
            Dest::Discard => parse_quote!({ #value; __jump!(#exit) }),
            Dest::Value(name, ty) => {
                let name = format_ident!("{name}");
                let ty = ty.as_ref().map(|ty| quote!(: #ty));
                parse_quote!({ let #name #ty = #value; __jump!(#exit, #name) })
            }
            Dest::Return => parse_quote!(return ::core::task::Poll::Ready(#value)),
        })
    }
}

impl VisitMut for Ways<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::ForLoop(ExprForLoop { label, .. })
            | Expr::While(ExprWhile { label, .. })
            | Expr::Loop(ExprLoop { label, .. }) => {
                let label = label.clone();
                self.within(label.as_ref(), true, |this| {
                    visit_mut::visit_expr_mut(this, expr);
                });
            }
            Expr::Block(block) => {
                let label = block.label.clone();
                self.within(label.as_ref(), false, |this| {
                    visit_mut::visit_expr_mut(this, expr);
                });
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
        match expr {
            Expr::Return(found) => {
                let span = found.return_token.span;
                let value = match found.expr.take() {
                    Some(value) => *value,
                    None => parse_quote!(()),
                };
                let ready = quote_spanned!(span=> ::core::task::Poll::Ready(#value));
                *expr = parse_quote!(return #ready);
            }
            Expr::Try(found) => *expr = question(&found.expr, found.question_token.span()),
            Expr::Break(found) => {
                if let Some(jump) = self.leave(found) {
                    *expr = jump;
                }
            }
            Expr::Continue(found) => {
                let head = self
                    .target(found.label.as_ref())
                    .and_then(|target| target.head);
                if let Some(head) = head {
                    let head = proc_macro2::Literal::usize_unsuffixed(head);
                    *expr = parse_quote!(__jump!(#head));
                }
            }
            _ => {}
        }
    }

    fn visit_macro_mut(&mut self, found: &mut Macro) {
        if operators::is_plain(&found.path)
            && let Some(mut args) = waits::arguments(found)
        {
            for arg in &mut args {
                match arg {
                    Expr::Assign(named) => self.visit_expr_mut(&mut named.right),
                    arg => self.visit_expr_mut(arg),
                }
            }
            found.tokens = args.into_token_stream();
        }
    }

    // They return to somebody else.
    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}
    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

//! Waits in closures: a closure is a function of its own, which cannot be suspended. It would block.

use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprAsync, ExprClosure, Item, Macro};

use crate::diagnostics::Errors;

use super::waits::wait;

/// Refuses waits in closures; not in those that are handed to a call such as `spawn(..)`, which run in another microthread.
pub(super) fn refuse_waits(body: &Block, errors: &mut Errors) {
    let mut closures = Closures {
        errors,
        depth: 0,
        elsewhere: false,
    };
    closures.visit_block(body);
}

struct Closures<'e> {
    errors: &'e mut Errors,
    /// How many closures are around the place the visit has come to.
    depth: usize,
    /// What is visited is an argument of a call that runs it in another place.
    elsewhere: bool,
}

const WAITS: &str = "a closure cannot be suspended, and would block here: write a loop in the function itself, \
     or call a function that waits, to wait on this machine only";

impl<'a> Visit<'a> for Closures<'_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.depth > 0 && wait(expr).is_some() {
            return self.errors.at(expr, WAITS);
        }
        let name = match expr {
            Expr::MethodCall(call) => Some(call.method.to_string()),
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
                _ => None,
            },
            _ => None,
        };
        let runs = |name: String| name.contains("spawn") || name == "blocking" || name == "scope";
        if name.is_some_and(runs) {
            let before = std::mem::replace(&mut self.elsewhere, true);
            visit::visit_expr(self, expr);
            self.elsewhere = before;
        } else {
            visit::visit_expr(self, expr);
        }
    }

    fn visit_expr_closure(&mut self, closure: &'a ExprClosure) {
        if self.elsewhere {
            return;
        }
        self.depth += 1;
        visit::visit_expr_closure(self, closure);
        self.depth -= 1;
    }

    fn visit_macro(&mut self, found: &'a Macro) {
        let last = found.path.segments.last();
        if self.depth > 0 && last.is_some_and(|last| last.ident == "select") {
            self.errors.at(&found.path, WAITS);
        }
    }

    fn visit_expr_async(&mut self, _: &'a ExprAsync) {}
    fn visit_item(&mut self, _: &'a Item) {}
}

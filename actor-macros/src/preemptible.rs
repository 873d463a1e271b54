//! `#[preemptible]`: a reduction counted at the start of each loop's body.
//!
//! *Parse*: a function (methods look the same) or an `impl` block. *Validate*: what cannot be preempted, at the word that says
//! so. *Expand*: [`Loops`] goes through the bodies. What is wrong comes out as it was, so that the compiler's further
//! messages are about the user's own code.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, Block, ExprAsync, ExprClosure, ExprConst, ExprForLoop,
    ExprLoop, ExprRepeat, ExprWhile, ImplItem, Item, Macro, Pat, Signature, Type, parse_quote,
};

use crate::diagnostics::Errors;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !args.is_empty() {
        errors.at(
            &args,
            "`#[preemptible]` takes no arguments: leave the parentheses out",
        );
    }
    let item = match syn::parse2(item.clone()) {
        Ok(Item::Fn(mut function)) => {
            if may_be_preempted(&function.sig, &mut errors) {
                count_in(&mut function.block);
            }
            function.into_token_stream()
        }
        Ok(Item::Impl(mut block)) => {
            for item in &mut block.items {
                let ImplItem::Fn(method) = item else { continue };
                let mut with_checks = method.block.clone();
                // What has no loop is not concerned.
                if count_in(&mut with_checks) && may_be_preempted(&method.sig, &mut errors) {
                    method.block = with_checks;
                }
            }
            block.into_token_stream()
        }
        Ok(other) => {
            errors.at(
                other,
                "`#[preemptible]` goes on a function, a method, or an `impl` block",
            );
            item
        }
        Err(error) => {
            errors.push(error);
            item
        }
    };
    let errors = errors.into_tokens();
    quote!(#item #errors)
}

/// Reports what cannot let go of its thread half-way.
fn may_be_preempted(signature: &Signature, errors: &mut Errors) -> bool {
    if let Some(word) = &signature.constness {
        errors.at(
            word,
            "a `const fn` cannot be preempted, as the compiler may run it: \
             take `const` off, or move its loop into a function without",
        );
    }
    if let Some(word) = &signature.asyncness {
        errors.at(
            word,
            "an `async fn` shares its thread where it awaits: \
             move the loop that computes into a function without `async`",
        );
    }
    signature.constness.is_none() && signature.asyncness.is_none()
}

/// Puts a check into each loop of `body`. Whether there was one.
fn count_in(body: &mut Block) -> bool {
    let mut loops = Loops { found: false };
    loops.visit_block_mut(body);
    loops.found
}

/// All loops of one function's own code that run when it runs.
struct Loops {
    found: bool,
}

impl Loops {
    /// At the start of the body and not at its end, which `continue` passes by.
    fn count(&mut self, body: &mut Block) {
        self.found = true;
        let check = parse_quote!(::actor_core::__private::back_edge(););
        body.stmts.insert(0, check);
    }
}

impl VisitMut for Loops {
    fn visit_expr_loop_mut(&mut self, found: &mut ExprLoop) {
        visit_mut::visit_expr_loop_mut(self, found);
        self.count(&mut found.body);
    }

    fn visit_expr_while_mut(&mut self, found: &mut ExprWhile) {
        visit_mut::visit_expr_while_mut(self, found);
        self.count(&mut found.body);
    }

    fn visit_expr_for_loop_mut(&mut self, found: &mut ExprForLoop) {
        visit_mut::visit_expr_for_loop_mut(self, found);
        self.count(&mut found.body);
    }

    // What runs at another time, perhaps elsewhere.
    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
    fn visit_macro_mut(&mut self, _: &mut Macro) {}

    // What the compiler runs.
    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        _: &mut AngleBracketedGenericArguments,
    ) {
    }
    fn visit_expr_repeat_mut(&mut self, repeat: &mut ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }
}

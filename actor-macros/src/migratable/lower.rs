//! Takes the function apart: statements with a wait in them become blocks, all others stay as they are.
//!
//! `expr` gives what is left of an expression once its waits are behind it: code without a wait, to be evaluated next.
//! What Rust evaluates before the wait is evaluated before it here too, and kept in a variable until then ([`Lower::operands`]).

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item, Local, Pat, PatIdent, Stmt, Type, parse_quote};

use crate::diagnostics::Errors;

use super::graph::{BlockId, Code, Exit, Graph, Names, ScopeId, Step, Var};
use super::verbatim;
use super::waits::{wait, waits};
use super::{operators, rename};

/// Where the value of an expression goes.
#[derive(Clone)]
pub(super) enum Dest {
    Discard,
    /// Into a new variable, of this type if one was written.
    Value(String, Option<Box<Type>>),
    /// It is what the function returns.
    Return,
}

/// A loop, or a block with a label, that has been taken apart.
pub(super) struct Target {
    pub(super) label: Option<String>,
    /// Where `continue` goes; none in a block.
    pub(super) head: Option<BlockId>,
    pub(super) exit: BlockId,
    pub(super) dest: Dest,
}

pub(super) struct Lower<'e> {
    pub(super) graph: Graph,
    pub(super) current: BlockId,
    pub(super) targets: Vec<Target>,
    /// Items that were among the statements: they are seen from everywhere.
    pub(super) items: Vec<Item>,
    pub(super) errors: &'e mut Errors,
    /// What is taken by value somewhere.
    taken: Names,
    temps: usize,
}

impl<'e> Lower<'e> {
    /// The scope of the function's body, in that of its parameters.
    const BODY: ScopeId = 1;

    pub(super) fn new(taken: Names, errors: &'e mut Errors) -> Self {
        let mut graph = Graph::default();
        let current = graph.block();
        Lower {
            graph,
            current,
            targets: Vec::new(),
            items: Vec::new(),
            errors,
            taken,
            temps: 0,
        }
    }

    /// Makes the variables that `pattern` binds known, in the current scope. `owned`: what it takes apart borrows nothing.
    pub(super) fn declare(&mut self, pattern: &Pat, owned: bool) -> Vec<String> {
        let mut bound = Bound(Vec::new());
        bound.visit_pat(pattern);
        let idents = bound.0;
        let mut names = Vec::new();
        for found in idents {
            let name = found.ident.to_string();
            let owned = owned && found.by_ref.is_none();
            let held = owned && !self.taken.contains(&name);
            self.add_var(found.ident, found.mutability.is_some(), owned, held);
            names.push(name);
        }
        names
    }

    fn add_var(&mut self, ident: syn::Ident, mutable: bool, owned: bool, held: bool) {
        let var = Var {
            mutable,
            order: self.graph.vars.len(),
            scope: self.graph.scope,
            owned,
            held,
            late: None,
            ident,
        };
        self.graph.vars.insert(var.ident.to_string(), var);
    }

    pub(super) fn temp(&mut self, span: Span) -> syn::Ident {
        self.temps += 1;
        let ident = format_ident!("__v{}", self.temps, span = ours(span));
        self.add_var(ident.clone(), true, true, false);
        ident
    }

    /// Lowers a scope of variables.
    pub(super) fn within<R>(&mut self, lower: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.graph.open_scope();
        let result = lower(self);
        self.graph.scope = outer;
        let next = self.graph.block();
        self.end(Exit::Goto(next), next);
        result
    }

    pub(super) fn step(&mut self, code: TokenStream, binds: Vec<String>) {
        self.push(Code::Statement(code), binds);
    }

    fn push(&mut self, code: Code, binds: Vec<String>) {
        self.graph.blocks[self.current]
            .steps
            .push(Step { code, binds });
    }

    /// Ends the current block, and goes on in `next`.
    pub(super) fn end(&mut self, exit: Exit, next: BlockId) {
        self.graph.blocks[self.current].exit = Some(exit);
        self.current = next;
    }

    /// Ends the current block; what follows is never reached.
    pub(super) fn end_for_good(&mut self, exit: Exit) {
        let unreached = self.graph.block();
        self.end(exit, unreached);
    }

    /// Keeps the value of `expr`, which has no wait, in a variable.
    pub(super) fn keep(&mut self, expr: Expr) -> Expr {
        let span = expr.span();
        let temp = self.temp(span);
        self.step(
            quote_spanned!(span=> let mut #temp = #expr;),
            vec![temp.to_string()],
        );
        parse_quote!(#temp)
    }

    fn verbatim(&self, expr: &Expr) -> Expr {
        verbatim::expr(expr, &self.targets)
    }

    pub(super) fn refuse(&mut self, at: impl ToTokens, message: &str) -> Expr {
        self.errors.at(at, message);
        parse_quote!(::core::unreachable!())
    }

    /// Hands on the value of `expr`, which has no wait.
    pub(super) fn deliver(&mut self, expr: Expr, dest: &Dest) {
        match dest {
            Dest::Discard => match &expr {
                Expr::Path(_) => {}
                Expr::Tuple(unit) if unit.elems.is_empty() => {}
                _ => self.step(quote!(#expr;), Vec::new()),
            },
            Dest::Value(name, ty) => {
                let ident = format_ident!("{name}");
                let ty = ty.as_ref().map(|ty| quote!(: #ty));
                self.step(quote!(let mut #ident #ty = #expr;), vec![name.clone()]);
            }
            Dest::Return => self.end_for_good(Exit::Return(expr.into_token_stream())),
        }
    }

    /// Runs `expr` and hands on its value.
    pub(super) fn into(&mut self, expr: &Expr, dest: &Dest) {
        match expr {
            Expr::Return(found) => match &found.expr {
                Some(value) => self.into(value, &Dest::Return),
                None => self.deliver(parse_quote!(()), &Dest::Return),
            },
            Expr::Break(found) => self.lower_break(found),
            Expr::Continue(found) => {
                let target = verbatim::target(found.label.as_ref(), &self.targets);
                match target.and_then(|target| target.head) {
                    Some(head) => self.end_for_good(Exit::Goto(head)),
                    None => self.deliver(expr.clone(), &Dest::Discard),
                }
            }
            _ if !waits(expr) => {
                let expr = self.verbatim(expr);
                self.deliver(expr, dest);
            }
            Expr::Paren(inner) => self.into(&inner.expr, dest),
            Expr::Group(inner) => self.into(&inner.expr, dest),
            Expr::Block(found) => self.lower_block(found, dest),
            Expr::If(found) => self.lower_if(found, dest),
            Expr::Match(found) => self.lower_match(found, dest),
            Expr::Loop(found) => self.lower_loop(found, dest),
            Expr::While(found) => self.lower_while(found, dest),
            Expr::ForLoop(found) => self.lower_for(found, dest),
            Expr::Assign(found) if waits(&found.right) && !waits(&found.left) => {
                let value = self.expr(&found.right);
                self.assign(&found.left, value);
                self.deliver(parse_quote!(()), dest);
            }
            Expr::Assign(found) => {
                self.refuse(&found.left, ASSIGNED);
            }
            _ => {
                let rest = self.expr(expr);
                self.deliver(rest, dest);
            }
        }
    }

    /// Assigns `value`, which has no wait.
    fn assign(&mut self, left: &Expr, value: Expr) {
        match variable(left).filter(|name| self.graph.vars.contains_key(name)) {
            Some(name) => self.push(Code::Assign(name, value.into_token_stream()), Vec::new()),
            None => {
                let left = self.verbatim(left);
                self.step(quote!(#left = #value;), Vec::new());
            }
        }
    }

    /// Runs the statements of `block`, and hands on its value.
    pub(super) fn statements(&mut self, block: &Block, dest: &Dest) {
        self.within(|this| this.statements_within(block, dest));
    }

    fn statements_within(&mut self, block: &Block, dest: &Dest) {
        for (i, stmt) in block.stmts.iter().enumerate() {
            let last = i + 1 == block.stmts.len();
            match stmt {
                Stmt::Item(item) => {
                    if self.graph.scope > Self::BODY {
                        self.errors.at(
                            item,
                            "items of a migratable function stand in its outermost block, as its blocks are taken apart: move this one there, or out of the function",
                        );
                    }
                    self.items.push(item.clone());
                }
                Stmt::Local(local) => self.local(local),
                Stmt::Expr(expr, None) if last => return self.into(expr, dest),
                Stmt::Expr(Expr::Assign(found), _)
                    if !waits(&found.right) && !waits(&found.left) =>
                {
                    let value = self.verbatim(&found.right);
                    self.assign(&found.left, value);
                }
                Stmt::Expr(expr, _) => self.into(expr, &Dest::Discard),
                Stmt::Macro(found) => {
                    let expr = Expr::Macro(syn::ExprMacro {
                        attrs: found.attrs.clone(),
                        mac: found.mac.clone(),
                    });
                    if waits(&expr) {
                        let rest = self.expr(&expr);
                        self.deliver(rest, &Dest::Discard);
                    } else if last && found.semi_token.is_none() {
                        let expr = self.verbatim(&expr);
                        return self.deliver(expr, dest);
                    } else {
                        let stmt = verbatim::stmt(stmt, &self.targets);
                        self.step(stmt.to_token_stream(), Vec::new());
                    }
                }
            }
        }
        if !matches!(dest, Dest::Discard) {
            self.deliver(parse_quote!(()), dest);
        }
    }

    fn local(&mut self, local: &Local) {
        let Some(init) = &local.init else {
            let ty = match &local.pat {
                Pat::Type(typed) if matches!(*typed.pat, Pat::Ident(_)) => {
                    let ty = &typed.ty;
                    quote!(: #ty)
                }
                _ => TokenStream::new(),
            };
            for name in self.declare(&local.pat, false) {
                if let Some(var) = self.graph.vars.get_mut(&name) {
                    var.late = Some(ty.clone());
                    var.mutable = true;
                }
            }
            return;
        };
        let owned = self.graph.is_owned(&init.expr.to_token_stream());
        let diverge = init.diverge.as_ref().map(|(_, diverge)| &**diverge);
        if !waits(&init.expr) && !diverge.is_some_and(waits) {
            let stmt = verbatim::stmt(&Stmt::Local(local.clone()), &self.targets);
            let binds = self.declare(&local.pat, owned);
            return self.step(stmt.to_token_stream(), binds);
        }
        let (pattern, ty) = match &local.pat {
            Pat::Type(typed) => (&*typed.pat, Some((*typed.ty).clone())),
            pattern => (pattern, None),
        };
        let value = match control_flow(&init.expr) && diverge.is_none() {
            true => {
                let name = self.temp(init.expr.span()).to_string();
                let dest = Dest::Value(name.clone(), ty.clone().map(Box::new));
                self.into(&init.expr, &dest);
                let ident = format_ident!("{name}");
                parse_quote!(#ident)
            }
            false => self.expr(&init.expr),
        };
        match diverge {
            None => {
                let binds = self.declare(pattern, owned);
                let ty = ty.map(|ty| quote!(: #ty));
                self.step(quote!(let #pattern #ty = #value;), binds);
            }
            Some(diverge) => self.let_else(pattern, owned, ty, value, diverge),
        }
    }

    /// What is left of `expr` behind its waits.
    pub(super) fn expr(&mut self, expr: &Expr) -> Expr {
        if !waits(expr) {
            return self.verbatim(expr);
        }
        if let Some(wait) = wait(expr) {
            return self.wait(expr, &wait);
        }
        match expr {
            Expr::Block(_) | Expr::If(_) | Expr::Match(_) | Expr::Loop(_) | Expr::While(_)
            | Expr::ForLoop(_) | Expr::Assign(_) | Expr::Return(_) | Expr::Break(_) => {
                let name = self.temp(expr.span()).to_string();
                self.into(expr, &Dest::Value(name.clone(), None));
                let ident = format_ident!("{name}");
                parse_quote!(#ident)
            }
            Expr::Binary(found) if lazy(&found.op) => self.lower_lazy(found),
            Expr::Binary(found) if compound(&found.op) => {
                if waits(&found.left) {
                    return self.refuse(&found.left, ASSIGNED);
                }
                let mut found = found.clone();
                *found.right = self.expr(&found.right);
                *found.left = self.verbatim(&found.left);
                Expr::Binary(found)
            }
            Expr::Await(found) => self.refuse(
                found.await_token,
                "a future cannot be kept across a wait: use `microthread::block_on(..)`, which waits on this machine only",
            ),
            Expr::Macro(found) => self.lower_macro(found),
            Expr::Paren(_) | Expr::Group(_) | Expr::Unary(_) | Expr::Cast(_) | Expr::Field(_)
            | Expr::Reference(_) | Expr::Index(_) | Expr::Try(_) | Expr::Binary(_)
            | Expr::Call(_) | Expr::MethodCall(_) | Expr::Tuple(_) | Expr::Array(_)
            | Expr::Struct(_) | Expr::Range(_) | Expr::Repeat(_) => self.lower_operator(expr),
            other => self.refuse(
                other,
                "nothing can wait in here: bind what is waited for first, `let value = ..;`",
            ),
        }
    }

    /// Evaluates `operands` up to the last wait in them, in their order.
    pub(super) fn operands(&mut self, operands: &[Operand<'_>]) -> Vec<Expr> {
        let last = operands.iter().rposition(|operand| waits(operand.expr));
        let mut rest = Vec::new();
        for (i, operand) in operands.iter().enumerate() {
            let expr = self.expr(operand.expr);
            let before = last.is_some_and(|last| i < last);
            rest.push(match before && !self.may_be_late(operand) {
                true => self.keep(expr),
                false => expr,
            });
        }
        rest
    }

    /// Whether it makes no difference if it is evaluated after the waits that follow.
    fn may_be_late(&self, operand: &Operand<'_>) -> bool {
        match operand.expr {
            Expr::Lit(_) | Expr::Closure(_) => true,
            Expr::Path(_) => {
                operand.place
                    || variable(operand.expr)
                        .is_none_or(|name| !self.graph.vars.contains_key(&name))
            }
            // Nothing can change what is borrowed meanwhile.
            Expr::Reference(found) => is_place(&found.expr),
            expr => operand.place && is_place(expr),
        }
    }
}

/// A part of an expression.
pub(super) struct Operand<'a> {
    pub(super) expr: &'a Expr,
    /// It is used where it is, and not taken.
    pub(super) place: bool,
}

const ASSIGNED: &str =
    "this waits while it is being assigned to: bind what is waited for first, `let value = ..;`";

/// The place `span`, for names of ours: the function may come out of a macro, whose variables are others by the same names.
pub(super) fn ours(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

struct Bound(Vec<PatIdent>);

impl<'a> Visit<'a> for Bound {
    fn visit_pat_ident(&mut self, pattern: &'a PatIdent) {
        if rename::binds(pattern) && !self.0.iter().any(|found| found.ident == pattern.ident) {
            self.0.push(pattern.clone());
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

/// The variable that `expr` is.
fn variable(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

/// Whether it is a variable or a part of one, so that evaluating it again is the same.
pub(super) fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => true,
        Expr::Field(field) => is_place(&field.base),
        Expr::Paren(inner) => is_place(&inner.expr),
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Deref(_)) && is_place(&unary.expr),
        _ => false,
    }
}

/// Whether the value comes from one of several branches.
fn control_flow(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::If(_) | Expr::Match(_) | Expr::Block(_) | Expr::Loop(_)
    )
}

fn lazy(op: &syn::BinOp) -> bool {
    matches!(op, syn::BinOp::And(_) | syn::BinOp::Or(_))
}

/// Whether `op` assigns, as `+=` does.
pub(super) fn compound(op: &syn::BinOp) -> bool {
    op.to_token_stream().to_string().ends_with('=') && !operators::compares(op)
}

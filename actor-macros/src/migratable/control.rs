//! Branches and loops with a wait in them.

use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    BinOp, Expr, ExprBinary, ExprBlock, ExprBreak, ExprForLoop, ExprIf, ExprLoop, ExprMatch,
    ExprWhile, Label, Pat, Type, parse_quote,
};

use super::graph::{Arm, BlockId, Exit};
use super::lower::{Dest, Lower, Target};
use super::verbatim;
use super::waits::waits;

impl Lower<'_> {
    pub(super) fn lower_block(&mut self, found: &ExprBlock, dest: &Dest) {
        let Some(label) = &found.label else {
            return self.statements(&found.block, dest);
        };
        let exit = self.graph.block();
        self.enter(Some(label), None, exit, dest);
        self.statements(&found.block, dest);
        self.leave(exit);
    }

    fn enter(&mut self, label: Option<&Label>, head: Option<BlockId>, exit: BlockId, dest: &Dest) {
        self.targets.push(Target {
            label: label.map(|label| label.name.ident.to_string()),
            head,
            exit,
            dest: dest.clone(),
        });
    }

    fn leave(&mut self, exit: BlockId) {
        self.targets.pop();
        self.end(Exit::Goto(exit), exit);
    }

    pub(super) fn lower_break(&mut self, found: &ExprBreak) {
        let Some(target) = verbatim::target(found.label.as_ref(), &self.targets) else {
            let expr = Expr::Break(found.clone());
            return self.deliver(expr, &Dest::Discard);
        };
        let (exit, dest) = (target.exit, target.dest.clone());
        match &found.expr {
            Some(value) => self.into(value, &dest),
            None => self.deliver(parse_quote!(()), &dest),
        }
        self.end_for_good(Exit::Goto(exit));
    }

    pub(super) fn lower_if(&mut self, found: &ExprIf, dest: &Dest) {
        let otherwise = self.graph.block();
        let exit = self.graph.block();
        self.within(|this| {
            let then = this.graph.block();
            this.condition(&found.cond, then, otherwise);
            this.current = then;
            this.statements(&found.then_branch, dest);
        });
        self.end(Exit::Goto(exit), otherwise);
        match &found.else_branch {
            Some((_, branch)) => self.into(branch, dest),
            None => self.deliver(parse_quote!(()), dest),
        }
        self.end(Exit::Goto(exit), exit);
    }

    /// Goes to `then` if the condition holds, with what it binds, and to `otherwise` if not.
    fn condition(&mut self, cond: &Expr, then: BlockId, otherwise: BlockId) {
        if !waits(cond) {
            let binds = self.declare_in(cond);
            let cond = verbatim::expr(cond, &self.targets).into_token_stream();
            let exit = Exit::If {
                cond,
                binds,
                then,
                otherwise,
            };
            return self.end(exit, then);
        }
        match cond {
            Expr::Binary(ExprBinary {
                left,
                op: BinOp::And(_),
                right,
                ..
            }) => {
                let next = self.graph.block();
                self.condition(left, next, otherwise);
                self.current = next;
                self.condition(right, then, otherwise);
            }
            Expr::Paren(inner) => self.condition(&inner.expr, then, otherwise),
            Expr::Let(found) => {
                let owned = self.graph.is_owned(&found.expr.to_token_stream());
                let value = self.expr(&found.expr);
                self.choose(&found.pat, owned, value, then, otherwise);
            }
            cond => {
                let value = self.expr(cond);
                let exit = Exit::If {
                    cond: value.into_token_stream(),
                    binds: Vec::new(),
                    then,
                    otherwise,
                };
                self.end(exit, then);
            }
        }
    }

    fn choose(
        &mut self,
        pattern: &Pat,
        owned: bool,
        value: Expr,
        then: BlockId,
        otherwise: BlockId,
    ) {
        let binds = self.declare(pattern, owned);
        let arms = vec![
            Arm {
                pattern: pattern.to_token_stream(),
                guard: None,
                binds,
                target: then,
            },
            Arm {
                pattern: quote!(_),
                guard: None,
                binds: Vec::new(),
                target: otherwise,
            },
        ];
        let scrutinee = value.into_token_stream();
        self.end(Exit::Match { scrutinee, arms }, then);
    }

    /// What the `let`s of a condition bind.
    fn declare_in(&mut self, cond: &Expr) -> Vec<String> {
        match cond {
            Expr::Let(found) => {
                let owned = self.graph.is_owned(&found.expr.to_token_stream());
                self.declare(&found.pat, owned)
            }
            Expr::Binary(found) if matches!(found.op, BinOp::And(_)) => {
                let mut binds = self.declare_in(&found.left);
                binds.extend(self.declare_in(&found.right));
                binds
            }
            Expr::Paren(inner) => self.declare_in(&inner.expr),
            _ => Vec::new(),
        }
    }

    pub(super) fn let_else(
        &mut self,
        pattern: &Pat,
        owned: bool,
        ty: Option<Type>,
        value: Expr,
        diverge: &Expr,
    ) {
        let then = self.graph.block();
        let otherwise = self.graph.block();
        let value = match ty {
            Some(ty) => parse_quote!({ let __typed: #ty = #value; __typed }),
            None => value,
        };
        self.choose(pattern, owned, value, then, otherwise);
        self.current = otherwise;
        self.into(diverge, &Dest::Discard);
        // It does not come here, which the compiler sees only where nothing was taken apart.
        self.end(
            Exit::Return(quote_spanned!(diverge.span()=> ::core::unreachable!("`let .. else` must not go on"))),
            then,
        );
    }

    pub(super) fn lower_match(&mut self, found: &ExprMatch, dest: &Dest) {
        let owned = self.graph.is_owned(&found.expr.to_token_stream());
        let scrutinee = self.expr(&found.expr).into_token_stream();
        let from = self.current;
        let exit = self.graph.block();
        let mut arms = Vec::new();
        for arm in &found.arms {
            self.within(|this| {
                let binds = this.declare(&arm.pat, owned);
                let guard = arm.guard.as_ref().map(|(_, guard)| {
                    if waits(guard) {
                        this.errors.at(
                            guard,
                            "a guard cannot wait, as the patterns after it may still be tried: \
                             write the `if` inside the arm, or wait before the `match`",
                        );
                    }
                    verbatim::expr(guard, &this.targets).into_token_stream()
                });
                let target = this.graph.block();
                arms.push(Arm {
                    pattern: arm.pat.to_token_stream(),
                    guard,
                    binds,
                    target,
                });
                this.current = target;
                this.into(&arm.body, dest);
            });
            self.end(Exit::Goto(exit), exit);
        }
        self.graph.blocks[from].exit = Some(Exit::Match { scrutinee, arms });
        self.current = exit;
    }

    /// A loop. `turn` lowers a turn of it, which it enters; it is given where a turn begins and where the loop ends.
    fn turns(&mut self, turn: impl FnOnce(&mut Self, BlockId, BlockId)) {
        let head = self.graph.block();
        let exit = self.graph.block();
        self.graph.heads.push(head);
        self.end(Exit::Goto(head), head);
        turn(self, head, exit);
        self.end(Exit::Goto(head), exit);
        self.targets.pop();
    }

    pub(super) fn lower_loop(&mut self, found: &ExprLoop, dest: &Dest) {
        self.turns(|this, head, exit| {
            this.enter(found.label.as_ref(), Some(head), exit, dest);
            this.statements(&found.body, &Dest::Discard);
        });
    }

    pub(super) fn lower_while(&mut self, found: &ExprWhile, dest: &Dest) {
        self.turns(|this, head, exit| {
            this.within(|this| {
                let body = this.graph.block();
                this.condition(&found.cond, body, exit);
                this.current = body;
                this.enter(found.label.as_ref(), Some(head), exit, &Dest::Discard);
                this.statements(&found.body, &Dest::Discard);
            });
        });
        self.deliver(parse_quote!(()), dest);
    }

    pub(super) fn lower_for(&mut self, found: &ExprForLoop, dest: &Dest) {
        let owned = self.graph.is_owned(&found.expr.to_token_stream());
        let items = self.iterator(&found.expr);
        let pattern = &found.pat;
        let pattern: Pat = parse_quote!(::core::option::Option::Some(#pattern));
        let next = parse_quote!(#items.next());
        self.turns(|this, head, exit| {
            this.within(|this| {
                let body = this.graph.block();
                this.choose(&pattern, owned, next, body, exit);
                this.current = body;
                this.enter(found.label.as_ref(), Some(head), exit, &Dest::Discard);
                this.statements(&found.body, &Dest::Discard);
            });
        });
        self.deliver(parse_quote!(()), dest);
    }

    /// Begins an iteration, in a form that can be kept.
    fn iterator(&mut self, over: &Expr) -> syn::Ident {
        let span = over.span();
        let (base, adapters) = adapters(over);
        let base = self.expr(base);
        let rt = quote_spanned!(span=> ::actor_core::__private::migratable);
        let mut begun = quote_spanned!(span=> {
            #[allow(unused_imports)]
            use #rt::{Ours as _, Theirs as _};
            let __over = #base;
            (&__over).kind().begin(__over)
        });
        for (method, args) in adapters {
            let args: Vec<Expr> = args.iter().map(|arg| self.expr(arg)).collect();
            let method = format_ident!("{method}");
            begun = quote_spanned!(span=> #rt::iter::#method(#begun, #(#args),*));
        }
        let items = self.temp(span);
        self.step(quote!(let mut #items = #begun;), vec![items.to_string()]);
        items
    }

    /// `a && b` and `a || b`, where `b` may wait.
    pub(super) fn lower_lazy(&mut self, found: &ExprBinary) -> Expr {
        let (left, right) = (&found.left, &found.right);
        if !waits(right) {
            let mut found = found.clone();
            *found.left = self.expr(left);
            *found.right = verbatim::expr(right, &self.targets);
            return Expr::Binary(found);
        }
        let branch: Expr = match found.op {
            BinOp::And(_) => parse_quote!(if #left { #right } else { false }),
            _ => parse_quote!(if #left { true } else { #right }),
        };
        self.expr(&branch)
    }
}

/// What a `for` goes over without the adapters of ours: `vec` and `enumerate` of `vec.into_iter().enumerate()`.
fn adapters(over: &Expr) -> (&Expr, Vec<(String, Vec<&Expr>)>) {
    let mut found = Vec::new();
    let mut base = over;
    loop {
        match base {
            Expr::Paren(inner) => base = &inner.expr,
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                match (name.as_str(), call.args.len()) {
                    ("enumerate" | "rev", 0) | ("step_by" | "take" | "skip", 1) => {
                        found.push((name, call.args.iter().collect()));
                    }
                    ("into_iter", 0) => {}
                    _ => break,
                }
                base = &call.receiver;
            }
            _ => break,
        }
    }
    found.reverse();
    (base, found)
}

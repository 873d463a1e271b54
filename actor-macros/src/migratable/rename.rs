//! Every variable of the function gets a name of its own.
//!
//! The first `x` stays `x`; another, in an inner block or in a later one, becomes `x_2`. Afterwards a name says which
//! variable it is wherever it stands, and code may be moved out of the block it was in. What the user sees of it is at most
//! the name in a message of the compiler's, at the token of his own.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Block, Expr, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprStruct, ExprWhile, FieldPat,
    Item, Lit, Local, Macro, Pat, PatIdent, Token,
};

use super::format::{self, Position, is_punct};
use super::waits;

/// Renames in `body`, in whose scope the `parameters` are.
pub(super) fn rename(parameters: &[Ident], body: &mut Block) {
    let mut taken = BTreeSet::new();
    all_words(body.to_token_stream(), &mut taken);
    let mut renamer = Renamer {
        scopes: vec![BTreeMap::new()],
        bound: BTreeSet::new(),
        taken,
    };
    for parameter in parameters {
        let name = parameter.to_string();
        renamer.bound.insert(name.clone());
        renamer.scopes[0].insert(name.clone(), name);
    }
    renamer.visit_block_mut(body);
}

/// Collects the words in `tokens`.
pub(super) fn all_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => all_words(group.stream(), words),
            TokenTree::Ident(ident) => {
                words.insert(ident.to_string());
            }
            _ => {}
        }
    }
}

/// Whether a pattern that is a word binds it. Otherwise it is a constant or a variant, by Rust's convention.
pub(super) fn binds(pattern: &PatIdent) -> bool {
    let name = pattern.ident.to_string();
    pattern.by_ref.is_some()
        || pattern.mutability.is_some()
        || pattern.subpat.is_some()
        || !name.starts_with(|c: char| c.is_uppercase())
}

struct Renamer {
    scopes: Vec<BTreeMap<String, String>>,
    /// The names that have been given to a variable.
    bound: BTreeSet<String>,
    /// All words of the function.
    taken: BTreeSet<String>,
}

impl Renamer {
    fn within(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeMap::new());
        visit(self);
        self.scopes.pop();
    }

    /// Binds what `pattern` binds, in the innermost scope.
    fn declare(&mut self, pattern: &mut Pat) {
        let mut names = BTreeMap::new();
        Declare {
            renamer: self,
            names: &mut names,
        }
        .visit_pat_mut(pattern);
        let scope = self.scopes.last_mut().expect("within a scope");
        scope.extend(names);
    }

    fn fresh(&mut self, name: &str) -> String {
        if self.bound.insert(name.to_owned()) {
            return name.to_owned();
        }
        let fresh = (2..)
            .map(|n| format!("{name}_{n}"))
            .find(|fresh| !self.taken.contains(fresh) && !self.bound.contains(fresh))
            .expect("some number is free");
        self.bound.insert(fresh.clone());
        fresh
    }

    fn lookup(&self, name: &str) -> Option<&str> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(name))
            .map(String::as_str)
            .filter(|new| *new != name)
    }

    fn ident(&self, ident: &mut Ident) {
        if let Some(new) = self.lookup(&ident.to_string()) {
            *ident = Ident::new(new, ident.span());
        }
    }

    /// In the arguments of a macro, which may be anything: words that are no field, no path and no argument's name; and of the
    /// string literals that are arguments the first, which may be a format string.
    fn tokens(&self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let before = |i: usize, n: usize| i.checked_sub(n).map(|at| &tokens[at]);
        let names = format::named(&tokens);
        let is_argument = |i: usize| {
            let (before, after) = (before(i, 1), tokens.get(i + 1));
            (before.is_none() || is_punct(before, ',')) && (after.is_none() || is_punct(after, ','))
        };
        let format = (0..tokens.len())
            .find(|&i| matches!(tokens[i], TokenTree::Literal(_)) && is_argument(i));
        let renamed = tokens.iter().enumerate().map(|(i, token)| match token {
            TokenTree::Group(group) => {
                let mut new = Group::new(group.delimiter(), self.tokens(group.stream()));
                new.set_span(group.span());
                TokenTree::Group(new)
            }
            TokenTree::Ident(ident) => {
                let part = is_punct(before(i, 1), '.') && !is_punct(before(i, 2), '.')
                    || is_punct(before(i, 1), ':') && is_punct(before(i, 2), ':')
                    || is_punct(before(i, 1), '\'')
                    || is_punct(tokens.get(i + 1), ':')
                    || format::is_named(&tokens, i);
                let mut ident = ident.clone();
                if !part {
                    self.ident(&mut ident);
                }
                TokenTree::Ident(ident)
            }
            TokenTree::Literal(literal) if Some(i) == format => {
                TokenTree::Literal(self.format(literal.clone(), &names))
            }
            other => other.clone(),
        });
        renamed.collect()
    }

    /// A format string, which may capture variables; `named` are arguments.
    fn format(&self, literal: Literal, named: &BTreeSet<String>) -> Literal {
        let text = literal.to_string();
        if !text.contains('"') || !text.contains('{') {
            return literal;
        }
        let mut new = String::new();
        let mut copied = 0;
        for range in format::captured(&text) {
            let name = &text[range.clone()];
            let renamed = match named.contains(name) {
                true => None,
                false => self.lookup(name),
            };
            new.push_str(&text[copied..range.start]);
            new.push_str(renamed.unwrap_or(name));
            copied = range.end;
        }
        new.push_str(&text[copied..]);
        match new.parse::<Literal>() {
            Ok(mut renamed) => {
                renamed.set_span(literal.span());
                renamed
            }
            Err(_) => literal,
        }
    }
}

impl VisitMut for Renamer {
    fn visit_block_mut(&mut self, block: &mut Block) {
        self.within(|this| visit_mut::visit_block_mut(this, block));
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        if let Some(init) = &mut local.init {
            self.visit_expr_mut(&mut init.expr);
            if let Some((_, diverge)) = &mut init.diverge {
                self.visit_expr_mut(diverge);
            }
        }
        self.declare(&mut local.pat);
    }

    fn visit_expr_let_mut(&mut self, found: &mut ExprLet) {
        self.visit_expr_mut(&mut found.expr);
        self.declare(&mut found.pat);
    }

    fn visit_expr_if_mut(&mut self, found: &mut ExprIf) {
        self.within(|this| {
            this.visit_expr_mut(&mut found.cond);
            this.visit_block_mut(&mut found.then_branch);
        });
        if let Some((_, otherwise)) = &mut found.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_expr_while_mut(&mut self, found: &mut ExprWhile) {
        self.within(|this| {
            this.visit_expr_mut(&mut found.cond);
            this.visit_block_mut(&mut found.body);
        });
    }

    fn visit_expr_for_loop_mut(&mut self, found: &mut ExprForLoop) {
        self.visit_expr_mut(&mut found.expr);
        self.within(|this| {
            this.declare(&mut found.pat);
            this.visit_block_mut(&mut found.body);
        });
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.within(|this| {
            this.declare(&mut arm.pat);
            if let Some((_, guard)) = &mut arm.guard {
                this.visit_expr_mut(guard);
            }
            this.visit_expr_mut(&mut arm.body);
        });
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.within(|this| {
            for input in &mut closure.inputs {
                this.declare(input);
            }
            this.visit_expr_mut(&mut closure.body);
        });
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Path(path) = expr
            && path.qself.is_none()
            && let [segment] = &mut Vec::from_iter(&mut path.path.segments)[..]
            && path.path.leading_colon.is_none()
        {
            self.ident(&mut segment.ident);
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_expr_struct_mut(&mut self, found: &mut ExprStruct) {
        for field in &mut found.fields {
            if field.colon_token.is_none() {
                field.colon_token = Some(Token![:](proc_macro2::Span::call_site()));
            }
        }
        visit_mut::visit_expr_struct_mut(self, found);
    }

    fn visit_macro_mut(&mut self, found: &mut Macro) {
        // Arguments that are expressions have scopes of their own.
        if let Some(mut args) = waits::arguments(found) {
            let named = args.iter().filter_map(|arg| match arg {
                Expr::Assign(named) => Some(named.left.to_token_stream().to_string()),
                _ => None,
            });
            let named: BTreeSet<String> = named.collect();
            let word = found.path.segments.last();
            let word = word.map(|segment| segment.ident.to_string());
            let is_string =
                |arg: &Expr| matches!(arg, Expr::Lit(found) if matches!(found.lit, Lit::Str(_)));
            let format = match format::position(&word.unwrap_or_default()) {
                Some(Position::At(at)) => Some(at),
                Some(Position::FirstLiteral) => args.iter().position(is_string),
                None => None,
            };
            for (i, arg) in args.iter_mut().enumerate() {
                match arg {
                    Expr::Lit(found) if Some(i) == format => {
                        if let Lit::Str(string) = &mut found.lit {
                            let renamed = self.format(string.token(), &named);
                            found.lit = Lit::new(renamed);
                        }
                    }
                    Expr::Assign(named) => self.visit_expr_mut(&mut named.right),
                    arg => self.visit_expr_mut(arg),
                }
            }
            found.tokens = args.into_token_stream();
        } else {
            found.tokens = self.tokens(std::mem::take(&mut found.tokens));
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

struct Declare<'a> {
    renamer: &'a mut Renamer,
    /// One pattern may bind a name in each of its alternatives.
    names: &'a mut BTreeMap<String, String>,
}

impl VisitMut for Declare<'_> {
    fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
        if binds(pattern) {
            let name = pattern.ident.to_string();
            let new = match self.names.get(&name) {
                Some(new) => new.clone(),
                None => {
                    let new = self.renamer.fresh(&name);
                    self.names.insert(name, new.clone());
                    new
                }
            };
            pattern.ident = Ident::new(&new, pattern.ident.span());
        }
        if let Some((_, inner)) = &mut pattern.subpat {
            self.visit_pat_mut(inner);
        }
    }

    fn visit_field_pat_mut(&mut self, field: &mut FieldPat) {
        let before = field.pat.to_token_stream().to_string();
        self.visit_pat_mut(&mut field.pat);
        // `Point { x }` binds `x`; with another name it is `Point { x: x_2 }`.
        if field.colon_token.is_none() && field.pat.to_token_stream().to_string() != before {
            field.colon_token = Some(Token![:](proc_macro2::Span::call_site()));
        }
    }

    // Constants in a pattern.
    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}

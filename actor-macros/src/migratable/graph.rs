//! The function as blocks between which it can be left and entered again, and what each block needs.
//!
//! A block is a run of statements and an exit. Names are unique by now (`rename`), so a variable is its name, and a token with
//! that name is a mention of it. `live` says what each block needs.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

use super::format::{self, is_punct};

pub(super) type BlockId = usize;
pub(super) type Names = BTreeSet<String>;

/// A variable of the function that is bound outside the code that stays as it is.
pub(super) struct Var {
    pub(super) ident: Ident,
    pub(super) mutable: bool,
    /// The how manieth it is: variables are dropped in the reverse order.
    pub(super) order: usize,
    pub(super) scope: ScopeId,
    /// It borrows nothing, as far as can be seen.
    pub(super) owned: bool,
    /// It lives to the end of its scope, as in a function, whether it is needed or not (`owned`).
    pub(super) held: bool,
    /// It is declared without a value, `let name: Type;`: with what is written behind its name. Whatever gives it its first value
    /// declares it.
    pub(super) late: Option<TokenStream>,
}

/// A block of the user's, or another scope of variables.
pub(super) type ScopeId = usize;

#[derive(Default)]
pub(super) struct Graph {
    pub(super) blocks: Vec<Block>,
    pub(super) vars: BTreeMap<String, Var>,
    pub(super) parameters: Names,
    /// Where the turns of loops begin that have been taken apart.
    pub(super) heads: Vec<BlockId>,
    /// The scope of what is made now.
    pub(super) scope: ScopeId,
    /// The scope around each but the first.
    outer: Vec<ScopeId>,
}

#[derive(Default)]
pub(super) struct Block {
    pub(super) steps: Vec<Step>,
    pub(super) exit: Option<Exit>,
    pub(super) scope: ScopeId,
}

/// One statement.
pub(super) struct Step {
    pub(super) code: Code,
    pub(super) binds: Vec<String>,
}

pub(super) enum Code {
    Statement(TokenStream),
    /// `name = value;`, which gives a variable its first value as well as another.
    Assign(String, TokenStream),
}

/// How a block is left. One without an exit is never reached.
pub(super) enum Exit {
    Goto(BlockId),
    If {
        cond: TokenStream,
        binds: Vec<String>,
        then: BlockId,
        otherwise: BlockId,
    },
    Match {
        scrutinee: TokenStream,
        arms: Vec<Arm>,
    },
    Return(TokenStream),
    /// `poll` is ready with the value of `result`, or the function is left, to come back to this block.
    Wait {
        poll: TokenStream,
        result: String,
        next: BlockId,
    },
    /// The function is left, to go on with `next`.
    Yield {
        next: BlockId,
    },
    /// The same if its turn is over; otherwise it goes on at once.
    Check {
        next: BlockId,
    },
}

/// One of the blocks that an exit can go to.
pub(super) struct Way<'a> {
    pub(super) target: BlockId,
    /// What is bound on the way.
    pub(super) binds: &'a [String],
    /// What is evaluated with that bound, before the way is taken.
    pub(super) guard: Option<&'a TokenStream>,
}

pub(super) struct Arm {
    pub(super) pattern: TokenStream,
    pub(super) guard: Option<TokenStream>,
    pub(super) binds: Vec<String>,
    pub(super) target: BlockId,
}

/// The macro whose calls stand for jumps out of code that stays as it is: `__jump!(block)`, or `__jump!(block, bound)` if
/// the variable `bound` has been given its value just before.
pub(super) const JUMP: &str = "__jump";

impl Graph {
    pub(super) fn block(&mut self) -> BlockId {
        self.blocks.push(Block {
            scope: self.scope,
            ..Block::default()
        });
        self.blocks.len() - 1
    }

    /// The variables without a value that `tokens` mentions, and so gives one.
    pub(super) fn late(&self, tokens: &TokenStream) -> Names {
        let mut names = self.mentions(tokens);
        names.retain(|name| self.vars[name].late.is_some());
        names
    }

    /// Begins a scope within the current one. That one.
    pub(super) fn open_scope(&mut self) -> ScopeId {
        self.outer.push(self.scope);
        std::mem::replace(&mut self.scope, self.outer.len())
    }

    /// Whether a variable of scope `outer` is in scope in `inner`.
    pub(super) fn is_within(&self, inner: ScopeId, outer: ScopeId) -> bool {
        let mut scope = inner;
        while scope != outer {
            match scope.checked_sub(1) {
                Some(n) => scope = self.outer[n],
                None => return false,
            }
        }
        true
    }

    /// The variables that `tokens` mentions.
    pub(super) fn mentions(&self, tokens: &TokenStream) -> Names {
        let mut found = Names::new();
        mentions(tokens, &mut |name| {
            if self.vars.contains_key(name) {
                found.insert(name.to_owned());
            }
        });
        found
    }
}

impl Block {
    /// The blocks it can go to, in the order written. `true`: so that the block must be one that can be entered by name.
    pub(super) fn targets(&self) -> Vec<(BlockId, bool)> {
        let mut found = Vec::new();
        for step in &self.steps {
            match &step.code {
                Code::Statement(tokens) | Code::Assign(_, tokens) => jumped(tokens, &mut found),
            }
        }
        if let Some(exit) = &self.exit {
            if let Some(code) = exit.code() {
                jumped(code, &mut found);
            }
            let by_name = matches!(exit, Exit::Yield { .. } | Exit::Check { .. });
            for way in exit.ways() {
                if let Some(guard) = way.guard {
                    jumped(guard, &mut found);
                }
                found.push((way.target, by_name));
            }
        }
        found
    }
}

impl Exit {
    /// The code that decides where it goes, if any does.
    pub(super) fn code(&self) -> Option<&TokenStream> {
        match self {
            Exit::Goto(_) | Exit::Yield { .. } | Exit::Check { .. } => None,
            Exit::If { cond: code, .. }
            | Exit::Match {
                scrutinee: code, ..
            }
            | Exit::Return(code)
            | Exit::Wait { poll: code, .. } => Some(code),
        }
    }

    /// The blocks that it can go to, in the order written; jumps out of its code are others.
    pub(super) fn ways(&self) -> Vec<Way<'_>> {
        let way = |target, binds| Way {
            target,
            binds,
            guard: None,
        };
        match self {
            Exit::Return(_) => Vec::new(),
            Exit::Goto(next) | Exit::Yield { next } | Exit::Check { next } => {
                vec![way(*next, &[])]
            }
            Exit::If {
                binds,
                then,
                otherwise,
                ..
            } => vec![way(*then, binds), way(*otherwise, &[])],
            Exit::Match { arms, .. } => {
                let arms = arms.iter().map(|arm| Way {
                    guard: arm.guard.as_ref(),
                    ..way(arm.target, &arm.binds)
                });
                arms.collect()
            }
            Exit::Wait { result, next, .. } => vec![way(*next, std::slice::from_ref(result))],
        }
    }
}

fn jumped(tokens: &TokenStream, found: &mut Vec<(BlockId, bool)>) {
    found.extend(jumps(tokens).into_iter().map(|(target, _)| (target, true)));
}

/// The jumps in code.
pub(super) fn jumps(tokens: &TokenStream) -> Vec<(BlockId, Option<String>)> {
    let mut found = Vec::new();
    replace_jumps(tokens.clone(), &mut |target, bound| {
        found.push((target, bound));
        TokenStream::new()
    });
    found
}

/// `tokens` with what `with` makes of each jump.
pub(super) fn replace_jumps(
    tokens: TokenStream,
    with: &mut impl FnMut(BlockId, Option<String>) -> TokenStream,
) -> TokenStream {
    let mut out = TokenStream::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Ident(ident) if ident == JUMP => {
                rest.next(); // the `!`
                let Some(TokenTree::Group(args)) = rest.next() else {
                    continue;
                };
                let mut args = args.stream().into_iter();
                let target = args.next().and_then(|id| id.to_string().parse().ok());
                let bound = args.nth(1).map(|name| name.to_string());
                out.extend(with(target.unwrap_or(0), bound));
            }
            TokenTree::Group(group) => {
                let inner = replace_jumps(group.stream(), with);
                let mut replaced = Group::new(group.delimiter(), inner);
                replaced.set_span(group.span());
                out.extend([TokenTree::Group(replaced)]);
            }
            other => out.extend([other]),
        }
    }
    out
}

/// Calls `found` for each identifier in `tokens` that may be a variable: no field, no method, no part of a path; and for
/// each that a format string in a macro's arguments names.
pub(super) fn mentions(tokens: &TokenStream, found: &mut impl FnMut(&str)) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    // Of a macro, whose format string may mention them.
    let named = format::named(&tokens);
    for (i, token) in tokens.iter().enumerate() {
        let before = |n: usize| i.checked_sub(n).and_then(|at| tokens.get(at));
        let after = |n: usize| tokens.get(i + n);
        match token {
            TokenTree::Group(group) => {
                mentions(&group.stream(), found);
            }
            TokenTree::Ident(ident) => {
                let field = is_punct(before(1), '.') && !is_punct(before(2), '.');
                let lifetime = is_punct(before(1), '\'');
                let tail = is_punct(before(1), ':') && is_punct(before(2), ':');
                let head = is_punct(after(1), ':') && is_punct(after(2), ':');
                let named = is_punct(after(1), ':') && !is_punct(after(2), ':');
                let argument = format::is_named(&tokens, i);
                if !(field || lifetime || tail || head || named || argument) {
                    found(&ident.to_string());
                }
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains('"') && text.contains('{') {
                    for range in format::captured(&text) {
                        let name = &text[range];
                        if !named.contains(name) {
                            found(name);
                        }
                    }
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// A number for code, the same for the same tokens, on every machine and by every compiler: FNV-1a over the tree of tokens.
/// Comments and layout do not count.
pub(super) fn fingerprint(tokens: TokenStream) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    hash_tokens(tokens, &mut hash);
    hash
}

fn hash_tokens(tokens: TokenStream, hash: &mut u64) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => feed(hash, 1, &ident.to_string()),
            TokenTree::Literal(literal) => feed(hash, 2, &literal.to_string()),
            TokenTree::Punct(punct) => feed(hash, 3, punct.as_char().encode_utf8(&mut [0; 4])),
            TokenTree::Group(group) => {
                let kind = match group.delimiter() {
                    Delimiter::Parenthesis => "(",
                    Delimiter::Brace => "{",
                    Delimiter::Bracket => "[",
                    Delimiter::None => "",
                };
                feed(hash, 4, kind);
                hash_tokens(group.stream(), hash);
                feed(hash, 5, kind);
            }
        }
    }
}

fn feed(hash: &mut u64, kind: u8, text: &str) {
    for byte in [kind].into_iter().chain(text.bytes()).chain([0]) {
        *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

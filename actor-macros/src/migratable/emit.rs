//! The blocks as code: an enum of the places at which it can be suspended, and the function that goes on from one.
//!
//! ```text
//!   enum __State<A, B> { Done, S0 { n: A }, S1 { n: A, rest: B } }      what is kept, and frozen
//!   enum __Block<A, B> { B0 { n: A }, B3 { n: A, rest: B }, .. }         where to go on, within one poll
//!   match state { S0 { n } => B0 { n }, .. }
//!   loop { match block { B0 { n } => { .. block = B3 { n, rest }; continue } .. } }
//! ```
//! A block that one other goes to, and that is nowhere resumed, stands inside that other; so patterns may bind references
//! there. Blocks stand in an order in which each comes after one that goes to it: the compiler infers types in that order, so
//! it knows those of a block's variables when it comes to the code that uses them.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::graph::{BlockId, Code, Exit, Graph, Names, Var, replace_jumps};
use super::live::Has;
use crate::expand::{local, unraw};
use crate::variants;

pub(super) struct Program {
    /// The two enums.
    pub(super) types: TokenStream,
    /// The first state, of the parameters.
    pub(super) start: TokenStream,
    /// The type of the state.
    pub(super) state: TokenStream,
    /// The body of the function that goes on.
    pub(super) resume: TokenStream,
}

pub(super) fn program(graph: &Graph) -> Program {
    let order = order(graph);
    let mut entries = BTreeMap::new();
    let mut states = vec![0];
    for &id in &order {
        for (target, by_name) in graph.blocks[id].targets() {
            *entries.entry(target).or_insert(0) += if by_name { 2 } else { 1 };
        }
        match &graph.blocks[id].exit {
            Some(Exit::Wait { .. }) => states.push(id),
            Some(Exit::Yield { next } | Exit::Check { next }) => states.push(*next),
            _ => {}
        }
    }
    states.dedup();
    let mut seen = BTreeSet::new();
    states.retain(|id| seen.insert(*id));
    let named: BTreeSet<BlockId> = order
        .iter()
        .copied()
        .filter(|id| entries.get(id).is_some_and(|n| *n > 1) || states.contains(id))
        .collect();
    let emit = Emit {
        has: graph.has(),
        graph,
        states,
        named,
    };
    emit.program(&order)
}

/// The reachable blocks, each after one that goes to it, by a search in depth, from the end.
fn order(graph: &Graph) -> Vec<BlockId> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::from([0]);
    // A block, and those it goes to that have not been looked at; the ones written first last, so that they end up first.
    let mut path = vec![(0, targets(graph, 0))];
    while let Some((id, rest)) = path.last_mut() {
        match rest.pop() {
            Some(next) if seen.insert(next) => path.push((next, targets(graph, next))),
            Some(_) => {}
            None => {
                order.push(*id);
                path.pop();
            }
        }
    }
    order.reverse();
    order
}

fn targets(graph: &Graph, id: BlockId) -> Vec<BlockId> {
    let targets = graph.blocks[id].targets();
    targets.into_iter().map(|(id, _)| id).collect()
}

struct Enumeration {
    item: TokenStream,
    /// Its type, with what it is generic over left to the compiler.
    inferred: TokenStream,
    generics: Vec<Ident>,
    /// Those with fields: the names of these, and their types.
    variants: Vec<(Ident, Vec<(Ident, Ident)>)>,
}

/// How the states are read: as by serde's derive, with bounds in our words.
fn read(state: &Enumeration) -> TokenStream {
    let keep = quote!(::actor_core::__private::migratable::Keep);
    let de = quote!(::actor_core::__private::serde::de);
    let (variant, generics) = (local("variant"), &state.generics);
    let done = quote! {{
        #de::VariantAccess::unit_variant(#variant)?;
        ::core::result::Result::Ok(Self::Done)
    }};
    let states = state.variants.iter().map(|(state, fields)| {
        let names = fields.iter().map(|(ident, _)| unraw(ident));
        let idents: Vec<&Ident> = fields.iter().map(|(ident, _)| ident).collect();
        let types = fields.iter().map(|(_, ty)| ty);
        let value = quote!(Self::#state { #(#idents),* });
        let body = variants::fields(&variant, names, &idents, types, &value);
        (state.to_string(), body)
    });
    let all = std::iter::once(("Done".to_owned(), done)).chain(states);
    variants::read(
        "__State",
        &variant,
        all,
        |path, body| quote!(impl<'__de, #(#generics: #keep),*> #path for __State<#(#generics),*> { #body }),
    )
}

struct Emit<'a> {
    graph: &'a Graph,
    has: Vec<Has>,
    /// Where it can be suspended; the first is the start.
    states: Vec<BlockId>,
    /// The blocks that are entered by name.
    named: BTreeSet<BlockId>,
}

impl Emit<'_> {
    fn program(&self, order: &[BlockId]) -> Program {
        let state = self.enumeration(
            "__State",
            self.states
                .iter()
                .enumerate()
                .map(|(n, id)| (format_ident!("S{n}"), *id)),
            &quote!(Done,),
        );
        let block_type = self
            .enumeration(
                "__Block",
                self.named.iter().map(|id| (block_name(*id), *id)),
                &TokenStream::new(),
            )
            .item;
        let rt = quote!(::actor_core::__private::migratable);
        let serde = format!("{rt}::serde").replace(' ', "");
        // In our words, and not in serde's, where something cannot be kept.
        let keep = "::actor_core::__private::migratable::Keep";
        let kept: String = state
            .generics
            .iter()
            .map(|ty| format!("{ty}: {keep}, "))
            .collect();
        let (state_type, read) = (&state.item, read(&state));
        let types = quote! {
            #[derive(#rt::serde::Serialize)]
            #[serde(crate = #serde, bound(serialize = #kept))]
            #state_type
            #read
            #block_type
        };
        let resumed = self.states.iter().enumerate().map(|(n, id)| {
            let (from, to) = (format_ident!("S{n}"), block_name(*id));
            let fields = self.idents(*id);
            quote!(__State::#from { #(#fields),* } => __Block::#to { #(#fields),* })
        });
        let arms = order.iter().filter(|id| self.named.contains(id)).map(|id| {
            let name = block_name(*id);
            // What is bound last is dropped first.
            let fields = self.vars(*id).into_iter().map(|(_, var)| {
                let (mutable, ident) = (var.mutable.then(|| quote!(mut)), &var.ident);
                quote!(#mutable #ident)
            });
            let body = self.block(*id, &mut self.has[*id].all().cloned().collect());
            quote!(__Block::#name { #(#fields),* } => { #body })
        });
        let resume = quote! {
            let mut __block = match ::core::mem::replace(__state, __State::Done) {
                __State::Done => #rt::resumed_after_end(),
                #(#resumed,)*
            };
            '__blocks: loop {
                match __block { #(#arms)* }
            }
        };
        let fields = self.idents(0);
        Program {
            types,
            start: quote!(__State::S0 { #(#fields),* }),
            state: state.inferred,
            resume,
        }
    }

    /// An enum with a variant for each of `variants`, generic over the types of the variables, which only the compiler knows.
    fn enumeration(
        &self,
        name: &str,
        variants: impl Iterator<Item = (Ident, BlockId)>,
        first: &TokenStream,
    ) -> Enumeration {
        let name = format_ident!("{name}");
        let mut types = BTreeMap::new();
        let mut out = Vec::new();
        for (variant, id) in variants {
            // The fields of a state that is dropped are, in their order.
            let fields: Vec<(Ident, Ident)> = self
                .vars(id)
                .into_iter()
                .rev()
                .map(|(name, var)| {
                    let n = types.len();
                    let held = self.has[id].held.contains(name);
                    let ty = types.entry((name, held));
                    let ty = ty.or_insert_with(|| format_ident!("T{n}"));
                    (var.ident.clone(), ty.clone())
                })
                .collect();
            out.push((variant, fields));
        }
        let generics: Vec<Ident> = types.into_values().collect();
        let inferred = generics.iter().map(|_| quote!(_));
        let shown = out.iter().map(|(variant, fields)| {
            let fields = fields.iter().map(|(ident, ty)| quote!(#ident: #ty));
            quote!(#variant { #(#fields),* })
        });
        Enumeration {
            item: quote!(enum #name<#(#generics),*> { #first #(#shown),* }),
            inferred: quote!(#name<#(#inferred),*>),
            generics,
            variants: out,
        }
    }

    /// The variables of a block, in the order in which they were declared.
    fn vars(&self, id: BlockId) -> Vec<(&String, &Var)> {
        let names = self.has[id].all();
        let mut vars: Vec<_> = names.map(|name| (name, &self.graph.vars[name])).collect();
        vars.sort_by_key(|(_, var)| var.order);
        vars
    }

    fn idents(&self, id: BlockId) -> Vec<&Ident> {
        let vars = self.vars(id).into_iter();
        vars.map(|(_, var)| &var.ident).collect()
    }

    /// The values of those variables, for one who goes there; of one that is needed `needed` is made.
    fn values(&self, id: BlockId, needed: impl Fn(&Ident) -> TokenStream) -> Vec<TokenStream> {
        let vars = self.vars(id).into_iter();
        vars.map(|(name, var)| {
            let ident = &var.ident;
            let value = match self.has[id].held.contains(name) {
                true => quote!(::actor_core::__private::migratable::hold!(#ident)),
                false => needed(ident),
            };
            quote!(#ident: #value)
        })
        .collect()
    }

    /// The code of a block, which ends by leaving it. `bound`: the variables that are in scope.
    fn block(&self, id: BlockId, bound: &mut Names) -> TokenStream {
        let block = &self.graph.blocks[id];
        let mut out = TokenStream::new();
        for step in &block.steps {
            match &step.code {
                Code::Statement(tokens) => {
                    out.extend(self.declare_late(tokens, bound));
                    out.extend(self.jumps(tokens.clone()));
                }
                Code::Assign(name, value) => {
                    out.extend(self.declare_late(value, bound));
                    let var = &self.graph.vars[name];
                    let (ident, ty) = (&var.ident, &var.late);
                    let value = self.jumps(value.clone());
                    out.extend(match bound.insert(name.clone()) {
                        true => quote!(let mut #ident #ty = #value;),
                        false => quote!(#ident = #value;),
                    });
                }
            }
            bound.extend(step.binds.iter().cloned());
        }
        if let Some(code) = block.exit.as_ref().and_then(Exit::code) {
            out.extend(self.declare_late(code, bound));
        }
        out.extend(self.exit(id, block.exit.as_ref(), bound));
        out
    }

    /// Declares the variables without a value that `code` is the first to mention here.
    fn declare_late(&self, code: &TokenStream, bound: &mut Names) -> TokenStream {
        let mut late = self.graph.late(code);
        late.retain(|name| bound.insert(name.clone()));
        let vars = late.iter().map(|name| &self.graph.vars[name]);
        vars.map(|var| {
            let (ident, ty) = (&var.ident, &var.late);
            quote!(let mut #ident #ty;)
        })
        .collect()
    }

    fn exit(&self, id: BlockId, exit: Option<&Exit>, bound: &Names) -> TokenStream {
        match exit {
            None => quote!(::core::unreachable!()),
            Some(Exit::Goto(target)) => self.goto(*target, bound, &[]),
            Some(Exit::If {
                cond,
                binds,
                then,
                otherwise,
            }) => {
                let cond = self.jumps(cond.clone());
                let then = self.goto(*then, bound, binds);
                let otherwise = self.goto(*otherwise, bound, &[]);
                quote!(if #cond { #then } else { #otherwise })
            }
            Some(Exit::Match { scrutinee, arms }) => {
                let scrutinee = self.jumps(scrutinee.clone());
                let arms = arms.iter().map(|arm| {
                    let pattern = &arm.pattern;
                    let guard = arm.guard.clone().map(|guard| {
                        let guard = self.jumps(guard);
                        quote!(if #guard)
                    });
                    let body = self.goto(arm.target, bound, &arm.binds);
                    quote!(#pattern #guard => { #body })
                });
                quote!(match #scrutinee { #(#arms)* })
            }
            Some(Exit::Return(value)) => {
                let value = self.jumps(value.clone());
                quote!(return ::core::task::Poll::Ready(#value);)
            }
            Some(Exit::Wait { poll, result, next }) => {
                let poll = self.jumps(poll.clone());
                let suspend = self.suspend(id);
                let ident = &self.graph.vars[result].ident;
                let go_on = self.goto(*next, bound, std::slice::from_ref(result));
                quote! {
                    match #poll {
                        ::core::task::Poll::Ready(mut #ident) => { #go_on }
                        ::core::task::Poll::Pending => { #suspend }
                    }
                }
            }
            Some(Exit::Check { next }) => {
                let suspend = self.suspend(*next);
                let go_on = self.enter(*next);
                quote! {
                    if __cx.checkpoint() { #suspend }
                    #go_on
                }
            }
            Some(Exit::Yield { next }) => {
                let suspend = self.suspend(*next);
                quote! {
                    __cx.again();
                    #suspend
                }
            }
        }
    }

    /// Leaves the function, to come back to block `id`.
    fn suspend(&self, id: BlockId) -> TokenStream {
        let state = self.states.iter().position(|state| *state == id);
        let state = format_ident!("S{}", state.expect("it can be suspended there"));
        // At the variable's own token, where what cannot be kept is reported.
        let fields = self.values(id, |ident| {
            quote_spanned!(ident.span()=> ::actor_core::__private::migratable::keep(#ident))
        });
        quote! {
            *__state = __State::#state { #(#fields),* };
            return ::core::task::Poll::Pending;
        }
    }

    fn goto(&self, id: BlockId, bound: &Names, binds: &[String]) -> TokenStream {
        match self.named.contains(&id) {
            true => self.enter(id),
            false => {
                let mut bound = bound.clone();
                let left = self.leave_scopes(id, &mut bound);
                bound.extend(binds.iter().cloned());
                let body = self.block(id, &mut bound);
                quote!(#left #body)
            }
        }
    }

    /// Drops what is bound in scopes that end where block `id` begins, the last first.
    fn leave_scopes(&self, id: BlockId, bound: &mut Names) -> TokenStream {
        let scope = self.graph.blocks[id].scope;
        let ends = |name: &String| {
            let var = &self.graph.vars[name];
            (var.held && !self.graph.is_within(scope, var.scope)).then_some(var)
        };
        let mut ended: Vec<&Var> = bound.iter().filter_map(ends).collect();
        ended.sort_by_key(|var| std::cmp::Reverse(var.order));
        bound.retain(|name| ends(name).is_none());
        let idents = ended.into_iter().map(|var| &var.ident);
        quote!(#(::core::mem::drop(#idents);)*)
    }

    fn enter(&self, id: BlockId) -> TokenStream {
        let name = block_name(id);
        let fields = self.values(id, |ident| quote!(#ident));
        quote! {
            __block = __Block::#name { #(#fields),* };
            continue '__blocks;
        }
    }

    fn jumps(&self, tokens: TokenStream) -> TokenStream {
        replace_jumps(tokens, &mut |id, _| {
            let enter = self.enter(id);
            quote!({ #enter })
        })
    }
}

fn block_name(id: BlockId) -> Ident {
    format_ident!("B{id}")
}

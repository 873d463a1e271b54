//! What each block has: the variables that it *needs*, which the statements that can follow mention before they bind them; and
//! those that are only *held* for the end of their scope, when they are dropped.
//!
//! A mention is a token, and may be of something else by the same name: a function, a word in a string. It is none where no
//! variable of that name can be bound: so what a block needs is only what is bound whichever way it is come to ([`Graph::bound`]).

use proc_macro2::TokenStream;

use super::graph::{Block, BlockId, Code, Exit, Graph, Names, Step, jumps};

/// What a block has.
#[derive(Clone, Default)]
pub(super) struct Has {
    pub(super) needed: Names,
    pub(super) held: Names,
}

impl Has {
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.needed.iter().chain(&self.held)
    }
}

impl Graph {
    /// What each block has.
    pub(super) fn has(&self) -> Vec<Has> {
        let (live, bound) = (self.liveness(), self.bound());
        let blocks = live.into_iter().zip(bound).zip(&self.blocks);
        blocks
            .map(|((mut needed, bound), block)| {
                let bound = bound.unwrap_or_default();
                needed.retain(|name| bound.contains(name));
                let held = bound.into_iter().filter(|name| {
                    let var = &self.vars[name];
                    var.held && !needed.contains(name) && self.is_within(block.scope, var.scope)
                });
                Has {
                    held: held.collect(),
                    needed,
                }
            })
            .collect()
    }

    /// Puts a checkpoint where a turn of a loop begins, if all that the function would have to keep there it has to keep at a wait
    /// anyway: no program is refused for it.
    pub(super) fn add_checkpoints(&mut self) {
        let has = self.has();
        let mut kept = Names::new();
        for (id, block) in self.blocks.iter().enumerate() {
            match block.exit {
                Some(Exit::Wait { .. }) => kept.extend(has[id].needed.iter().cloned()),
                Some(Exit::Yield { next } | Exit::Check { next }) => {
                    kept.extend(has[next].needed.iter().cloned());
                }
                _ => {}
            }
        }
        for head in std::mem::take(&mut self.heads) {
            if !has[head].needed.is_subset(&kept) {
                continue;
            }
            let next = self.blocks.len();
            let turn = Block {
                steps: std::mem::take(&mut self.blocks[head].steps),
                exit: self.blocks[head].exit.replace(Exit::Check { next }),
                scope: self.blocks[head].scope,
            };
            self.blocks.push(turn);
        }
    }

    /// The variables that are bound at the head of each block, whichever way it is come to; none of one that is not come to.
    fn bound(&self) -> Vec<Option<Names>> {
        let mut bound = vec![None; self.blocks.len()];
        bound[0] = Some(self.parameters.clone());
        let mut changed = vec![0];
        while let Some(id) = changed.pop() {
            let block = &self.blocks[id];
            let mut names: Names = bound[id].clone().unwrap_or_default();
            let mut ways: Vec<(BlockId, Names)> = Vec::new();
            let jumped = |tokens: &TokenStream, names: &Names, ways: &mut Vec<_>| {
                for (target, with) in jumps(tokens) {
                    let mut names = names.clone();
                    names.extend(with);
                    ways.push((target, names));
                }
            };
            for step in &block.steps {
                match &step.code {
                    Code::Statement(tokens) => {
                        jumped(tokens, &names, &mut ways);
                        names.extend(self.late(tokens));
                    }
                    Code::Assign(name, value) => {
                        jumped(value, &names, &mut ways);
                        names.extend(self.late(value));
                        names.insert(name.clone());
                    }
                }
                names.extend(step.binds.iter().cloned());
            }
            if let Some(exit) = &block.exit {
                if let Some(code) = exit.code() {
                    jumped(code, &names, &mut ways);
                    names.extend(self.late(code));
                }
                for way in exit.ways() {
                    let mut names = names.clone();
                    names.extend(way.binds.iter().cloned());
                    if let Some(guard) = way.guard {
                        jumped(guard, &names, &mut ways);
                    }
                    ways.push((way.target, names));
                }
            }
            for (target, names) in ways {
                let before = &mut bound[target];
                let both: Names = match &*before {
                    Some(before) => before.intersection(&names).cloned().collect(),
                    None => names,
                };
                if before.as_ref() != Some(&both) {
                    *before = Some(both);
                    changed.push(target);
                }
            }
        }
        bound
    }

    /// What each block needs, by iteration from nothing to the least solution.
    fn liveness(&self) -> Vec<Names> {
        let mut live = vec![Names::new(); self.blocks.len()];
        loop {
            let mut changed = false;
            for (id, block) in self.blocks.iter().enumerate().rev() {
                let mut names = self.needed_by_exit(block.exit.as_ref(), &live);
                for step in block.steps.iter().rev() {
                    self.before_step(step, &live, &mut names);
                }
                changed |= names != live[id];
                live[id] = names;
            }
            if !changed {
                return live;
            }
        }
    }

    fn before_step(&self, step: &Step, live: &[Names], names: &mut Names) {
        match &step.code {
            Code::Statement(tokens) => names.extend(self.needed(tokens, live)),
            Code::Assign(name, value) => {
                names.remove(name);
                names.extend(self.needed(value, live));
            }
        }
        // What a statement binds it cannot have mentioned before: each variable has its own name.
        for bound in &step.binds {
            names.remove(bound);
        }
    }

    /// By code: what it mentions, and what the blocks need that it jumps to.
    fn needed(&self, tokens: &TokenStream, live: &[Names]) -> Names {
        let mut names = self.mentions(tokens);
        for (target, bound) in jumps(tokens) {
            let mut there = live[target].clone();
            if let Some(bound) = bound {
                there.remove(&bound);
                names.remove(&bound);
            }
            names.extend(there);
        }
        names
    }

    fn needed_by_exit(&self, exit: Option<&Exit>, live: &[Names]) -> Names {
        let Some(exit) = exit else {
            return Names::new();
        };
        let ways = exit.ways();
        let code = exit.code();
        let mut names = code.map_or_else(Names::new, |code| self.needed(code, live));
        // A condition mentions what it binds itself.
        for bound in ways.iter().flat_map(|way| way.binds) {
            names.remove(bound);
        }
        for way in ways {
            let mut there = live[way.target].clone();
            if let Some(guard) = way.guard {
                there.extend(self.needed(guard, live));
            }
            for bound in way.binds {
                there.remove(bound);
            }
            names.extend(there);
        }
        names
    }
}

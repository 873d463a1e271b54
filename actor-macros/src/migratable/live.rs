//! What each block has: the variables that it *needs*, which the statements that can follow mention before they bind them; and
//! those that are only *held* for the end of their scope, when they are dropped.
//!
//! A mention is a token, and may be of something else by the same name: a function, a word in a string. It is none where no
//! variable of that name can be bound: so what a block needs is only what is bound whichever way it is come to ([`Graph::bound`]).

use proc_macro2::TokenStream;

use super::graph::{BlockId, Code, Exit, Graph, Names, Step, jumps};

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
            let with = |names: &Names, binds: &[String]| {
                let mut names = names.clone();
                names.extend(binds.iter().cloned());
                names
            };
            for step in &block.steps {
                match &step.code {
                    Code::Statement(tokens) => jumped(tokens, &names, &mut ways),
                    Code::Assign(name, value) => {
                        jumped(value, &names, &mut ways);
                        names.insert(name.clone());
                    }
                }
                names.extend(step.binds.iter().cloned());
            }
            match &block.exit {
                None => {}
                Some(Exit::Goto(target) | Exit::Yield { next: target }) => {
                    ways.push((*target, names));
                }
                Some(Exit::If {
                    cond,
                    binds,
                    then,
                    otherwise,
                }) => {
                    jumped(cond, &names, &mut ways);
                    ways.push((*then, with(&names, binds)));
                    ways.push((*otherwise, names));
                }
                Some(Exit::Match { scrutinee, arms }) => {
                    jumped(scrutinee, &names, &mut ways);
                    for arm in arms {
                        ways.push((arm.target, with(&names, &arm.binds)));
                    }
                }
                Some(Exit::Return(value)) => jumped(value, &names, &mut ways),
                Some(Exit::Wait { poll, result, next }) => {
                    jumped(poll, &names, &mut ways);
                    ways.push((*next, with(&names, std::slice::from_ref(result))));
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
        let without = |target: BlockId, binds: &[String]| {
            let mut names = live[target].clone();
            for bound in binds {
                names.remove(bound);
            }
            names
        };
        match exit {
            None => Names::new(),
            Some(Exit::Goto(target)) => live[*target].clone(),
            Some(Exit::Return(value)) => self.needed(value, live),
            Some(Exit::If {
                cond,
                binds,
                then,
                otherwise,
            }) => {
                let mut names = self.needed(cond, live);
                for bound in binds {
                    names.remove(bound);
                }
                names.extend(without(*then, binds));
                names.extend(live[*otherwise].iter().cloned());
                names
            }
            Some(Exit::Match { scrutinee, arms }) => {
                let mut names = self.needed(scrutinee, live);
                for arm in arms {
                    let mut there = without(arm.target, &arm.binds);
                    if let Some(guard) = &arm.guard {
                        let mut guard = self.needed(guard, live);
                        guard.retain(|name| !arm.binds.contains(name));
                        there.extend(guard);
                    }
                    names.extend(there);
                }
                names
            }
            Some(Exit::Wait { poll, result, next }) => {
                let mut names = without(*next, std::slice::from_ref(result));
                names.extend(self.needed(poll, live));
                names
            }
            Some(Exit::Yield { next }) => live[*next].clone(),
        }
    }
}

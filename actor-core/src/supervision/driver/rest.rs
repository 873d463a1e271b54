//! Children at rest (see [`crowd`](crate::supervision::crowd)), and how they become children like any other.

use std::any::Any;

use super::Driver;
use crate::supervision::child::drop_quietly;
use crate::supervision::crowd::Started;
use crate::supervision::decide::ChildKey;
use crate::supervision::error::ChildError;
use crate::supervision::msg::{Answer, Answered};

impl Driver {
    pub(super) fn start_batch(&mut self, args: Box<dyn Any + Send>) -> Answered {
        if self.decider.is_leaving() {
            drop_quietly(args);
            return Err(ChildError::ShuttingDown);
        }
        let (Some(template), Some(site)) = (&self.template, &self.site) else {
            drop_quietly(args);
            return Err(ChildError::NotDynamic);
        };
        let decider = &mut self.decider;
        let started = template.batch(args, site, &mut |n| decider.new_keys(n));
        let Some((first_key, started)) = started else {
            return Err(ChildError::NotDynamic);
        };
        let Started {
            addrs,
            ended,
            crowd,
        } = started;
        if let Some(crowd) = crowd {
            self.crowds.add(first_key, crowd);
        }
        Ok(Answer::Batch(addrs, ended))
    }

    /// The child that is the actor with this id.
    pub(super) fn child_of(&mut self, actor: u64) -> Option<ChildKey> {
        let risen = self.site().roster.child_of(actor);
        let key = risen.or_else(|| self.crowds.resting(actor))?;
        self.rise(key);
        Some(key)
    }

    /// If the child is at rest, it is a child like any other from here on.
    pub(super) fn rise(&mut self, key: ChildKey) {
        if self.children.contains_key(&key) {
            return;
        }
        let (Some(child), Some(template)) = (self.crowds.hand_over(key), &self.template) else {
            return;
        };
        self.children.insert(key, child);
        self.decider.adopt(key, template.policy());
    }

    pub(super) fn rise_all(&mut self) {
        let mut resting = Vec::new();
        self.crowds.each(|key, _, _| resting.push(key));
        resting.into_iter().for_each(|key| self.rise(key));
    }
}

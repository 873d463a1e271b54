//! The run ring: who runs, in which order.
//!
//! A circular list with a *head*, which runs now or next. Everything is constant time, as a ring may hold a hundred thousand
//! and any of them may leave it. Members are known by their slot, and the links lie in a table by slot.

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

const OUT: Link = Link {
    before: NONE,
    after: NONE,
};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Ring {
    links: Vec<Link>,
    head: u32,
    len: usize,
}

impl Ring {
    pub(super) fn new() -> Self {
        Ring {
            links: Vec::new(),
            head: NONE,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Who runs now or next.
    #[inline]
    pub(super) fn head(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        self.links
            .get(slot as usize)
            .is_some_and(|link| link.after != NONE)
    }

    /// Puts `slot` at the end: just before the head, so that all others come first. Not if it is in already.
    pub(super) fn push(&mut self, slot: u32) {
        if self.head == NONE {
            self.grow(slot);
            self.links[slot as usize] = Link {
                before: slot,
                after: slot,
            };
            self.head = slot;
            self.len = 1;
        } else if !self.contains(slot) {
            self.link_before(slot, self.head);
        }
    }

    /// Puts `slot` right after the head. Not if it is in already.
    pub(super) fn push_next(&mut self, slot: u32) {
        if self.head == NONE {
            self.push(slot);
        } else if !self.contains(slot) {
            self.link_before(slot, self.links[self.head as usize].after);
        }
    }

    fn link_before(&mut self, slot: u32, after: u32) {
        self.grow(slot);
        let before = self.links[after as usize].before;
        self.links[slot as usize] = Link { before, after };
        self.links[before as usize].after = slot;
        self.links[after as usize].before = slot;
        self.len += 1;
    }

    fn grow(&mut self, slot: u32) {
        let needed = slot as usize + 1;
        if self.links.len() < needed {
            self.links.resize(needed, OUT);
        }
    }

    /// Takes `slot` out; if it was the head, who came after it is. Not if it is not in.
    pub(super) fn remove(&mut self, slot: u32) {
        if !self.contains(slot) {
            return;
        }
        let Link { before, after } = std::mem::replace(&mut self.links[slot as usize], OUT);
        self.len -= 1;
        if self.len == 0 {
            self.head = NONE;
            return;
        }
        self.links[before as usize].after = after;
        self.links[after as usize].before = before;
        if self.head == slot {
            self.head = after;
        }
    }

    /// The head goes to the end.
    pub(super) fn rotate(&mut self) {
        if self.head != NONE {
            self.head = self.links[self.head as usize].after;
        }
    }

    /// `slot`, which is in, becomes the head; nobody changes places.
    pub(super) fn turn_to(&mut self, slot: u32) {
        debug_assert!(self.contains(slot), "a member");
        self.head = slot;
    }

    /// All members, the head first.
    #[cfg(all(test, not(loom)))]
    fn order(&self) -> Vec<u32> {
        let mut order = Vec::new();
        let mut at = self.head;
        for _ in 0..self.len {
            order.push(at);
            at = self.links[at as usize].after;
        }
        order
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u32),
        PushNext(u32),
        Remove(u32),
        Rotate,
        TurnTo(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..8_u32).prop_map(Step::Push),
            (0..8_u32).prop_map(Step::PushNext),
            (0..8_u32).prop_map(Step::Remove),
            Just(Step::Rotate),
            (0..8_u32).prop_map(Step::TurnTo),
        ]
    }

    proptest! {
        #[test]
        fn a_ring_is_a_deque_that_turns(steps in proptest::collection::vec(step(), 0..60)) {
            let (mut ring, mut model) = (Ring::new(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Push(n) => {
                        ring.push(n);
                        if !model.contains(&n) { model.push_back(n) }
                    }
                    Step::PushNext(n) => {
                        ring.push_next(n);
                        if !model.contains(&n) { model.insert(1.min(model.len()), n) }
                    }
                    Step::Remove(n) => {
                        ring.remove(n);
                        model.retain(|m| *m != n);
                    }
                    Step::Rotate => {
                        ring.rotate();
                        if !model.is_empty() { model.rotate_left(1) }
                    }
                    Step::TurnTo(n) => if let Some(at) = model.iter().position(|m| *m == n) {
                        ring.turn_to(n);
                        model.rotate_left(at);
                    }
                }
                prop_assert_eq!(ring.order(), Vec::from(model.clone()));
                prop_assert_eq!(ring.len(), model.len());
                prop_assert_eq!(ring.head(), model.front().copied());
            }
        }
    }
}

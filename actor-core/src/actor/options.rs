//! What an actor type asks of the runtime: the bound of its mailbox, the size of its stack, its name.
//!
//! The options belong to the type and not to the value, so that a cell need not store them. `#[actor]` on a struct
//! writes them down; by hand they are one constant (see [`ActorOptions`](crate::ActorOptions)). They are checked while
//! the program is compiled: an option that cannot be met is a compile error and never a surprise at run time.

use super::delivery::WhenFull;

/// The options of an actor type. Built in a constant.
///
/// ```
/// use actor_core::Options;
///
/// const OPTIONS: Options = Options::new().mailbox(1024).stack(128 * 1024).name("Counter");
/// assert_eq!(OPTIONS.capacity(), Some(1024));
/// ```
///
/// A mailbox for no message at all does not compile:
///
/// ```compile_fail,E0080
/// # use actor_core::Options;
/// const OPTIONS: Options = Options::new().mailbox(0);
/// # fn main() { let _ = OPTIONS; }
/// ```
///
/// and neither does a stack too small to unwind on:
///
/// ```compile_fail,E0080
/// # use actor_core::Options;
/// const OPTIONS: Options = Options::new().stack(4096);
/// # fn main() { let _ = OPTIONS; }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Options {
    // 0 = unbounded; `mailbox` lets no other 0 in.
    capacity: u32,
    // 0 = the system's default; `stack` lets no other 0 in.
    stack: usize,
    name: &'static str,
    when_full: WhenFull,
}

impl Options {
    /// The smallest stack that [`stack`](Self::stack) accepts, in bytes. A stack must hold the unwinding of a panic;
    /// one with a backtrace takes some 21 KiB.
    pub const MIN_STACK: usize = 32 * 1024;

    /// The largest stack that [`stack`](Self::stack) accepts, in bytes: one page short of 256 MiB.
    pub const MAX_STACK: usize = 0xffff * 4096;

    /// The defaults: an unbounded mailbox, the system's stack size, no name.
    pub const fn new() -> Self {
        Self {
            capacity: 0,
            stack: 0,
            name: "",
            when_full: WhenFull::Block,
        }
    }

    /// Bounds the mailbox to `messages`. A sender that finds it full waits (`tell`, `ask`, `send`), or as
    /// [`when_full`](Self::when_full) says; or gets its message back (`try_tell`, `try_send`).
    ///
    /// The bound is that of each lane: urgent messages (see [`Actor::priority`](crate::Actor::priority)) are counted by
    /// themselves, so that they find room where ordinary ones find none. Messages that the actor has taken out and set aside
    /// ([`Cx::stash`](crate::Cx::stash), [`Cx::receive`](crate::Cx::receive)) are not counted: the one it waits for must find
    /// room.
    ///
    /// # Panics
    /// If `messages` is 0 or above `u32::MAX`: in a constant, a compile error.
    #[track_caller]
    pub const fn mailbox(mut self, messages: usize) -> Self {
        assert!(
            messages > 0,
            "a mailbox holds at least one message: leave `mailbox` out for an unbounded one"
        );
        assert!(
            messages <= u32::MAX as usize,
            "a mailbox holds at most `u32::MAX` messages: leave `mailbox` out for an unbounded one"
        );
        #[allow(
            clippy::cast_possible_truncation,
            reason = "at most u32::MAX, by the line above"
        )]
        let capacity = messages as u32;
        self.capacity = capacity;
        self
    }

    /// What the mailbox does with a message that finds it full. Comes after [`mailbox`](Self::mailbox).
    ///
    /// # Panics
    /// If the mailbox has no bound: in a constant, a compile error.
    #[track_caller]
    pub const fn when_full(mut self, policy: WhenFull) -> Self {
        assert!(
            self.capacity != 0,
            "an unbounded mailbox is never full: set its bound first (`mailbox`), or leave `when_full` out"
        );
        self.when_full = policy;
        self
    }

    /// Asks for stacks of at least `bytes`. Only pages that are touched cost memory. For an actor with message methods
    /// it is the stack its handlers run on.
    ///
    /// # Panics
    /// If `bytes` is below [`MIN_STACK`](Self::MIN_STACK) or above [`MAX_STACK`](Self::MAX_STACK): in a constant, a
    /// compile error.
    #[track_caller]
    pub const fn stack(mut self, bytes: usize) -> Self {
        assert!(
            bytes >= Self::MIN_STACK,
            "a stack is at least 32768 bytes (`Options::MIN_STACK`): unwinding needs room; the size is in bytes"
        );
        assert!(
            bytes <= Self::MAX_STACK,
            "a stack is at most 268431360 bytes (`Options::MAX_STACK`)"
        );
        self.stack = bytes;
        self
    }

    /// Names the type, in events and in the inspector.
    ///
    /// # Panics
    /// If `name` is empty: in a constant, a compile error.
    #[track_caller]
    pub const fn name(mut self, name: &'static str) -> Self {
        assert!(!name.is_empty(), "a name has at least one character");
        self.name = name;
        self
    }

    /// The bound of the mailbox, in messages; `None` if it has none.
    #[must_use]
    pub const fn capacity(&self) -> Option<u32> {
        match self.capacity {
            0 => None,
            messages => Some(messages),
        }
    }

    /// What the mailbox does when it is full.
    #[must_use]
    pub const fn policy(&self) -> WhenFull {
        self.when_full
    }

    /// The stack size asked for, in bytes; `None` for the system's default.
    #[must_use]
    pub const fn stack_size(&self) -> Option<usize> {
        match self.stack {
            0 => None,
            bytes => Some(bytes),
        }
    }

    /// The name of the type, if it has one.
    #[must_use]
    pub const fn type_name(&self) -> Option<&'static str> {
        if self.name.is_empty() {
            None
        } else {
            Some(self.name)
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_by_default() {
        const DEFAULT: Options = Options::new();
        assert_eq!(DEFAULT.capacity(), None);
        assert_eq!(DEFAULT.stack_size(), None);
        assert_eq!(DEFAULT.type_name(), None);
        assert_eq!(DEFAULT.policy(), WhenFull::Block);
        assert_eq!(DEFAULT, Options::default());
    }

    #[test]
    fn what_is_set_is_read_back() {
        const ALL: Options = Options::new()
            .mailbox(u32::MAX as usize)
            .stack(Options::MAX_STACK)
            .name("x");
        assert_eq!(ALL.capacity(), Some(u32::MAX));
        assert_eq!(ALL.stack_size(), Some(Options::MAX_STACK));
        assert_eq!(ALL.type_name(), Some("x"));
    }

    #[test]
    #[should_panic(expected = "never full")]
    fn a_policy_needs_a_bound() {
        let _ = Options::new().when_full(WhenFull::Fail);
    }

    #[test]
    #[should_panic(expected = "at least one message")]
    fn a_mailbox_for_nothing_is_refused() {
        let _ = Options::new().mailbox(0);
    }

    #[test]
    #[should_panic(expected = "at most 268431360 bytes")]
    fn a_stack_larger_than_the_scheduler_can_note_is_refused() {
        let _ = Options::new().stack(Options::MAX_STACK + 1);
    }

    #[test]
    #[should_panic(expected = "in bytes")]
    fn a_stack_too_small_to_unwind_on_is_refused() {
        let _ = Options::new().stack(Options::MIN_STACK - 1);
    }
}

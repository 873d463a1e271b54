//! What the user's `impl` block says, as far as expansion needs it. Only valid parts get here: a [`Message`] is one that
//! can be expanded.

use syn::{Attribute, Generics, Ident, Type, Visibility};

/// An `impl` block of an actor.
pub(crate) struct Actor {
    /// The last segment of the type's path: what the generated names begin with.
    pub(crate) name: Ident,
    /// The type itself.
    pub(crate) ty: Type,
    /// The generics of the block; `Self` in its bounds is written out.
    pub(crate) generics: Generics,
    pub(crate) body: Body,
    pub(crate) on_start: Option<Hook>,
    pub(crate) on_stop: Option<Hook>,
    pub(crate) on_error: Option<Hook>,
}

#[expect(clippy::large_enum_variant, reason = "one for each expansion")]
pub(crate) enum Body {
    /// Public methods with a receiver, in the user's order.
    Messages(Vec<Message>),
    /// `fn run(self, inbox: Inbox<Self>) -> Exit`; and the type of its messages, if it has any.
    /// `sound` is false if that method cannot be called so, which has been reported.
    OwnStack { message: Option<Type>, sound: bool },
}

/// A method that is a message.
pub(crate) struct Message {
    pub(crate) method: Ident,
    /// Its variant in the message enum.
    pub(crate) variant: Ident,
    pub(crate) vis: Visibility,
    /// The first paragraph of its documentation, a line each.
    pub(crate) summary: Vec<String>,
    /// Attributes which decide whether it is there: `#[cfg]`.
    pub(crate) cfgs: Vec<Attribute>,
    /// Attributes which tell users of it something: `#[deprecated]`, `#[doc(..)]`.
    pub(crate) notes: Vec<Attribute>,
    /// Its arguments after the receiver, in order.
    pub(crate) args: Vec<Arg>,
    pub(crate) answer: Answer,
}

impl Message {
    /// The arguments that travel in the message.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Field(field) => Some(field),
            Arg::Context | Arg::Reply => None,
        })
    }

    /// Whether it answers by a port that it takes.
    pub(crate) fn is_delegated(&self) -> bool {
        self.args.iter().any(|arg| matches!(arg, Arg::Reply))
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "a handful of them, for the length of an expansion"
)]
pub(crate) enum Arg {
    /// `&mut Cx<Self>`, supplied by the runtime.
    Context,
    /// `ReplyTo<T>`, the port for the answer.
    Reply,
    /// Supplied by the sender.
    Field(Field),
}

pub(crate) struct Field {
    pub(crate) name: Ident,
    /// Owned; `Self` is written out.
    pub(crate) ty: Type,
}

/// What an asker gets: what the method returns, or the `T` of its `ReplyTo<T>`. `Self` in types is written out.
pub(crate) enum Answer {
    Nothing,
    Value(Type),
    /// A `Result`, perhaps behind an alias with that name: the asker gets it flattened.
    Fallible(Type),
}

/// A method that the runtime calls when the actor starts or stops, or a handler has failed.
pub(crate) struct Hook {
    pub(crate) method: Ident,
    pub(crate) cfgs: Vec<Attribute>,
    /// Its arguments after the receiver, in order.
    pub(crate) args: Vec<HookArg>,
    /// What it returns, if it does.
    pub(crate) returns: Option<Type>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookArg {
    Context,
    Reason,
    Error,
}

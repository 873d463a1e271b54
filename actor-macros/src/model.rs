//! What the user's `impl` block says, as far as expansion needs it. Only valid parts get here: a [`Message`] is one that
//! can be expanded.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Attribute, Generics, Ident, Path, Type, Visibility};

/// An `impl` block of an actor.
pub(crate) struct Actor {
    /// The last segment of the type's path: what the generated names begin with.
    pub(crate) name: Ident,
    /// The type itself.
    pub(crate) ty: Type,
    /// The generics of the block; `Self` in its bounds is written out.
    pub(crate) generics: Generics,
    /// The protocols it takes part in.
    pub(crate) protocols: Vec<Spoken>,
    pub(crate) body: Body,
    pub(crate) on_start: Option<Hook>,
    pub(crate) on_stop: Option<Hook>,
    pub(crate) on_signal: Option<Hook>,
    pub(crate) on_error: Option<Hook>,
    pub(crate) on_move: Option<Hook>,
}

/// A trait whose methods are messages of their own.
pub(crate) struct Protocol {
    pub(crate) name: Ident,
    /// Its parameters, with their bounds.
    pub(crate) generics: Generics,
    /// Its methods, in the user's order.
    pub(crate) messages: Vec<Message>,
}

/// A protocol that an actor takes part in: all messages of it are one variant of the actor's.
pub(crate) struct Spoken {
    /// The trait.
    pub(crate) path: Path,
    /// The variant: the trait's name.
    pub(crate) variant: Ident,
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
    /// `#[priority(high)]`.
    pub(crate) urgent: bool,
    /// Not `#[snapshot(skip)]`.
    pub(crate) kept: bool,
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
    /// Whether a value of it makes the message, which has no other field.
    pub(crate) is_from: bool,
}

/// What an asker gets: what the method returns, or the `T` of its `ReplyTo<T>`. `Self` in types is written out.
pub(crate) enum Answer {
    Nothing,
    Value(Type),
    /// A `Result`, perhaps behind an alias with that name: the asker gets it flattened.
    Fallible(Type),
}

impl Answer {
    /// What the asker is sent; `None` for nothing.
    pub(crate) fn ty(&self) -> Option<&Type> {
        match self {
            Self::Nothing => None,
            Self::Value(ty) | Self::Fallible(ty) => Some(ty),
        }
    }
}

impl Spoken {
    /// The type that stands for the protocol. All at the user's token: the compiler may have something to say about it.
    pub(crate) fn object(&self) -> TokenStream {
        let path = &self.path;
        quote_spanned!(path.span()=> dyn #path)
    }

    /// An associated type of the protocol.
    pub(crate) fn assoc(&self, name: &str) -> TokenStream {
        let object = self.object();
        let name = Ident::new(name, self.path.span());
        quote_spanned!(self.path.span()=> <#object as ::actor_core::Protocol>::#name)
    }
}

/// A method that the runtime calls: when the actor starts or stops, gets a signal, is to move, or a handler has failed.
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
    Signal,
    Error,
    Destination,
}

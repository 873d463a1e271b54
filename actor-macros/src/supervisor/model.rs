//! What the user's struct says, as far as expansion needs it.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, Generics, Ident, Type, Visibility};

/// A tree.
pub(crate) struct Tree {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    /// What it is started with; visible in the expressions of its children.
    pub(crate) params: Vec<(Ident, Type)>,
    /// Calls on the builder of its supervisor.
    pub(crate) settings: TokenStream,
    /// The name its supervisor is registered under: an expression.
    pub(crate) registered: Option<Expr>,
    /// In start order.
    pub(crate) children: Vec<Child>,
}

/// A field.
pub(crate) struct Child {
    pub(crate) field: Ident,
    /// Attributes which decide whether it is there: `#[cfg]`.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) kind: Kind,
    /// Calls on its spec.
    pub(crate) settings: TokenStream,
    /// The name it is registered under: an expression, or for each of many a function of its index.
    pub(crate) registered: Option<Expr>,
    /// The policy of its snapshots, from which it goes on: likewise.
    pub(crate) restored: Option<Expr>,
}

pub(crate) enum Kind {
    /// `Addr<A>`, or `Option<Addr<A>>` of one whose expression may decline.
    One {
        actor: Type,
        optional: bool,
        make: Expr,
    },
    /// `[Addr<A>; N]`, likewise.
    Many {
        actor: Type,
        optional: bool,
        len: Expr,
        make: Expr,
    },
    /// `DynamicSupervisor<A, Args>`.
    Dynamic {
        actor: Type,
        args: Type,
        make: Expr,
        /// Calls on the template.
        template: TokenStream,
        /// Calls on the builder of the supervisor.
        builder: TokenStream,
    },
    /// Another tree.
    Tree { ty: Type, args: Vec<Expr> },
}

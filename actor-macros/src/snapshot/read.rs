//! The options of `snapshot`, and the attributes of fields and messages.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, Fields, Ident, Lit, LitStr, Member, Meta, Path, Type, Visibility};

use crate::args::literal;
use crate::diagnostics::Errors;
use crate::expand::unraw;
use crate::supervisor::parse::{self, Opt};

/// What `snapshot` or `snapshot(..)` says.
pub(crate) struct Options {
    /// The word itself.
    pub(crate) key: Ident,
    pub(super) version: Option<Expr>,
    pub(super) upgrade: Option<Path>,
}

const OPTIONS: &str = "`snapshot` has `version = 2` and `upgrade = path`: write `snapshot(version = 2, upgrade = upgrade)`";

/// Reads the inside of `snapshot(..)`.
pub(crate) fn options(key: Ident, inside: Option<TokenStream>, errors: &mut Errors) -> Options {
    let mut read = Options {
        key,
        version: None,
        upgrade: None,
    };
    for option in parse::options(inside.unwrap_or_default(), errors) {
        match (&*option.key().to_string(), &option) {
            ("version", Opt::Value(_, expr)) => read.version = version(expr, errors),
            ("upgrade", Opt::Value(_, Expr::Path(path))) => read.upgrade = Some(path.path.clone()),
            ("upgrade", Opt::Value(_, other)) => errors.at(
                other,
                "not the path of a function: write `upgrade = upgrade`, and \
                 `fn upgrade(old: OldState<'_>) -> Result<.., UpgradeError>`",
            ),
            (key, _) => errors.at(
                &option,
                format_args!("no such option, or not in this form: `{key}`; {OPTIONS}"),
            ),
        }
    }
    let first = (read.version.as_ref()).is_none_or(|expr| number(expr) == Some(1));
    if let (true, Some(upgrade)) = (first, &read.upgrade) {
        errors.at(
            upgrade,
            "there is nothing older than version 1: write `version = 2` beside it, or take `upgrade` off",
        );
        read.upgrade = None;
    }
    read
}

fn number(expr: &Expr) -> Option<u32> {
    match literal(expr)? {
        Lit::Int(n) => n.base10_parse().ok(),
        _ => None,
    }
}

fn version(expr: &Expr, errors: &mut Errors) -> Option<Expr> {
    match (expr, number(expr)) {
        (_, Some(0)) => errors.at(expr, "versions begin with 1, which is the default"),
        (Expr::Lit(_), None) => errors.at(
            expr,
            "not a version: write a whole number that fits into a `u32`, as in `version = 2`",
        ),
        _ => return Some(expr.clone()),
    }
    None
}

/// A field of the actor.
pub(crate) struct Field {
    pub(super) member: Member,
    pub(super) vis: Visibility,
    pub(super) ty: Type,
    pub(super) rename: Option<LitStr>,
    pub(super) how: How,
}

/// How it is kept.
pub(super) enum How {
    Plain,
    /// Not; and what it is then, if not its default.
    Skip(Option<Expr>),
    /// By the functions of a module.
    With(Path),
}

impl Field {
    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.how, How::Skip(_))
    }

    /// The module by which it is kept.
    pub(super) fn with(&self) -> Option<&Path> {
        match &self.how {
            How::With(path) => Some(path),
            How::Plain | How::Skip(_) => None,
        }
    }

    /// What it is called in the image.
    pub(super) fn frozen_name(&self) -> String {
        match (&self.rename, &self.member) {
            (Some(name), _) => name.value(),
            (None, Member::Named(name)) => unraw(name),
            (None, Member::Unnamed(index)) => index.index.to_string(),
        }
    }
}

fn is_ours(attr: &Attribute) -> bool {
    attr.path().is_ident("snapshot")
}

/// Takes the attributes off the fields.
pub(crate) fn take_from_fields(fields: &mut Fields, errors: &mut Errors) -> Vec<Field> {
    let mut read: Vec<Field> = Vec::new();
    for (member, field) in fields.members().collect::<Vec<_>>().into_iter().zip(fields) {
        let ours: Vec<Attribute> = field.attrs.extract_if(.., |attr| is_ours(attr)).collect();
        let (mut rename, mut how) = (None, None);
        let options = ours.iter().flat_map(|attr| field_options(attr, errors));
        for option in options.collect::<Vec<_>>() {
            let key = option.key().to_string();
            let new = match (&*key, &option) {
                ("skip", Opt::Word(_)) => How::Skip(None),
                ("skip", Opt::Value(_, expr)) => How::Skip(Some(expr.clone())),
                ("with", Opt::Value(_, Expr::Path(path))) => How::With(path.path.clone()),
                ("with", Opt::Value(_, expr)) => {
                    errors.at(
                        expr,
                        "not the path of a module: write `with = module`, where `module::serialize(&field, serializer)` \
                         and `module::deserialize(deserializer)` are, as for serde's `with`",
                    );
                    continue;
                }
                ("rename", Opt::Value(_, expr)) => {
                    rename = name(expr, &member, errors);
                    continue;
                }
                (key, _) => {
                    errors.at(
                        &option,
                        format_args!(
                            "no such option, or not in this form: `{key}`; a field has `skip`, `skip = value`, \
                             `rename = \"name\"` and `with = module`"
                        ),
                    );
                    continue;
                }
            };
            if how.is_some() {
                errors.at(
                    &option,
                    "a field is skipped or written by a module: take one of the two off",
                );
            }
            how = Some(new);
        }
        if let (Some(name), Some(How::Skip(_))) = (&rename, &how) {
            errors.at(
                name,
                "a field that is skipped has no name in the image: take `rename` off",
            );
        }
        let field = Field {
            member,
            vis: field.vis.clone(),
            ty: field.ty.clone(),
            rename,
            how: how.unwrap_or(How::Plain),
        };
        let mut earlier = read.iter().filter(|it| !it.is_skipped());
        if !field.is_skipped()
            && let Some(other) = earlier.find(|it| it.frozen_name() == field.frozen_name())
        {
            // One of the two has been given the name.
            let name = field.rename.as_ref().or(other.rename.as_ref());
            errors.at(name, "another field has this name in the image");
        }
        read.push(field);
    }
    read
}

fn name(expr: &Expr, member: &Member, errors: &mut Errors) -> Option<LitStr> {
    if let Member::Unnamed(_) = member {
        errors.at(
            expr,
            "fields of a tuple are written in their order, without names: take `rename` off",
        );
        return None;
    }
    match literal(expr) {
        Some(Lit::Str(text)) => Some(text.clone()),
        _ => {
            errors.at(expr, "not a name in quotes: write `rename = \"name\"`");
            None
        }
    }
}

fn field_options(attr: &Attribute, errors: &mut Errors) -> Vec<Opt> {
    match &attr.meta {
        Meta::List(list) => parse::options(list.tokens.clone(), errors),
        other => {
            errors.at(
                other,
                "say what is special about the field: `#[snapshot(skip)]`, `#[snapshot(rename = \"name\")]` or \
                 `#[snapshot(with = module)]`",
            );
            Vec::new()
        }
    }
}

/// Takes the attributes off the fields of a type of which no snapshot is taken.
pub(crate) fn forbid<'a>(fields: impl Iterator<Item = &'a mut syn::Field>, errors: &mut Errors) {
    for field in fields {
        for attr in field.attrs.extract_if(.., |attr| is_ours(attr)) {
            errors.at(
                attr,
                "no snapshot is taken of this type: write `#[actor(snapshot)]` on it, or take this off",
            );
        }
    }
}

/// Takes `#[snapshot(skip)]` off a method.
pub(crate) fn of_message(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Option<Attribute> {
    let ours: Vec<Attribute> = attrs.extract_if(.., |attr| is_ours(attr)).collect();
    for attr in &ours {
        let is_skip = match &attr.meta {
            Meta::List(list) => list.parse_args::<Ident>().is_ok_and(|word| word == "skip"),
            _ => false,
        };
        if !is_skip {
            errors.at(
                attr,
                "a message is kept in snapshots, or is not: write `#[snapshot(skip)]`, or take this off",
            );
        }
    }
    ours.into_iter().next()
}

//! Questions about types: which they are, whether they own what they hold, which parameters they mention.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    BareFnArg, GenericArgument, GenericParam, Generics, Ident, Lifetime,
    ParenthesizedGenericArguments, Path, PathArguments, PathSegment, QSelf, ReturnType, Type,
    TypeBareFn, TypeImplTrait, TypeInfer, TypePath, TypeReference, parse_quote,
};

use crate::diagnostics::Errors;

/// The last segment of a type's path: `Cx` of `actor_core::Cx<Self>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match peel(ty) {
        Type::Path(TypePath { path, .. }) => path.segments.last(),
        _ => None,
    }
}

/// Whether the last segment of a type's path is `name`.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// Whether it is `&name` or `&mut name`.
pub(crate) fn is_reference_to(ty: &Type, name: &str) -> bool {
    matches!(peel(ty), Type::Reference(reference) if is_named(&reference.elem, name))
}

/// The `T` of a `Name<T>`.
pub(crate) fn only_argument(ty: &Type) -> Option<&Type> {
    let PathArguments::AngleBracketed(args) = &last_segment(ty)?.arguments else {
        return None;
    };
    match args.args.iter().collect::<Vec<_>>()[..] {
        [GenericArgument::Type(ty)] => Some(ty),
        _ => None,
    }
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(peel(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Without parentheses, and without the invisible groups that `macro_rules!` puts around a type.
fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}

/// Tokens as a person would write them: without the spaces that `TokenStream` puts everywhere.
pub(crate) fn show(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" ;", ";"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
    ] {
        text = text.replace(spaced, tight);
    }
    text.replace(",(", ", (")
}

/// Where a type stands, for the errors about it.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Argument,
    Answer,
}

/// Reports everything in `ty` that could not travel in a message or an answer: borrows, and types without a name.
pub(crate) fn check_owned(ty: &Type, place: Place, errors: &mut Errors) {
    OwnedCheck { place, errors }.visit_type(ty);
}

struct OwnedCheck<'e> {
    place: Place,
    errors: &'e mut Errors,
}

impl OwnedCheck<'_> {
    fn why(&self) -> &'static str {
        match self.place {
            Place::Argument => "a message outlives the call that sends it, so it cannot borrow",
            Place::Answer => "an answer leaves the actor, so it cannot borrow from it",
        }
    }
}

impl<'ast> Visit<'ast> for OwnedCheck<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let is_static = |lifetime: &Lifetime| lifetime.ident == "static";
        if reference.lifetime.as_ref().is_some_and(is_static) && reference.mutability.is_none() {
            return visit::visit_type(self, &reference.elem);
        }
        let owned = owned_form(&reference.elem);
        let why = self.why();
        let advice = match (self.place, reference.mutability) {
            (Place::Argument, Some(_)) => format!("write `{owned}`, and return it to hand it back"),
            _ => format!("write `{owned}` instead of `{}`", show(reference)),
        };
        self.errors.at(reference, format_args!("{why}: {advice}"));
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            let why = self.why();
            self.errors.at(
                lifetime,
                format_args!("{why}: use an owned type, or `'static` instead of `{lifetime}`"),
            );
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let advice = match self.place {
            Place::Argument => "a message has one type: name it, or box it as",
            Place::Answer => "an answer has one type: name it, or box it as",
        };
        let bounds: Vec<String> = (ty.bounds.iter().map(show))
            .filter(|bound| bound != "Send" && bound != "'static")
            .collect();
        self.errors.at(
            ty,
            format_args!("{advice} `Box<dyn {} + Send>`", bounds.join(" + ")),
        );
    }

    fn visit_type_infer(&mut self, ty: &'ast TypeInfer) {
        self.errors
            .at(ty, "the type of a message cannot be inferred: write it out");
    }

    // What a function takes and returns is not held by whoever holds the function.
    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}
    fn visit_bare_fn_arg(&mut self, _: &'ast BareFnArg) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
    // `for<'a>` binds its lifetimes itself.
    fn visit_trait_bound(&mut self, bound: &'ast syn::TraitBound) {
        if bound.lifetimes.is_none() {
            visit::visit_trait_bound(self, bound);
        }
    }
    // Constants in types (array lengths) hold nothing.
    fn visit_expr(&mut self, _: &'ast syn::Expr) {}
}

/// What to hold instead of a reference to `ty`.
fn owned_form(ty: &Type) -> String {
    match peel(ty) {
        Type::Slice(slice) => format!("Vec<{}>", show(&slice.elem)),
        Type::TraitObject(object) => {
            let bounds = show(&object.bounds);
            match bounds.contains("Send") {
                true => format!("Box<dyn {bounds}>"),
                false => format!("Box<dyn {bounds} + Send>"),
            }
        }
        other => {
            let owned = match last_segment(other)
                .map(|segment| segment.ident.to_string())
                .as_deref()
            {
                Some("str") => "String",
                Some("Path") => "PathBuf",
                Some("OsStr") => "OsString",
                Some("CStr") => "CString",
                _ => return show(other),
            };
            owned.to_owned()
        }
    }
}

/// Writes out `Self` as `actor`: in the generated items it would be another type.
pub(crate) fn resolve_self<T>(
    actor: &Type,
    mut node: T,
    visit: impl FnOnce(&mut SelfTo<'_>, &mut T),
) -> T {
    visit(&mut SelfTo { actor }, &mut node);
    node
}

pub(crate) struct SelfTo<'t> {
    actor: &'t Type,
}

impl SelfTo<'_> {
    /// `Self::Item` becomes `<Actor>::Item`.
    fn qualify(&self, qself: &mut Option<QSelf>, path: &mut Path) {
        if qself.is_some() || path.segments.len() < 2 || path.segments[0].ident != "Self" {
            return;
        }
        let rest = path.segments.iter().skip(1);
        let actor = self.actor;
        let TypePath { qself: q, path: p } = parse_quote!(<#actor>::#(#rest)::*);
        (*qself, *path) = (q, p);
    }
}

impl VisitMut for SelfTo<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if let Type::Path(TypePath { qself, path }) = ty {
            if qself.is_none() && path.is_ident("Self") {
                *ty = self.actor.clone();
            } else {
                self.qualify(qself, path);
            }
        }
    }

    fn visit_expr_path_mut(&mut self, expr: &mut syn::ExprPath) {
        visit_mut::visit_expr_path_mut(self, expr);
        self.qualify(&mut expr.qself, &mut expr.path);
    }
}

pub(crate) fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The name of a type or constant parameter.
pub(crate) fn param_name(param: &GenericParam) -> Option<&Ident> {
    match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    }
}

/// The part of `generics` that `types` mention, with the bounds that can be said in terms of that part: what an enum
/// that holds these types has to be generic over.
pub(crate) fn generics_used(generics: &Generics, types: &TokenStream) -> Generics {
    let is_used =
        |param: &GenericParam| param_name(param).is_some_and(|name| mentions(types.clone(), name));
    let (used, unused): (Vec<_>, Vec<_>) = generics.params.iter().cloned().partition(is_used);
    let sayable = |bound: &dyn ToTokens| {
        let names = || unused.iter().filter_map(param_name);
        !names().any(|name| mentions(bound.to_token_stream(), name))
    };
    let mut kept = Generics {
        params: used.into_iter().collect(),
        ..Generics::default()
    };
    for param in kept.type_params_mut() {
        param.bounds = std::mem::take(&mut param.bounds)
            .into_iter()
            .filter(|bound| sayable(bound))
            .collect();
    }
    if let Some(clause) = &generics.where_clause {
        let predicates: Vec<_> = (clause.predicates.iter())
            .filter(|predicate| {
                let tokens = predicate.to_token_stream();
                sayable(predicate)
                    && kept
                        .params
                        .iter()
                        .filter_map(param_name)
                        .any(|name| mentions(tokens.clone(), name))
            })
            .cloned()
            .collect();
        if !predicates.is_empty() {
            kept.make_where_clause().predicates.extend(predicates);
        }
    }
    kept
}

/// The type after `->`, unless it is `()`.
pub(crate) fn returned(output: &ReturnType) -> Option<&Type> {
    match output {
        ReturnType::Type(_, ty) if !is_unit(ty) => Some(ty),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(ty: Type) -> Vec<String> {
        let mut errors = Errors::default();
        check_owned(&ty, Place::Argument, &mut errors);
        let shown = errors.into_tokens().to_string();
        shown
            .split("write `")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('`')?.0.to_owned()))
            .collect()
    }

    #[test]
    fn a_borrow_is_answered_with_what_to_own() {
        assert_eq!(messages(parse_quote!(&str)), ["String"]);
        assert_eq!(messages(parse_quote!(&[Vec<u8>])), ["Vec<Vec<u8>>"]);
        assert_eq!(
            messages(parse_quote!((&Path, &HashMap<String, (u8, u8)>))),
            ["PathBuf", "HashMap<String, (u8, u8)>"]
        );
        assert_eq!(
            messages(parse_quote!(&(dyn Shape + Send + Sync))),
            ["Box<dyn Shape + Send + Sync>"]
        );
    }

    #[test]
    fn what_a_function_borrows_is_not_held() {
        assert!(messages(parse_quote!(Box<dyn Fn(&str) -> &str + Send>)).is_empty());
        assert!(messages(parse_quote!(fn(&str))).is_empty());
        assert!(messages(parse_quote!(Box<dyn for<'b> Parse<'b>>)).is_empty());
        assert!(messages(parse_quote!(Option<&'static str>)).is_empty());
    }

    #[test]
    fn an_enum_is_generic_over_what_its_fields_mention() {
        let block: syn::ItemImpl = parse_quote! {
            impl<K: Hash + Into<V>, V: Clone, const N: usize> Cache<K, V, N> where K: Send, Vec<K>: From<V>, V: Send {}
        };
        let used = generics_used(&block.generics, &quote::quote!(Option<K>, [u8; N]));
        let expected: syn::ItemImpl = parse_quote!(
            impl<K: Hash, const N: usize> A where K: Send {}
        );
        assert_eq!(show(&used), show(&expected.generics));
        assert_eq!(
            show(&used.where_clause),
            show(&expected.generics.where_clause)
        );
        assert_eq!(
            generics_used(&block.generics, &quote::quote!(u8)),
            Generics::default()
        );
    }

    #[test]
    fn self_is_written_out() {
        let actor: Type = parse_quote!(Cache<K>);
        let resolved = resolve_self(
            &actor,
            parse_quote!(Addr<(Self, Self::Item, [u8; Self::N])>),
            |to, ty: &mut Type| {
                to.visit_type_mut(ty);
            },
        );
        let expected: Type = parse_quote!(Addr<(Cache<K>, <Cache<K>>::Item, [u8; <Cache<K>>::N])>);
        assert_eq!(resolved, expected);
    }
}

//! From the user's struct to the [`model`](super::model), reporting everything that does not fit on the way.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, Field, Fields, GenericArgument, Generics, Ident, ItemStruct, Meta,
    PathArguments, Type,
};

use super::model::{Child, Kind, Tree};
use super::options::{self, Options, Place, word};
use super::parse::{self, Opt};
use super::values;
use crate::diagnostics::Errors;
use crate::types;

/// Reads the struct, and takes the attributes off its fields. `None`, if nothing can be generated.
pub(crate) fn tree(
    args: TokenStream,
    definition: &mut ItemStruct,
    errors: &mut Errors,
) -> Option<Tree> {
    for lifetime in definition.generics.lifetimes() {
        errors.at(
            lifetime,
            "a tree outlives the code that starts it, so it cannot borrow: own what it holds",
        );
    }
    let Fields::Named(fields) = &mut definition.fields else {
        errors.at(
            &definition.ident,
            "a tree has a named field for each child: write `struct Tree { .. }`",
        );
        return None;
    };
    let settings = settings(args, &definition.generics, errors);
    let mut children = Vec::new();
    for field in &mut fields.named {
        let significant = child(field, errors).map(|(child, significant)| {
            children.push(child);
            significant
        });
        if let Some(Some(significant)) = significant
            && !settings.auto_shutdown
        {
            errors.at(
                significant,
                "nothing looks at significant children: write `auto_shutdown = any_significant` or \
                 `auto_shutdown = all_significant` in the struct's `#[supervisor(..)]`",
            );
        }
    }
    // Nothing generated could be right with them.
    if definition.generics.lifetimes().next().is_some() {
        return None;
    }
    Some(Tree {
        name: definition.ident.clone(),
        vis: definition.vis.clone(),
        generics: definition.generics.clone(),
        params: settings.params,
        settings: settings.calls,
        registered: settings.name,
        children,
    })
}

/// What `#[supervisor(..)]` on the struct sets.
#[derive(Default)]
struct Settings {
    calls: TokenStream,
    name: Option<Expr>,
    params: Vec<(Ident, Type)>,
    auto_shutdown: bool,
}

fn settings(args: TokenStream, generics: &Generics, errors: &mut Errors) -> Settings {
    let mut settings = Settings::default();
    let (mut intensity, mut period, mut strategy) = (None, None, None);
    for option in parse::options(args, errors) {
        let key = option.key().to_string();
        match (&*key, &option) {
            ("one_for_one" | "one_for_all" | "rest_for_one", Opt::Word(word)) => {
                if strategy.replace(word.clone()).is_some() {
                    errors.at(word, "a supervisor has one strategy");
                }
            }
            ("intensity", Opt::Value(_, expr)) => intensity = Some(expr.clone()),
            ("period", Opt::Value(_, expr)) => {
                period =
                    options::period(expr, errors).map(|it| evaluated_early(it, expr, generics));
            }
            ("auto_shutdown", Opt::Value(_, expr)) => {
                settings.auto_shutdown = auto_shutdown(expr, &mut settings.calls, errors);
            }
            ("backoff", Opt::Value(_, expr)) => {
                if let Some(backoff) = values::backoff(expr, errors) {
                    settings.calls.extend(quote!(.backoff(#backoff)));
                }
            }
            ("name", Opt::Value(_, expr)) => settings.name = Some(expr.clone()),
            ("args", Opt::List(_, list)) => {
                settings.params = parse::parameters(list.clone(), errors);
            }
            ("strategy", Opt::Value(_, expr)) => errors.at(
                expr,
                "a strategy stands by itself: write `one_for_one`, `one_for_all` or `rest_for_one`",
            ),
            _ => Place::Struct.refuse(&option, errors),
        }
    }
    let strategy = strategy.map(|word| {
        let name = match &*word.to_string() {
            "one_for_all" => quote!(OneForAll),
            "rest_for_one" => quote!(RestForOne),
            _ => quote!(OneForOne),
        };
        quote!(.strategy(::actor_core::Strategy::#name))
    });
    settings.calls.extend(strategy);
    settings.calls.extend(options::intensity(intensity, period));
    settings
}

/// A duration as an item, if it is the same for all types that the struct may stand for: `cargo check` evaluates items, and
/// constant blocks only when a program that uses them is built.
fn evaluated_early(duration: TokenStream, expr: &Expr, generics: &Generics) -> TokenStream {
    let this = Ident::new("Self", Span::call_site());
    if !generics.params.is_empty() || types::mentions(expr.to_token_stream(), &this) {
        return duration;
    }
    quote_spanned!(expr.span()=> { const __PERIOD: ::core::time::Duration = #duration; __PERIOD })
}

fn auto_shutdown(expr: &Expr, calls: &mut TokenStream, errors: &mut Errors) -> bool {
    let name = match &*word(expr).map(Ident::to_string).unwrap_or_default() {
        "never" => return false,
        "any_significant" => quote!(AnySignificant),
        "all_significant" => quote!(AllSignificant),
        _ => {
            errors.at(
                expr,
                "not a value for `auto_shutdown`: write `never`, `any_significant` or `all_significant`",
            );
            // Not also an error at each significant child.
            return true;
        }
    };
    calls.extend(quote!(.auto_shutdown(::actor_core::AutoShutdown::#name)));
    true
}

/// Reads a field, and takes its attribute off. With the `significant` of a child that is.
fn child(field: &mut Field, errors: &mut Errors) -> Option<(Child, Option<Ident>)> {
    let name = field.ident.clone()?;
    let attribute = take_attribute(field, &name, errors)?;
    let tokens = match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            errors.at(&pair.value, "options stand in parentheses");
            return None;
        }
    };
    let (kind, options) = match &*attribute.path().get_ident()?.to_string() {
        "child" => worker(&attribute, tokens, field, errors)?,
        "dynamic" => dynamic(&attribute, tokens, field, errors)?,
        "pool" => pool(&attribute, tokens, field, errors)?,
        _ => {
            let options = Options::read(Place::Tree, parse::options(tokens, errors), errors);
            (inner(field, options.args.clone(), errors)?, options)
        }
    };
    let settings = match &kind {
        Kind::Dynamic { .. } | Kind::Pool { .. } => TokenStream::new(),
        _ => options.calls(),
    };
    let cfgs = field.attrs.iter().filter(|it| it.path().is_ident("cfg"));
    let child = Child {
        field: name,
        cfgs: cfgs.cloned().collect(),
        kind,
        settings,
        registered: options.name,
        restored: options.restore,
    };
    Some((child, options.significant))
}

fn take_attribute(field: &mut Field, name: &Ident, errors: &mut Errors) -> Option<Attribute> {
    let is_ours = |it: &Attribute| {
        ["child", "dynamic", "pool", "supervisor"]
            .iter()
            .any(|ours| it.path().is_ident(ours))
    };
    let (ours, others) = std::mem::take(&mut field.attrs)
        .into_iter()
        .partition(is_ours);
    field.attrs = others;
    let mut ours: std::vec::IntoIter<Attribute> = Vec::into_iter(ours);
    let first = ours.next();
    if first.is_none() {
        errors.at(
            name,
            "each field of a tree is a child: write `#[child(..)]`, `#[dynamic(..)]`, `#[pool(..)]` or \
             `#[supervisor]` before it",
        );
    }
    for another in ours {
        errors.at(another, "a field is one child: take this attribute off");
    }
    first
}

/// What stands in `Name<..>`, if that is what the type is.
fn arguments_of<'a>(ty: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let segment = types::last_segment(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    let types = arguments.args.iter().map(|it| match it {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// The actor of an `Addr<A>` or `Option<Addr<A>>`, and which it is.
fn actor_of(ty: &Type) -> Option<(Type, bool)> {
    if let Some([addr]) = arguments_of(ty, "Option").as_deref() {
        let (actor, optional) = actor_of(addr)?;
        return (!optional).then_some((actor, true));
    }
    match arguments_of(ty, "Addr").as_deref() {
        Some([actor]) => Some(((*actor).clone(), false)),
        _ => None,
    }
}

fn worker(
    attribute: &Attribute,
    tokens: TokenStream,
    field: &Field,
    errors: &mut Errors,
) -> Option<(Kind, Options)> {
    const HOW: &str = "how is it made? Write `#[child(Ledger::open(\"data\"), ..)]`: the expression is evaluated for each life";
    let (make, options) = making(Place::Child, attribute, tokens, HOW, errors)?;
    if let Type::Array(array) = &field.ty {
        let Some((actor, optional)) = actor_of(&array.elem) else {
            return wrong_type(field, errors);
        };
        let of_each = [
            (
                &options.name,
                "each of them needs a name of its own: write `name = |i| format!(\"account-{i}\")`",
            ),
            (
                &options.restore,
                "each of them is saved under a name of its own: write \
                 `restore = |i| SnapshotPolicy::new(store, format!(\"account-{i}\"))`",
            ),
        ];
        for (option, why) in of_each {
            if let Some(one) = option
                && !matches!(one, Expr::Closure(_))
            {
                errors.at(one, why);
            }
        }
        let len = array.len.clone();
        let kind = Kind::Many {
            actor,
            optional,
            len,
            make,
        };
        return Some((kind, options));
    }
    let Some((actor, optional)) = actor_of(&field.ty) else {
        return wrong_type(field, errors);
    };
    if let Expr::Closure(closure) = &make {
        errors.at(
            closure,
            "this is one child: write the expression without `|..|`; it is evaluated for each life anyway",
        );
        return None;
    }
    let kind = Kind::One {
        actor,
        optional,
        make,
    };
    Some((kind, options))
}

fn wrong_type<R>(field: &Field, errors: &mut Errors) -> Option<R> {
    errors.at(
        &field.ty,
        "a child is an `Addr<A>`, an `Option<Addr<A>>` if its expression may decline, or an array of these; many of a kind \
         that come and go are `#[dynamic(..)]`, those that share out their messages `#[pool(..)]`, and an inner tree is \
         `#[supervisor]`",
    );
    None
}

/// The expression that makes a child, and the options behind it. `how`: what to ask if there is nothing.
fn making(
    place: Place,
    attribute: &Attribute,
    tokens: TokenStream,
    how: &str,
    errors: &mut Errors,
) -> Option<(Expr, Options)> {
    if tokens.is_empty() {
        errors.at(attribute, how);
        return None;
    }
    let (make, options) = parse::expression_and_options(tokens, errors)?;
    is_no_option(&make, errors)?;
    Some((make, Options::read(place, options, errors)))
}

/// An option where the expression belongs.
fn is_no_option(make: &Expr, errors: &mut Errors) -> Option<()> {
    const WORDS: [&str; 4] = ["permanent", "transient", "temporary", "significant"];
    let is_word = word(make).is_some_and(|it| WORDS.iter().any(|word| it == word));
    if is_word || matches!(make, Expr::Assign(_)) {
        errors.at(
            make,
            "the expression that makes the child comes first, then its options",
        );
        return None;
    }
    Some(())
}

fn dynamic(
    attribute: &Attribute,
    tokens: TokenStream,
    field: &Field,
    errors: &mut Errors,
) -> Option<(Kind, Options)> {
    const HOW: &str = "how are its children made? Write `#[dynamic(|peer: &String| Session::new(peer), temporary)]`";
    let (make, options) = making(Place::Dynamic, attribute, tokens, HOW, errors)?;
    let arguments = arguments_of(&field.ty, "DynamicSupervisor").unwrap_or_default();
    let [actor, args] = *arguments else {
        errors.at(
            &field.ty,
            "children that come and go are under a `DynamicSupervisor<A, Args>`",
        );
        return None;
    };
    let (restart, shutdown) = (options.restart_call(), options.shutdown_call());
    let kind = Kind::Dynamic {
        actor: actor.clone(),
        args: args.clone(),
        make,
        template: quote!(#restart #shutdown),
        builder: options.dynamic_calls(),
    };
    Some((kind, options))
}

fn pool(
    attribute: &Attribute,
    tokens: TokenStream,
    field: &Field,
    errors: &mut Errors,
) -> Option<(Kind, Options)> {
    const HOW: &str = "how are its workers made, and how many? Write `#[pool(Worker::new(), size = 4)]`: the expression is \
        evaluated for each life of each worker";
    let (make, options) = making(Place::Pool, attribute, tokens, HOW, errors)?;
    if let Some(name @ Expr::Closure(_)) = &options.name {
        errors.at(
            name,
            "the name is that of the pool's supervisor, and its workers have none: write `name = \"workers\"`",
        );
    }
    let arguments = arguments_of(&field.ty, "Pool").unwrap_or_default();
    let [actor] = *arguments else {
        errors.at(
            &field.ty,
            "workers that share out their messages are a `Pool<A>`",
        );
        return None;
    };
    let Some(size) = options.size.clone() else {
        errors.at(
            attribute,
            "how many workers are there? Write `size = 4` behind the expression",
        );
        return None;
    };
    let kind = Kind::Pool {
        actor: actor.clone(),
        size,
        make,
        builder: options.pool_calls(),
    };
    Some((kind, options))
}

fn inner(field: &Field, args: Vec<Expr>, errors: &mut Errors) -> Option<Kind> {
    let ty = &field.ty;
    if !matches!(ty, Type::Path(_)) || actor_of(ty).is_some() {
        errors.at(
            ty,
            "an inner tree is a struct that is itself `#[supervisor]`; an actor is `#[child(..)]`",
        );
        return None;
    }
    Some(Kind::Tree {
        ty: ty.clone(),
        args,
    })
}

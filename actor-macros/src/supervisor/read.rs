//! From the user's struct to the [`model`](super::model), reporting everything that does not fit on the way.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, Field, Fields, GenericArgument, Ident, ItemStruct, Meta, PathArguments, Type,
};

use super::model::{Child, Kind, Tree};
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
    let settings = settings(args, errors);
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

fn settings(args: TokenStream, errors: &mut Errors) -> Settings {
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
            ("period", Opt::Value(_, expr)) => period = self::period(expr, errors),
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
    settings.calls.extend(self::intensity(intensity, period));
    settings
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

fn period(expr: &Expr, errors: &mut Errors) -> Option<TokenStream> {
    const ZERO: &str = "a period of zero counts no restart: write how long a restart is remembered, as in `period = \"10s\"`";
    values::duration("period", expr, Some(ZERO), errors)
}

/// The call that sets the intensity, if anything about it is said.
fn intensity(restarts: Option<Expr>, period: Option<TokenStream>) -> Option<TokenStream> {
    if restarts.is_none() && period.is_none() {
        return None;
    }
    let restarts = restarts.map(|it| quote_spanned!(it.span()=> #it));
    let restarts = restarts.unwrap_or(quote!(::actor_core::__private::tree::DEFAULT_INTENSITY.0));
    let period = period.unwrap_or(quote!(::actor_core::__private::tree::DEFAULT_INTENSITY.1));
    Some(quote!(.intensity(#restarts, #period)))
}

/// Where options stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Struct,
    Child,
    Dynamic,
    Tree,
}

impl Place {
    fn options(self) -> &'static str {
        match self {
            Self::Struct => {
                "the supervisor of a tree has `one_for_one`, `one_for_all` or `rest_for_one`, `intensity = ..`, \
                 `period = ..`, `auto_shutdown = ..`, `backoff = ..`, `name = ..` and `args(..)`"
            }
            Self::Child => {
                "a child has `permanent`, `transient` or `temporary`, `significant`, `shutdown = ..`, `backoff = ..`, \
                 `name = ..` and `restore = policy`"
            }
            Self::Dynamic => {
                "a dynamic supervisor has `permanent`, `transient` or `temporary` and `shutdown = ..` for its children, \
                 `intensity = ..`, `period = ..`, `backoff = ..` and `name = ..`"
            }
            Self::Tree => {
                "an inner tree has `permanent`, `transient` or `temporary`, `significant`, `shutdown = ..`, \
                 `backoff = ..`, `name = ..` and `args(..)`"
            }
        }
    }

    fn refuse(self, option: &Opt, errors: &mut Errors) {
        let (key, options) = (option.key(), self.options());
        errors.at(
            option,
            format_args!("no such option, or not in this form: `{key}`; {options}"),
        );
    }
}

/// The options of a child of any kind.
#[derive(Default)]
struct Options {
    restart: Option<Ident>,
    significant: Option<Ident>,
    shutdown: Option<TokenStream>,
    backoff: Option<TokenStream>,
    name: Option<Expr>,
    restore: Option<Expr>,
    args: Vec<Expr>,
    intensity: Option<Expr>,
    period: Option<TokenStream>,
}

impl Options {
    fn read(place: Place, options: Vec<Opt>, errors: &mut Errors) -> Self {
        let mut read = Self::default();
        for option in options {
            let key = option.key().to_string();
            match (&*key, &option) {
                ("permanent" | "transient" | "temporary", Opt::Word(word)) => {
                    if read.restart.replace(word.clone()).is_some() {
                        errors.at(
                            word,
                            "a child is one of `permanent`, `transient` and `temporary`",
                        );
                    }
                }
                ("restart", Opt::Value(_, expr)) => errors.at(
                    expr,
                    "when a child is started again stands by itself: write `permanent`, `transient` or `temporary`",
                ),
                ("significant", Opt::Word(word)) if place != Place::Dynamic => {
                    read.significant = Some(word.clone());
                }
                ("significant", Opt::Word(word)) => errors.at(
                    word,
                    "a dynamic supervisor is permanent and never ends for good, so it cannot be significant: \
                     take the word off",
                ),
                ("shutdown", Opt::Value(_, expr)) => {
                    read.shutdown = shutdown(place, expr, errors);
                }
                ("backoff", Opt::Value(_, expr)) => read.backoff = values::backoff(expr, errors),
                ("name", Opt::Value(_, expr)) => read.name = Some(expr.clone()),
                ("restore", Opt::Value(_, expr)) if place == Place::Child => {
                    read.restore = Some(expr.clone());
                }
                ("args", Opt::List(_, list)) if place == Place::Tree => {
                    read.args = parse::arguments(list.clone(), errors);
                }
                ("intensity", Opt::Value(_, expr)) if place == Place::Dynamic => {
                    read.intensity = Some(expr.clone());
                }
                ("period", Opt::Value(_, expr)) if place == Place::Dynamic => {
                    read.period = period(expr, errors);
                }
                _ => place.refuse(&option, errors),
            }
        }
        let permanent = (read.restart.as_ref()).is_none_or(|word| word == "permanent");
        if let (true, Some(significant)) = (permanent, &read.significant) {
            errors.at(
                significant,
                "a permanent child never ends for good, so it cannot be significant: write `transient` or `temporary` \
                 beside it, or take `significant` off",
            );
            read.significant = None;
        }
        read
    }

    fn restart_call(&self) -> Option<TokenStream> {
        let name = match &*self.restart.as_ref()?.to_string() {
            "transient" => quote!(Transient),
            "temporary" => quote!(Temporary),
            _ => quote!(Permanent),
        };
        Some(quote!(.restart(::actor_core::Restart::#name)))
    }

    fn shutdown_call(&self) -> Option<TokenStream> {
        self.shutdown.as_ref().map(|it| quote!(.shutdown(#it)))
    }

    fn backoff_call(&self) -> Option<TokenStream> {
        self.backoff.as_ref().map(|it| quote!(.backoff(#it)))
    }

    /// The calls on a child's spec.
    fn calls(&self) -> TokenStream {
        let significant = (self.significant.as_ref()).map(|_| quote!(.significant(true)));
        let (restart, shutdown) = (self.restart_call(), self.shutdown_call());
        let backoff = self.backoff_call();
        quote!(#restart #shutdown #significant #backoff)
    }
}

fn shutdown(place: Place, expr: &Expr, errors: &mut Errors) -> Option<TokenStream> {
    match &*word(expr).map(Ident::to_string).unwrap_or_default() {
        "infinity" => return Some(quote!(::actor_core::Shutdown::Infinity)),
        "brutal_kill" if place == Place::Tree => {
            errors.at(
                expr,
                "an inner tree that is killed stops nobody in order, and its children are not waited for: leave \
                 `shutdown` out to wait for them, or write a time",
            );
            return None;
        }
        "brutal_kill" => return Some(quote!(::actor_core::Shutdown::BrutalKill)),
        _ => {}
    }
    values::duration("shutdown", expr, None, errors)
}

/// An expression that is one lower-case word.
fn word(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) => path.path.get_ident(),
        _ => None,
    }
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
        _ => {
            let options = Options::read(Place::Tree, parse::options(tokens, errors), errors);
            (inner(field, options.args.clone(), errors)?, options)
        }
    };
    let settings = match &kind {
        Kind::Dynamic { .. } => TokenStream::new(),
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
        ["child", "dynamic", "supervisor"]
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
            "each field of a tree is a child: write `#[child(..)]`, `#[dynamic(..)]` or `#[supervisor]` before it",
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
    if tokens.is_empty() {
        errors.at(
            attribute,
            "how is it made? Write `#[child(Ledger::open(\"data\"), ..)]`: the expression is evaluated for each life",
        );
        return None;
    }
    let (make, options) = making(Place::Child, tokens, errors)?;
    if let Type::Array(array) = &field.ty {
        let Some((actor, optional)) = actor_of(&array.elem) else {
            return wrong_type(field, errors);
        };
        if let Some(name) = &options.name
            && !matches!(name, Expr::Closure(_))
        {
            errors.at(
                name,
                "each of them needs a name of its own: write `name = |i| format!(\"account-{i}\")`",
            );
        }
        if let Some(policy) = &options.restore
            && !matches!(policy, Expr::Closure(_))
        {
            errors.at(
                policy,
                "each of them is saved under a name of its own: write \
                 `restore = |i| SnapshotPolicy::new(store, format!(\"account-{i}\"))`",
            );
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
         that come and go are `#[dynamic(..)]`, and an inner tree is `#[supervisor]`",
    );
    None
}

/// The expression that makes a child, and the options behind it.
fn making(place: Place, tokens: TokenStream, errors: &mut Errors) -> Option<(Expr, Options)> {
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
    if tokens.is_empty() {
        errors.at(
            attribute,
            "how are its children made? Write `#[dynamic(|peer: &String| Session::new(peer), temporary)]`",
        );
        return None;
    }
    let (make, options) = making(Place::Dynamic, tokens, errors)?;
    let Some([actor, args]) = arguments_of(&field.ty, "DynamicSupervisor")
        .as_deref()
        .map(<[_]>::to_vec)
        .and_then(|it| <[&Type; 2]>::try_from(it).ok())
    else {
        errors.at(
            &field.ty,
            "children that come and go are under a `DynamicSupervisor<A, Args>`",
        );
        return None;
    };
    let (restart, shutdown) = (options.restart_call(), options.shutdown_call());
    let builder = intensity(options.intensity.clone(), options.period.clone());
    let backoff = options.backoff_call();
    let kind = Kind::Dynamic {
        actor: actor.clone(),
        args: args.clone(),
        make,
        template: quote!(#restart #shutdown),
        builder: quote!(#builder #backoff),
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

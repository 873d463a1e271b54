//! The options that stand in the attributes, and where each may.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use super::parse::{self, Opt};
use super::values;
use crate::diagnostics::Errors;

pub(super) fn period(expr: &Expr, errors: &mut Errors) -> Option<TokenStream> {
    const ZERO: &str = "a period of zero counts no restart: write how long a restart is remembered, as in `period = \"10s\"`";
    values::duration("period", expr, Some(ZERO), errors)
}

/// The call that sets the intensity, if anything about it is said.
pub(super) fn intensity(
    restarts: Option<Expr>,
    period: Option<TokenStream>,
) -> Option<TokenStream> {
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
pub(super) enum Place {
    Struct,
    Child,
    Dynamic,
    Pool,
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
                "a child has `permanent`, `transient` or `temporary`, `significant`, `shutdown = ..`, `backoff = ..` \
                 and `name = ..`"
            }
            Self::Dynamic => {
                "a dynamic supervisor has `permanent`, `transient` or `temporary` and `shutdown = ..` for its children, \
                 `intensity = ..`, `period = ..`, `backoff = ..` and `name = ..`"
            }
            Self::Pool => {
                "a pool has `size = ..`, `balance = ..` and `drain = ..`, `permanent`, `transient` or `temporary` and \
                 `shutdown = ..` for its workers, `intensity = ..`, `period = ..`, `backoff = ..` and `name = ..`"
            }
            Self::Tree => {
                "an inner tree has `permanent`, `transient` or `temporary`, `significant`, `shutdown = ..`, \
                 `backoff = ..`, `name = ..` and `args(..)`"
            }
        }
    }

    /// Whether it is a supervisor whose children come and go, with settings of its own beside theirs.
    fn is_dynamic(self) -> bool {
        matches!(self, Self::Dynamic | Self::Pool)
    }

    pub(super) fn refuse(self, option: &Opt, errors: &mut Errors) {
        let (key, options) = (option.key(), self.options());
        errors.at(
            option,
            format_args!("no such option, or not in this form: `{key}`; {options}"),
        );
    }
}

/// The options of a child of any kind.
#[derive(Default)]
pub(super) struct Options {
    pub(super) restart: Option<Ident>,
    pub(super) significant: Option<Ident>,
    pub(super) shutdown: Option<TokenStream>,
    pub(super) backoff: Option<TokenStream>,
    pub(super) name: Option<Expr>,
    pub(super) args: Vec<Expr>,
    pub(super) intensity: Option<Expr>,
    pub(super) period: Option<TokenStream>,
    /// Of a pool, as the next two.
    pub(super) size: Option<Expr>,
    balance: Option<Ident>,
    drain: Option<TokenStream>,
}

impl Options {
    pub(super) fn read(place: Place, options: Vec<Opt>, errors: &mut Errors) -> Self {
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
                ("significant", Opt::Word(word)) if !place.is_dynamic() => {
                    read.significant = Some(word.clone());
                }
                ("significant", Opt::Word(word)) => errors.at(
                    word,
                    format_args!(
                        "a {} is permanent and never ends for good, so it cannot be significant: take the word off",
                        if place == Place::Pool { "pool" } else { "dynamic supervisor" },
                    ),
                ),
                ("shutdown", Opt::Value(_, expr)) => {
                    read.shutdown = shutdown(place, expr, errors);
                }
                ("backoff", Opt::Value(_, expr)) => read.backoff = values::backoff(expr, errors),
                ("name", Opt::Value(_, expr)) => read.name = Some(expr.clone()),
                ("args", Opt::List(_, list)) if place == Place::Tree => {
                    read.args = parse::arguments(list.clone(), errors);
                }
                ("intensity", Opt::Value(_, expr)) if place.is_dynamic() => {
                    read.intensity = Some(expr.clone());
                }
                ("period", Opt::Value(_, expr)) if place.is_dynamic() => {
                    read.period = period(expr, errors);
                }
                ("size", Opt::Value(_, expr)) if place == Place::Pool => {
                    read.size = Some(expr.clone());
                }
                ("balance", Opt::Value(_, expr)) if place == Place::Pool => {
                    read.balance = balance(expr, errors);
                }
                ("drain", Opt::Value(_, expr)) if place == Place::Pool => {
                    read.drain = values::duration("drain", expr, None, errors);
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

    pub(super) fn restart_call(&self) -> Option<TokenStream> {
        let name = match &*self.restart.as_ref()?.to_string() {
            "transient" => quote!(Transient),
            "temporary" => quote!(Temporary),
            _ => quote!(Permanent),
        };
        Some(quote!(.restart(::actor_core::Restart::#name)))
    }

    pub(super) fn shutdown_call(&self) -> Option<TokenStream> {
        self.shutdown.as_ref().map(|it| quote!(.shutdown(#it)))
    }

    pub(super) fn backoff_call(&self) -> Option<TokenStream> {
        self.backoff.as_ref().map(|it| quote!(.backoff(#it)))
    }

    /// The calls on the builder of a supervisor whose children come and go.
    pub(super) fn dynamic_calls(&self) -> TokenStream {
        let intensity = intensity(self.intensity.clone(), self.period.clone());
        let backoff = self.backoff_call();
        quote!(#intensity #backoff)
    }

    /// The calls on the builder of a pool.
    pub(super) fn pool_calls(&self) -> TokenStream {
        let (restart, shutdown) = (self.restart_call(), self.shutdown_call());
        let balance = self.balance.as_ref();
        let balance = balance.map(|it| quote!(.balance(::actor_core::Balance::#it)));
        let drain = self.drain.as_ref().map(|it| quote!(.drain(#it)));
        let own = self.dynamic_calls();
        quote!(#restart #shutdown #balance #drain #own)
    }

    /// The calls on a child's spec.
    pub(super) fn calls(&self) -> TokenStream {
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

/// The variant of `Balance` that `balance` names.
fn balance(expr: &Expr, errors: &mut Errors) -> Option<Ident> {
    let name = match &*word(expr).map(Ident::to_string).unwrap_or_default() {
        "round_robin" => "RoundRobin",
        "least_loaded" => "LeastLoaded",
        "two_choices" => "TwoChoices",
        "random" => "Random",
        _ => {
            errors.at(
                expr,
                "not a value for `balance`: write `round_robin`, `least_loaded`, `two_choices` or `random`",
            );
            return None;
        }
    };
    Some(Ident::new(name, Span::call_site()))
}

/// An expression that is one lower-case word.
pub(super) fn word(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) => path.path.get_ident(),
        _ => None,
    }
}

//! Durations and back-offs: text that is read when the program is compiled, or constant expressions.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Lit, LitStr};

use crate::args::literal;
use crate::diagnostics::Errors;

/// The text of a string literal.
pub(crate) fn text(expr: &Expr) -> Option<&LitStr> {
    match literal(expr)? {
        Lit::Str(text) => Some(text),
        _ => None,
    }
}

/// Whether an expression is a literal of a kind that no option takes as a duration: `5`, `1.5`, `true`.
fn is_other_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(_)) && text(expr).is_none()
}

/// `"250ms"`: a whole number and a unit.
fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim_start() {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

fn tokens(duration: Duration) -> TokenStream {
    let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#secs, #nanos))
}

/// The value of `key` as an expression of type `Duration`. `nonzero`: what to say if it is zero.
pub(crate) fn duration(
    key: &str,
    expr: &Expr,
    nonzero: Option<&str>,
    errors: &mut Errors,
) -> Option<TokenStream> {
    if let Some(text) = text(expr) {
        let Some(duration) = parse(&text.value()) else {
            errors.at(
                text,
                format_args!(
                    "not a duration: write a whole number and a unit (us, ms, s, m, h), as in `{key} = \"250ms\"`"
                ),
            );
            return None;
        };
        if let (true, Some(why)) = (duration.is_zero(), nonzero) {
            errors.at(text, why);
            return None;
        }
        return Some(tokens(duration));
    }
    if is_other_literal(expr) {
        errors.at(
            expr,
            format_args!(
                "a duration has a unit: write `{key} = \"10s\"`, or a constant of type `Duration`"
            ),
        );
        return None;
    }
    let check =
        nonzero.map(|why| quote_spanned!(expr.span()=> ::core::assert!(!value.is_zero(), #why);));
    Some(quote_spanned! {expr.span()=>
        const { let value: ::core::time::Duration = #expr; #check value }
    })
}

/// The value of `backoff` as an expression of type `Backoff`: `"100ms..30s"`, or any expression.
pub(crate) fn backoff(expr: &Expr, errors: &mut Errors) -> Option<TokenStream> {
    const FORM: &str = "not a back-off: write `backoff = \"100ms..30s\"`, from the first delay to the longest, \
        or an expression of type `Backoff`";
    let Some(text) = text(expr) else {
        if is_other_literal(expr) {
            errors.at(expr, FORM);
            return None;
        }
        return Some(quote_spanned!(expr.span()=> #expr));
    };
    let value = text.value();
    let ends = value.split_once("..");
    let ends = ends.and_then(|(initial, max)| Some((parse(initial)?, parse(max)?)));
    let Some((initial, max)) = ends else {
        errors.at(text, FORM);
        return None;
    };
    if initial.is_zero() || initial > max {
        errors.at(
            text,
            "a back-off begins with some delay, and its longest is no shorter than that",
        );
        return None;
    }
    let (initial, max) = (tokens(initial), tokens(max));
    Some(quote!(::actor_core::Backoff::new(#initial, #max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse("7us"), Some(Duration::from_micros(7)));
        assert_eq!(parse(" 10 s "), Some(Duration::from_secs(10)));
        assert_eq!(parse("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
        for wrong in [
            "",
            "s",
            "10",
            "1.5s",
            "-1s",
            "10 sec",
            "10S",
            "5s!",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}

//! Format strings: which argument of a macro is one, and the variables that it captures.

use std::collections::BTreeSet;
use std::ops::Range;

use proc_macro2::TokenTree;

/// Where in `text`, a string literal as it is written, the names stand that a format string captures: `{name}`,
/// `{name:>width$.precision$}`.
pub(super) fn captured(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let is_raw = text.starts_with('r');
    let mut at = 0;
    while at < bytes.len() {
        let here = at;
        at += 1;
        match (bytes[here], bytes.get(at)) {
            (b'\\', Some(b'u')) if !is_raw => {
                // `\u{e9}`
                at += text[at..].find('}').unwrap_or(0);
            }
            (b'\\', Some(_)) if !is_raw => at += 1,
            (b'{', Some(b'{')) => at += 1,
            (b'{', _) => {
                let end = at + text[at..].find('}').unwrap_or(0);
                let name = at..at + name(&text[at..end]);
                let mut rest = name.end;
                if !name.is_empty() {
                    found.push(name);
                }
                while let Some(dollar) = text[rest..end].find('$') {
                    let before = &text[rest..rest + dollar];
                    let length = before.chars().rev().take_while(|c| in_name(*c));
                    let start = rest + dollar - length.map(char::len_utf8).sum::<usize>();
                    if !text[start..].starts_with(|c: char| c.is_ascii_digit()) {
                        found.push(start..rest + dollar);
                    }
                    rest += dollar + 1;
                }
                at = end;
            }
            _ => {}
        }
    }
    found
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the name is that `text` begins with.
fn name(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !in_name(c)).unwrap_or(text.len())
}

/// Which argument of the macro `name` is the format string. `None`: none is. Of one that is not known, the first that is a
/// string literal may be.
pub(super) fn position(name: &str) -> Option<Position> {
    Some(match name {
        "format" | "print" | "println" | "eprint" | "eprintln" | "panic" | "todo"
        | "unimplemented" | "unreachable" | "format_args" => Position::At(0),
        "write" | "writeln" | "assert" | "debug_assert" => Position::At(1),
        "assert_eq" | "assert_ne" | "debug_assert_eq" | "debug_assert_ne" => Position::At(2),
        "vec" | "dbg" | "matches" | "concat" | "stringify" | "env" | "include_str" => return None,
        _ => Position::FirstLiteral,
    })
}

pub(super) enum Position {
    At(usize),
    FirstLiteral,
}

/// Whether at `at` stands the name of an argument of a macro: `, name = ..`.
pub(super) fn is_named(tokens: &[TokenTree], at: usize) -> bool {
    let comma = at
        .checked_sub(1)
        .is_some_and(|at| is_punct(tokens.get(at), ','));
    let (next, behind) = (tokens.get(at + 1), tokens.get(at + 2));
    let assigns = is_punct(next, '=') && !is_punct(behind, '=') && !is_punct(behind, '>');
    matches!(tokens[at], TokenTree::Ident(_)) && comma && assigns
}

/// The names of the arguments of a macro that have one.
pub(super) fn named(tokens: &[TokenTree]) -> BTreeSet<String> {
    (0..tokens.len())
        .filter(|&at| is_named(tokens, at))
        .map(|at| tokens[at].to_string())
        .collect()
}

/// Whether `token` is the character `c`.
pub(super) fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == c)
}

#[cfg(test)]
mod tests {
    fn names(text: &str) -> Vec<&str> {
        super::captured(text)
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn what_a_format_string_captures() {
        assert_eq!(
            names(r#""{a} {b:?}{c:>w$.p$} {}""#),
            ["a", "b", "c", "w", "p"]
        );
        assert_eq!(names(r#""{:1$} {0} {:>2_x$} {:.*}""#), Vec::<&str>::new());
        assert_eq!(names(r#""{{a}} {{{b}}} }}{c}""#), ["b", "c"]);
        assert_eq!(names(r#""\u{e9} \\{a} \"{b}\"""#), ["a", "b"]);
        assert_eq!(names(r##"r#"\u{e9}{a}"#"##), ["e9", "a"]);
        assert_eq!(names("\"{größe:ä$}{\""), ["größe", "ä"]);
    }
}

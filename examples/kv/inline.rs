//! Inline commands: a line split into arguments as a shell would, for people with nothing but `nc`.
//!
//! Arguments are separated by blanks. `"..."` may contain blanks and the escapes `\n \r \t \b \a \xHH`; `'...'` knows
//! only `\'`. A quote that is never closed, or that is followed by anything but a blank, makes the line invalid.

use crate::resp::Span;

/// Splits `line`, putting the unescaped text into `text` and where each argument lies in it into `spans`.
/// `None` if quotes are unbalanced.
pub(crate) fn split(line: &[u8], text: &mut Vec<u8>, spans: &mut Vec<Span>) -> Option<()> {
    text.clear();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(());
        }
        let start = text.len();
        rest = argument(rest, text)?;
        spans.push(Span::new(start, text.len() - start));
    }
}

/// Reads one argument and returns what follows it.
fn argument<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [b'"', ref quoted @ ..] => return closed(double_quoted(quoted, text)?),
            [b'\'', ref quoted @ ..] => return closed(single_quoted(quoted, text)?),
            [byte, ref tail @ ..] if !byte.is_ascii_whitespace() => {
                text.push(byte);
                rest = tail;
            }
            _ => return Some(rest),
        }
    }
}

/// A closing quote must end its argument.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(u8::is_ascii_whitespace)
        .then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, tail) = match *rest {
            [] => return None,
            [b'"', ref tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, ref tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(high) << 4 | hex(low), tail)
            }
            [b'\\', escaped, ref tail @ ..] => (unescape(escaped), tail),
            [byte, ref tail @ ..] => (byte, tail),
        };
        text.push(byte);
        rest = tail;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, tail) = match *rest {
            [] => return None,
            [b'\'', ref tail @ ..] => return Some(tail),
            [b'\\', b'\'', ref tail @ ..] => (b'\'', tail),
            [byte, ref tail @ ..] => (byte, tail),
        };
        text.push(byte);
        rest = tail;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_to_strings(line: &str) -> Option<Vec<String>> {
        let (mut text, mut spans) = (Vec::new(), Vec::new());
        split(line.as_bytes(), &mut text, &mut spans)?;
        Some(
            spans
                .iter()
                .map(|s| String::from_utf8(s.of(&text).to_vec()).unwrap())
                .collect(),
        )
    }

    #[test]
    fn lines_split_like_in_a_shell() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  ping  ", &["ping"]),
            ("set a \"b c\"", &["set", "a", "b c"]),
            (r#"set a "\x41\n\q""#, &["set", "a", "A\nq"]),
            (r"set a 'it\'s \n'", &["set", "a", r"it's \n"]),
            ("get \"\"", &["get", ""]),
        ];
        for (line, args) in cases {
            assert_eq!(split_to_strings(line).unwrap(), *args, "{line:?}");
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in ["\"", "'", "set \"a", "set \"a\"b", "set 'a'b", "\"a\\"] {
            assert_eq!(split_to_strings(line), None, "{line:?}");
        }
    }
}

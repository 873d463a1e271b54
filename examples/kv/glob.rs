//! Redis's glob patterns, as `KEYS`, `SCAN MATCH` and `PSUBSCRIBE` use them.
//!
//! | pattern   | matches                                                   |
//! |-----------|-----------------------------------------------------------|
//! | `*`       | any run of bytes, also none                               |
//! | `?`       | one byte                                                  |
//! | `[abc]`   | one of these bytes; `[a-z]` a range, `[^a]` anything else |
//! | `\x`      | the byte `x`, also inside brackets                        |
//!
//! # Why there is no blow-up
//! The obvious matcher calls itself for every `*` and every possible length of the run, so `a*a*a*a*b` against a long
//! row of `a` takes exponential time: one client could hold a shard for years. It is enough to remember the *last* star.
//! Whatever lies between two stars is matched at its earliest possible place; if what follows fails later, moving
//! an earlier star further right only leaves less text for the rest, so only the last star needs to grow. The cost is at
//! most `pattern * text` steps, with no recursion and no allocation.

/// True if the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to continue after a mismatch: just behind the last star, with the star's run one byte longer.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        if let Some(width) = match_one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
            continue;
        }
        let Some((star, start)) = retry else {
            return false;
        };
        p = star;
        t = start + 1;
        retry = Some((star, t));
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Matches one byte against the first element of `pattern` (not a star) and returns the element's width.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    let (width, hit) = match *pattern {
        [] => return None,
        [b'?', ..] => (1, true),
        [b'\\', escaped, ..] => (2, escaped == byte),
        [b'[', ref class @ ..] => {
            let (width, hit) = match_class(class, byte);
            (1 + width, hit)
        }
        [literal, ..] => (1, literal == byte),
    };
    hit.then_some(width)
}

/// Matches a class whose opening bracket has been read. A class that is never closed ends with the pattern, and a
/// range written backwards means the same as forwards: both as Redis has it.
fn match_class(class: &[u8], byte: u8) -> (usize, bool) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut hit = false;
    loop {
        match class[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                hit |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                hit |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                hit |= literal == byte;
                at += 1;
            }
        }
    }
    (at, hit != negated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_redis_does() {
        let cases: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("user:*:name", "user:17:name", true),
            ("user:*:name", "user:17:names", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("[\\]]", "]", true),
            ("[abc", "b", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("a\\", "a\\", true),
            ("*?", "", false),
            ("**a**", "bab", true),
        ];
        for &(pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern:?} against {text:?}"
            );
        }
    }

    #[test]
    fn many_stars_cost_a_product_not_a_power() {
        // With the recursive matcher this does not finish.
        let pattern = "a*".repeat(200) + "b";
        let text = "a".repeat(5_000);
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}

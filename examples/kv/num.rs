//! Numbers as they stand in requests, replies and stored values: decimal text, parsed as strictly as Redis does.
//!
//! A counter is kept as the bytes a client would read back. That makes `GET` after `INCR` free, and it works only if
//! text and number correspond one to one: `"007"`, `"+7"`, `" 7"` and `"-0"` are therefore not integers.

/// Parses a canonical decimal `i64`: what [`push_i64`] writes, and nothing else.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match *digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Nineteen digits are below 10^19, which a u64 holds.
        value = value * 10 + u64::from(digit - b'0');
    }
    if negative {
        0i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

/// Parses a cursor: any run of digits that fits a `u64`.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if digits {
        std::str::from_utf8(text).ok()?.parse().ok()
    } else {
        None
    }
}

/// Appends `value` in decimal.
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// Parses a finite float without surrounding blanks; `inf` is accepted (adding it is what fails), `nan` is not.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let overflowed = value.is_infinite() && text.iter().any(u8::is_ascii_digit);
    (!value.is_nan() && !overflowed).then_some(value)
}

/// Why [`add_decimal`] has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddError {
    /// One of the operands is no number.
    NotANumber,
    /// The sum is not finite.
    NotFinite,
}

/// Adds two decimal numbers for `INCRBYFLOAT`.
///
/// Binary floats would answer `0.1 + 0.2` with `0.30000000000000004`; Redis hides that with 80-bit floats, which Rust
/// does not have. So numbers of ordinary size (at most 17 decimals, as many as Redis prints) are added exactly, as
/// integers with a common scale. Anything else goes through `f64`.
pub fn add_decimal(left: &[u8], right: &[u8]) -> Result<Vec<u8>, AddError> {
    let (x, y) = (
        parse_f64(left).ok_or(AddError::NotANumber)?,
        parse_f64(right).ok_or(AddError::NotANumber)?,
    );
    if !(x + y).is_finite() {
        return Err(AddError::NotFinite);
    }
    if let Some(sum) = scaled(left).and_then(|l| l.checked_add(scaled(right)?)) {
        return Ok(print_scaled(sum));
    }
    Ok((x + y).to_string().into_bytes())
}

const SCALE: usize = 17;

/// `text` times 10^17, if that is an integer which fits.
fn scaled(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut value: i128 = 0;
    let mut decimals: Option<usize> = None;
    for &byte in digits {
        match byte {
            b'.' if decimals.is_none() => decimals = Some(0),
            b'0'..=b'9' if decimals.is_none_or(|n| n < SCALE) => {
                value = value
                    .checked_mul(10)?
                    .checked_add(i128::from(byte - b'0'))?;
                decimals = decimals.map(|n| n + 1);
            }
            _ => return None,
        }
    }
    let missing = SCALE - decimals.unwrap_or(0);
    let value = value.checked_mul(10i128.pow(missing as u32))?;
    Some(if negative { -value } else { value })
}

fn print_scaled(value: i128) -> Vec<u8> {
    let unit = 10u128.pow(SCALE as u32);
    let (whole, fraction) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
    let sign = if value < 0 { "-" } else { "" };
    let text = format!("{sign}{whole}.{fraction:0SCALE$}");
    text.trim_end_matches('0')
        .trim_end_matches('.')
        .as_bytes()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_parse() {
        for value in [0, 1, -1, 42, i64::MAX, i64::MIN] {
            let mut text = Vec::new();
            push_i64(&mut text, value);
            assert_eq!(text, value.to_string().into_bytes());
            assert_eq!(parse_i64(&text), Some(value));
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn decimals_add_without_binary_noise() {
        for (x, y, sum) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("-1.5", "1.5", "0"),
            ("3", "-4.25", "-1.25"),
        ] {
            assert_eq!(
                add_decimal(x.as_bytes(), y.as_bytes()).unwrap(),
                sum.as_bytes(),
                "{x} + {y}"
            );
        }
        assert_eq!(add_decimal(b"inf", b"1"), Err(AddError::NotFinite));
        for bad in ["", "x", "nan", "1 ", " 1", "1e999"] {
            assert_eq!(
                add_decimal(bad.as_bytes(), b"1"),
                Err(AddError::NotANumber),
                "{bad:?}"
            );
        }
    }
}

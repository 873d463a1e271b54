//! A walk over a payload before anything is built from it: is it one MessagePack value, within the limits?
//!
//! Without recursion and without allocating. What is left open is on a stack of counts, one for each value that holds
//! others: how many of them are still to come. Each value takes at least one byte, so a walk over `n` bytes takes at most `n` steps, and
//! a container that says it holds more values than there are bytes left is refused where it says so.

use super::{DecodeError, Limits};

/// Nothing is nested deeper, whatever the limits say: it would not fit the walk's own stack.
pub(super) const DEEPEST: usize = 256;

/// What the first byte of a value says of the rest of it.
enum Shape {
    /// So many more bytes.
    Bytes(usize),
    /// A length in so many bytes, and then that many bytes and `extra` more.
    Sized { width: usize, extra: usize },
    /// So many values.
    Values(usize),
    /// A count in so many bytes, and then `each` times as many values.
    Counted { width: usize, each: usize },
}

const fn shape(first: u8) -> Option<Shape> {
    use Shape::{Bytes, Counted, Sized, Values};
    Some(match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Bytes(0),
        0x80..=0x8f => Values(2 * (first & 0x0f) as usize),
        0x90..=0x9f => Values((first & 0x0f) as usize),
        0xa0..=0xbf => Bytes((first & 0x1f) as usize),
        0xc1 => return None,
        0xc4 | 0xd9 => Sized { width: 1, extra: 0 },
        0xc5 | 0xda => Sized { width: 2, extra: 0 },
        0xc6 | 0xdb => Sized { width: 4, extra: 0 },
        0xc7 => Sized { width: 1, extra: 1 },
        0xc8 => Sized { width: 2, extra: 1 },
        0xc9 => Sized { width: 4, extra: 1 },
        0xcc | 0xd0 => Bytes(1),
        0xcd | 0xd1 => Bytes(2),
        0xca | 0xce | 0xd2 => Bytes(4),
        0xcb | 0xcf | 0xd3 => Bytes(8),
        0xd4 => Bytes(2),
        0xd5 => Bytes(3),
        0xd6 => Bytes(5),
        0xd7 => Bytes(9),
        0xd8 => Bytes(17),
        0xdc => Counted { width: 2, each: 1 },
        0xdd => Counted { width: 4, each: 1 },
        0xde => Counted { width: 2, each: 2 },
        0xdf => Counted { width: 4, each: 2 },
    })
}

/// Whether `payload` is one value within the limits.
pub(super) fn check(payload: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    let depth_limit = limits.depth.min(DEEPEST);
    let mut open = [0_usize; DEEPEST];
    let mut depth = 0;
    let mut seen = 0;
    let mut at = 0;
    loop {
        let wrong = DecodeError::Payload { at };
        let &first = payload.get(at).ok_or(wrong.clone())?;
        seen += 1;
        if seen > limits.values {
            return Err(DecodeError::TooMany {
                at,
                limit: limits.values,
            });
        }
        let mut next = at + 1;
        let values = match shape(first).ok_or(wrong.clone())? {
            Shape::Bytes(bytes) => {
                next += bytes;
                0
            }
            Shape::Sized { width, extra } => {
                let bytes = number(payload, next, width).ok_or(wrong.clone())?;
                next += width + bytes + extra;
                0
            }
            Shape::Values(values) => values,
            Shape::Counted { width, each } => {
                let count = number(payload, next, width).ok_or(wrong.clone())?;
                next += width;
                count * each
            }
        };
        // Of which each takes a byte.
        if payload.len() < next || payload.len() - next < values {
            return Err(wrong);
        }
        if values > 0 {
            if depth == depth_limit {
                return Err(DecodeError::TooDeep {
                    at,
                    limit: depth_limit,
                });
            }
            open[depth] = values;
            depth += 1;
        } else {
            // The value is whole, and perhaps the last of those that hold it.
            while depth > 0 {
                open[depth - 1] -= 1;
                if open[depth - 1] > 0 {
                    break;
                }
                depth -= 1;
            }
        }
        at = next;
        if depth == 0 {
            break;
        }
    }
    if at == payload.len() {
        Ok(())
    } else {
        Err(DecodeError::Payload { at })
    }
}

/// The number in `width` bytes at `at`. At most 32 bits, so that sums of a few cannot wrap.
fn number(payload: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = payload.get(at..at + width)?;
    Some(bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)))
}

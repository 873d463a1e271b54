//! Replies, encoded straight into the buffer that will be written to the socket.
//!
//! RESP2 has five kinds. Each function here appends one of them (or, for [`array()`], a header that the elements follow),
//! so a reply is never built as a tree first: a shard that answers sixteen `GET`s appends sixteen times to one `Vec`.
//!
//! ```text
//! +OK\r\n                simple      -ERR text\r\n     error      :42\r\n     integer
//! $5\r\nhello\r\n        bulk        $-1\r\n           nil        *2\r\n..   array
//! ```

use crate::num::push_i64;

/// The reply of a command that succeeded and has nothing to say.
pub const OK: &[u8] = b"+OK\r\n";
/// An absent value.
pub const NIL: &[u8] = b"$-1\r\n";
/// A command that does not fit the type of the value under its key.
pub const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// Appends `+OK`.
pub fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(OK);
}

/// Appends a nil bulk string.
pub fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(NIL);
}

/// Appends a simple string; `text` must not contain line breaks.
pub fn simple(out: &mut Vec<u8>, text: &str) {
    out.push(b'+');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends an error. Clients frame an error by its line end, and its text may quote what a client sent: line breaks
/// become blanks, or a crafted request could forge a second reply.
pub fn error(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    out.push(b'-');
    out.extend(
        text.as_ref()
            .iter()
            .map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}

/// Appends an integer.
pub fn int(out: &mut Vec<u8>, value: i64) {
    header(out, b':', value);
}

/// Appends a count as an integer.
pub fn count(out: &mut Vec<u8>, value: usize) {
    header(out, b':', value as i64);
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    header(out, b'$', bytes.len() as i64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a bulk string, or nil.
pub fn bulk_or_nil(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => bulk(out, bytes),
        None => nil(out),
    }
}

/// Appends the header of an array; `len` replies must follow.
pub fn array(out: &mut Vec<u8>, len: usize) {
    header(out, b'*', len as i64);
}

fn header(out: &mut Vec<u8>, kind: u8, value: i64) {
    out.push(kind);
    push_i64(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Splits a reply into the number on its first line and the bytes behind that line: how replies of several shards are
/// merged. `None` if the first line carries no number.
pub fn split_header(reply: &[u8]) -> Option<(i64, &[u8])> {
    let end = reply.iter().position(|&b| b == b'\r')?;
    let value = crate::num::parse_i64(reply.get(1..end)?)?;
    Some((value, reply.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_bytes() {
        let mut out = Vec::new();
        ok(&mut out);
        simple(&mut out, "PONG");
        error(&mut out, "ERR a\r\nb");
        int(&mut out, -7);
        bulk(&mut out, "hi");
        bulk_or_nil(&mut out, None);
        array(&mut out, 0);
        assert_eq!(
            out,
            b"+OK\r\n+PONG\r\n-ERR a  b\r\n:-7\r\n$2\r\nhi\r\n$-1\r\n*0\r\n"
        );
    }

    #[test]
    fn a_header_splits_off() {
        assert_eq!(split_header(b":12\r\n"), Some((12, &b""[..])));
        assert_eq!(split_header(b"*1\r\n:1\r\n"), Some((1, &b":1\r\n"[..])));
        assert_eq!(split_header(b"+OK\r\n"), None);
    }
}

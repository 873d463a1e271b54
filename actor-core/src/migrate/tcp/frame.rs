//! Frames. The table is in the [module above](super).

use std::io::{self, Read};

use super::secret::{Key, Tag};
use crate::migrate::far::FarError;

const DOING: &str = "reading a message";

/// A frame of this number with this body.
pub fn write(key: &Key, number: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("the sender has looked");
    let mut frame = Vec::with_capacity(36 + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&key.tag(number, body));
    frame.extend_from_slice(body);
    frame
}

/// Reads the frame of this number. Its body has at most `limit` bytes.
///
/// # Errors
/// [`FarError::TooLarge`], [`FarError::Tag`]; [`FarError::Cut`] and others that the reader has.
pub fn read(
    from: &mut impl Read,
    key: &Key,
    number: u64,
    limit: usize,
) -> Result<Vec<u8>, FarError> {
    let failed = |error| FarError::of(DOING, error);
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(failed)?;
    let length = u32::from_be_bytes(length);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size > limit {
        return Err(FarError::TooLarge { size, limit });
    }
    let mut tag: Tag = [0; 32];
    from.read_exact(&mut tag).map_err(failed)?;
    // Grows with what comes, not with what was announced.
    let mut body = Vec::new();
    from.take(u64::from(length))
        .read_to_end(&mut body)
        .map_err(failed)?;
    if body.len() < size {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    match key.fits(number, &body, &tag) {
        true => Ok(body),
        false => Err(FarError::Tag),
    }
}

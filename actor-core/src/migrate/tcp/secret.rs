//! The secret, and what is made with it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A tag.
pub(super) type Tag = [u8; 32];

/// What both nodes know and nobody else does.
///
/// ```
/// use actor_core::migrate::Secret;
///
/// let secret = Secret::new(b"correct horse battery staple")?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert!(Secret::new(b"guess me").is_err());
/// # Ok::<(), actor_core::migrate::ShortSecret>(())
/// ```
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

/// A [`Secret`] has 16 bytes at least, drawn at random: who hears one greeting can try guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortSecret;

impl fmt::Display for ShortSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret has {} bytes at least", Secret::SHORTEST)
    }
}

impl Error for ShortSecret {}

impl Secret {
    /// The fewest bytes.
    pub const SHORTEST: usize = 16;

    /// From its bytes.
    ///
    /// # Errors
    /// [`ShortSecret`].
    pub fn new(bytes: &[u8]) -> Result<Self, ShortSecret> {
        match bytes.len() < Self::SHORTEST {
            true => Err(ShortSecret),
            false => Ok(Secret(bytes.into())),
        }
    }

    /// What is made with it for one purpose, in one connection.
    pub(super) fn derive(&self, purpose: &'static str, greeting: [&[u8]; 2]) -> Key {
        let mut mac = begin(&self.0);
        let parts = [b"actor-core far side 1 ", purpose.as_bytes(), b"\0"];
        parts.iter().for_each(|part| mac.update(part));
        // A hello says its own length.
        greeting.iter().for_each(|hello| mac.update(hello));
        Key(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A key of one connection and direction, or a proof.
#[derive(Clone)]
pub struct Key(pub Tag);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn begin(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl Key {
    fn mac(&self, number: u64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = begin(&self.0);
        mac.update(&number.to_be_bytes());
        mac.update(&(body.len() as u64).to_be_bytes()[4..]);
        mac.update(body);
        mac
    }

    /// The tag of a frame.
    pub(super) fn tag(&self, number: u64, body: &[u8]) -> Tag {
        self.mac(number, body).finalize().into_bytes().into()
    }

    /// Whether it is that tag, in constant time.
    pub(super) fn fits(&self, number: u64, body: &[u8], tag: &Tag) -> bool {
        self.mac(number, body).verify_slice(tag).is_ok()
    }

    /// Whether `proof` is this key, in constant time: by comparing tags made with it, of which nobody can make one without it.
    pub(super) fn is(&self, proof: &Tag) -> bool {
        Key(*proof)
            .mac(0, &[])
            .verify_slice(&self.tag(0, &[]))
            .is_ok()
    }
}

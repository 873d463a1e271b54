//! The greeting. The picture and the table are in the [module above](super).

use std::io::{self, Read, Write};

use super::secret::{Key, Secret, Tag};
use crate::migrate::far::FarError;

/// The version that is spoken.
pub(super) const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"\x89AFS";
/// Magic and version: the same in every version.
const CONSTANT: usize = 6;
const FIXED: usize = 40;
const DOING: &str = "greeting";

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has connected.
    Caller,
    /// It has accepted.
    Answerer,
}

impl Role {
    const fn number(self) -> u8 {
        match self {
            Self::Caller => 1,
            Self::Answerer => 2,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Answerer,
            Self::Answerer => Self::Caller,
        }
    }

    /// What its proof is made for.
    const fn proof(self) -> &'static str {
        match self {
            Self::Caller => "proof of the caller",
            Self::Answerer => "proof of the answerer",
        }
    }

    /// What the key of its frames is made for.
    const fn frames(self) -> &'static str {
        match self {
            Self::Caller => "frames of the caller",
            Self::Answerer => "frames of the answerer",
        }
    }
}

/// A hello, as it was said.
#[derive(Clone, Debug)]
pub struct Hello {
    bytes: Vec<u8>,
}

impl Hello {
    /// That of a node in this role.
    ///
    /// # Errors
    /// [`FarError::Name`]; [`FarError::Io`] if the system has no random numbers.
    pub fn new(role: Role, name: &str) -> Result<Self, FarError> {
        let length = match u8::try_from(name.len()) {
            Ok(length) if length > 0 => length,
            _ => return Err(FarError::Name),
        };
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)
            .map_err(|error| FarError::of("drawing a nonce", io::Error::other(error)))?;
        let mut bytes = Vec::with_capacity(FIXED + name.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[role.number(), length]);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(name.as_bytes());
        Ok(Hello { bytes })
    }

    /// Reads that of a node in the other role than `own`.
    ///
    /// # Errors
    /// [`FarError::Stranger`], [`FarError::Version`], [`FarError::Reflected`], [`FarError::Name`]; [`FarError::Cut`] and
    /// others that the reader has.
    pub fn read(from: &mut impl Read, own: Role) -> Result<Self, FarError> {
        let failed = |error| FarError::of(DOING, error);
        let mut bytes = vec![0; FIXED];
        from.read_exact(&mut bytes[..CONSTANT]).map_err(failed)?;
        if bytes[..4] != MAGIC {
            return Err(FarError::Stranger);
        }
        let theirs = u16::from_be_bytes([bytes[4], bytes[5]]);
        if theirs != VERSION {
            let ours = VERSION;
            return Err(FarError::Version { theirs, ours });
        }
        from.read_exact(&mut bytes[CONSTANT..]).map_err(failed)?;
        let (role, length) = (bytes[6], bytes[7]);
        if role == own.number() {
            return Err(FarError::Reflected);
        }
        if role != own.other().number() {
            return Err(FarError::Stranger);
        }
        bytes.resize(FIXED + usize::from(length), 0);
        from.read_exact(&mut bytes[FIXED..]).map_err(failed)?;
        let hello = Hello { bytes };
        match hello.name() {
            Some(_) => Ok(hello),
            None => Err(FarError::Name),
        }
    }

    fn name(&self) -> Option<&str> {
        let name = str::from_utf8(&self.bytes[FIXED..]).ok()?;
        (!name.is_empty()).then_some(name)
    }

    /// As it is said.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What two nodes have agreed upon.
pub(super) struct Agreed {
    /// The name of the other.
    pub(super) node: Box<str>,
    /// For the other's frames.
    pub(super) reads: Key,
    /// For its own.
    pub(super) writes: Key,
}

/// Greets the node at the other end of `stream`.
pub(super) fn exchange<S>(
    stream: &S,
    role: Role,
    own: &str,
    secret: &Secret,
) -> Result<Agreed, FarError>
where
    for<'a> &'a S: Read + Write,
{
    let (mut from, mut to) = (stream, stream);
    let mut say = |bytes: &[u8]| to.write_all(bytes).map_err(|it| FarError::of(DOING, it));
    let ours = Hello::new(role, own)?;
    let theirs = match role {
        Role::Caller => {
            say(ours.bytes())?;
            Hello::read(&mut from, role)?
        }
        Role::Answerer => match Hello::read(&mut from, role) {
            Ok(theirs) => {
                say(ours.bytes())?;
                theirs
            }
            Err(error @ FarError::Version { .. }) => {
                // It can say then which version it would need.
                let _ = say(&ours.bytes()[..CONSTANT]);
                return Err(error);
            }
            Err(error) => return Err(error),
        },
    };
    let node = theirs.name().filter(|name| *name != own);
    let node = Box::from(node.ok_or(FarError::Name)?);
    let hellos = match role {
        Role::Caller => [ours.bytes(), theirs.bytes()],
        Role::Answerer => [theirs.bytes(), ours.bytes()],
    };
    let proof = |role: Role| secret.derive(role.proof(), hellos);
    let mut read = |bytes: &mut [u8]| {
        from.read_exact(bytes)
            .map_err(|error| FarError::of(DOING, error))
    };
    let mut shown: Tag = [0; 32];
    match role {
        Role::Caller => {
            say(&proof(role).0)?;
            let mut verdict = [0];
            read(&mut verdict)?;
            match verdict {
                [0] => return Err(FarError::Denied),
                [1] => {}
                _ => return Err(FarError::Stranger),
            }
            read(&mut shown)?;
            if !proof(role.other()).is(&shown) {
                return Err(FarError::Proof);
            }
        }
        Role::Answerer => {
            read(&mut shown)?;
            if !proof(role.other()).is(&shown) {
                let _ = say(&[0]);
                return Err(FarError::Proof);
            }
            let mut answer = vec![1];
            answer.extend_from_slice(&proof(role).0);
            say(&answer)?;
        }
    }
    Ok(Agreed {
        node,
        reads: secret.derive(role.other().frames(), hellos),
        writes: secret.derive(role.frames(), hellos),
    })
}

//! What clients say.

use std::io::{self, ErrorKind, Read};

use serde::{Deserialize, Serialize};

/// An amount, as the `number`th of its client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) client: u32,
    pub(crate) number: u64,
    pub(crate) amount: u64,
}

impl Order {
    const BYTES: usize = 20;

    pub(crate) fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.client.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.number.to_be_bytes());
        bytes[12..].copy_from_slice(&self.amount.to_be_bytes());
        bytes
    }

    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let (mut client, mut number, mut amount) = ([0; 4], [0; 8], [0; 8]);
        from.read_exact(&mut client)?;
        from.read_exact(&mut number)?;
        from.read_exact(&mut amount)?;
        Ok(Order {
            client: u32::from_be_bytes(client),
            number: u64::from_be_bytes(number),
            amount: u64::from_be_bytes(amount),
        })
    }

    /// None at the end.
    pub(crate) fn read_next(from: &mut impl Read) -> io::Result<Option<Self>> {
        match Self::read(from) {
            Ok(order) => Ok(Some(order)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

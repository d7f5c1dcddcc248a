//! Positions in a shard's stream. They order everything that happens in the shard and never go back.

use std::fmt;

/// A position: the id of a stream entry, `<ms>-<number>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Milliseconds of the store's clock.
    pub ms: u64,
    /// Number within the millisecond.
    pub number: u32,
}

impl Revision {
    /// Bytes of the binary form.
    pub const BYTES: usize = 12;

    /// Reads the text form of a stream id.
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, number) = text.split_once('-')?;
        Some(Self { ms: ms.parse().ok()?, number: number.parse().ok()? })
    }

    /// Returns the binary form.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// Reads the binary form: two big-endian numbers.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ms, number) = bytes.split_at_checked(8)?;
        Some(Self { ms: u64::from_be_bytes(ms.try_into().ok()?), number: u32::from_be_bytes(number.try_into().ok()?) })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

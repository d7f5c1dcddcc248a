//! Names of things: sessions (ours) and tenants, users and applications (whoever calls names them).

use std::fmt;

use svc_kit::{
    entropy::{self, Entropy},
    id::{decode_base32, encode_base32},
    secret,
};

/// A text that cannot be an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(&'static str);

macro_rules! external_id {
    ($name:ident, $max:literal, $extra:literal, $problem:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads an identifier.
            ///
            /// # Errors
            /// [`IdError`] when the text is empty, too long, or has other characters.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let (text, extra) = (text.into(), $extra.as_bytes());
                let is_good = |byte: u8| byte.is_ascii_alphanumeric() || extra.contains(&byte);
                if (1..=$max).contains(&text.len()) && text.bytes().all(is_good) {
                    Ok(Self(text))
                } else {
                    Err(IdError($problem))
                }
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

external_id!(
    TenantId,
    63,
    "_-",
    "must be 1 to 63 of A-Z a-z 0-9 _ -",
    "Names a tenant. Has no `.`, so that it can be joined with other names."
);
external_id!(UserId, 128, "._:@-", "must be 1 to 128 of A-Z a-z 0-9 . _ : @ -", "Names a user within a tenant.");
external_id!(
    ApplicationId,
    128,
    "._:@-",
    "must be 1 to 128 of A-Z a-z 0-9 . _ : @ -",
    "Names an application within a tenant."
);

/// A user of a tenant: the owner of sessions. All sessions of one owner live in one shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
}

impl Owner {
    /// Returns the shard of the owner's sessions, of `shards`.
    pub fn shard(&self, shards: u16) -> Shard {
        Shard::of(&self.to_string(), shards)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenant, self.user)
    }
}

/// Number of a shard: a part of the store with a stream, and an order, of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

impl Shard {
    fn of(name: &str, shards: u16) -> Self {
        let hash = secret::sha256(name.as_bytes());
        let number = u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
        Self(u16::try_from(number % u64::from(shards.max(1))).unwrap_or(0))
    }
}

/// Whose sessions: those of one user, or those of all users of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// One user's. They live in one shard.
    Owner(Owner),
    /// All users'. They live in every shard.
    Tenant(TenantId),
}

impl Whose {
    /// Returns the shards that the sessions live in, of `shards`.
    pub fn shards(&self, shards: u16) -> Vec<Shard> {
        match self {
            Self::Owner(owner) => vec![owner.shard(shards)],
            Self::Tenant(_) => (0..shards).map(Shard).collect(),
        }
    }

    /// Returns the shard that keeps what there is once for all of them.
    pub fn home(&self, shards: u16) -> Shard {
        match self {
            Self::Owner(owner) => owner.shard(shards),
            Self::Tenant(tenant) => Shard::of(tenant.as_str(), shards),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => owner.fmt(f),
            Self::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

/// Names a session: `sess_` and the base32 of shard and 64 random bits. Public, not a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    shard: Shard,
    random: u64,
}

impl SessionId {
    /// What every session id starts with.
    pub const PREFIX: &'static str = "sess_";
    /// Bytes of the binary form.
    pub const BYTES: usize = 10;
    /// Bytes of it that are random.
    pub const RANDOM_BYTES: usize = 8;

    /// Makes a new random id in `shard`.
    pub fn generate(shard: Shard, entropy: &dyn Entropy) -> Self {
        Self { shard, random: u64::from_be_bytes(entropy::bytes(entropy)) }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`IdError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bytes = text.strip_prefix(Self::PREFIX).and_then(decode_base32);
        bytes.and_then(|bytes| Self::from_bytes(&bytes)).ok_or(IdError("must be sess_ and 16 of a-z 2-7"))
    }

    /// Reads the binary form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; Self::BYTES] = bytes.try_into().ok()?;
        let [s0, s1, random @ ..] = bytes;
        Some(Self { shard: Shard(u16::from_be_bytes([s0, s1])), random: u64::from_be_bytes(random) })
    }

    /// Returns the binary form.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.shard.0.to_be_bytes());
        bytes[2..].copy_from_slice(&self.random.to_be_bytes());
        bytes
    }

    /// Puts a shard and what is random together.
    pub fn from_parts(shard: Shard, random: [u8; Self::RANDOM_BYTES]) -> Self {
        Self { shard, random: u64::from_be_bytes(random) }
    }

    /// Returns what is random.
    pub fn random(self) -> [u8; Self::RANDOM_BYTES] {
        self.random.to_be_bytes()
    }

    /// Returns the shard that the session lives in.
    pub fn shard(self) -> Shard {
        self.shard
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, encode_base32(&self.to_bytes()))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svc_kit::entropy::SeededEntropy;

    #[test]
    fn session_ids_keep_their_shard() {
        let id = SessionId::generate(Shard(63), &SeededEntropy::new(1));
        assert_eq!(SessionId::parse(&id.to_string()), Ok(id));
        assert_eq!((id.shard(), id.to_string().len()), (Shard(63), 21));
    }

    #[test]
    fn other_texts_are_not_session_ids() {
        for text in [
            "",
            "sess_",
            "sess_aaaa",
            "user_aaaaaaaaaaaaaaaa",
            "sess_AAAAAAAAAAAAAAAA",
            "sess_aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(SessionId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn external_ids_are_bounded() {
        assert!(TenantId::parse("acme").is_ok() && UserId::parse("ada@example.com").is_ok());
        for text in ["", "a.b", "ä", "a b", "a\n", &"a".repeat(64)] {
            assert!(TenantId::parse(text).is_err(), "{text:?}");
        }
        assert!(UserId::parse("a".repeat(129)).is_err() && ApplicationId::parse("a/b").is_err());
    }
}

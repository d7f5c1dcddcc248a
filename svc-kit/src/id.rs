//! Identifiers: a prefix that says what it names, and random base32.

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

/// A text that is not an identifier of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {prefix} followed by lower-case base32")]
pub struct IdError {
    /// The prefix that was wanted.
    pub prefix: &'static str,
}

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    #[expect(clippy::expect_used, reason = "a constant alphabet; a test encodes with it")]
    specification.encoding().expect("the alphabet is valid")
});

/// Returns `bytes` in lower-case base32 without padding (RFC 4648 §6).
pub fn encode_base32(bytes: &[u8]) -> String {
    BASE32.encode(bytes)
}

/// Reads lower-case base32 without padding; `None` when it is not canonical.
pub fn decode_base32(text: &str) -> Option<Vec<u8>> {
    BASE32.decode(text.as_bytes()).ok()
}

/// Says whether `text` is `prefix` and then the base32 of 16 bytes.
pub fn is_prefixed(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).and_then(decode_base32).is_some_and(|bytes| bytes.len() == 16)
}

/// Defines an identifier type: `prefixed_id!(UserId, "user_", "Identifies a user.");`
#[macro_export]
macro_rules! prefixed_id {
    ($name:ident, $prefix:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What every identifier of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Reads an identifier.
            ///
            /// # Errors
            /// [`IdError`]($crate::id::IdError) when `text` is not one of this kind.
            pub fn parse(text: &str) -> Result<Self, $crate::id::IdError> {
                if $crate::id::is_prefixed($prefix, text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($crate::id::IdError { prefix: $prefix })
                }
            }

            /// Makes a new random identifier.
            pub fn generate(entropy: &dyn $crate::entropy::Entropy) -> Self {
                let bytes: [u8; 16] = $crate::entropy::bytes(entropy);
                Self(format!("{}{}", $prefix, $crate::id::encode_base32(&bytes)))
            }

            /// Returns the text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::id::IdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::entropy::SeededEntropy;

    prefixed_id!(ThingId, "thing_", "Identifies a thing.");

    #[test]
    fn generated_ids_parse() {
        let id = ThingId::generate(&SeededEntropy::new(1));
        assert_eq!(ThingId::parse(id.as_str()).as_ref(), Ok(&id));
        assert_eq!(id.as_str().len(), "thing_".len() + 26);
    }

    #[test]
    fn other_texts_are_refused() {
        let id = ThingId::generate(&SeededEntropy::new(1)).to_string();
        let other_prefix = id.replace("thing_", "other_");
        let upper = id.to_uppercase();
        for text in ["", "thing_", "thing_a", &other_prefix, &upper, &format!("{id}a"), &format!("{id} ")] {
            assert!(ThingId::parse(text).is_err(), "{text:?} was taken for an id");
        }
    }
}

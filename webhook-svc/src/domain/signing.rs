//! What signs the requests to an endpoint, as it is kept: sealed, and for a while together with what signed before.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::signature::{PublicKey, Scheme};

/// How long what signed before signs too, when nobody says otherwise, and at most.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// See [`OVERLAP`].
pub const OVERLAP_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Something that is replaced now and then, and what it replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating<T> {
    /// What is used.
    pub current: T,
    /// What is used too, until then.
    pub previous: Option<(T, Timestamp)>,
}

impl<T> Rotating<T> {
    /// The first one.
    pub fn new(current: T) -> Self {
        Self { current, previous: None }
    }

    /// Puts another one in its place.
    #[must_use]
    pub fn replaced_by(self, next: T, until: Timestamp) -> Self {
        Self { current: next, previous: Some((self.current, until)) }
    }

    /// Returns what is used at `now`, the current one first.
    pub fn at(&self, now: Timestamp) -> impl Iterator<Item = &T> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until).map(|(previous, _)| previous);
        [&self.current].into_iter().chain(previous)
    }
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// Its public half.
    pub public: PublicKey,
    /// Its seed, sealed.
    pub seed: Vec<u8>,
}

/// What signs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// Secrets, sealed.
    pub secrets: Option<Rotating<Vec<u8>>>,
    /// Keys.
    pub keys: Option<Rotating<SealedKey>>,
}

impl Signing {
    /// Returns the scheme; `None` when nothing signs.
    pub fn scheme(&self) -> Option<Scheme> {
        match (&self.secrets, &self.keys) {
            (Some(_), None) => Some(Scheme::Hmac),
            (None, Some(_)) => Some(Scheme::Ed25519),
            (Some(_), Some(_)) => Some(Scheme::Both),
            (None, None) => None,
        }
    }

    /// Returns the public halves of the keys that sign at `now`, the current one first: two at most.
    pub fn public_keys(&self, now: Timestamp) -> Vec<PublicKey> {
        self.keys.iter().flat_map(|keys| keys.at(now)).map(|key| key.public).collect()
    }

    /// Returns until when what signed before signs too; `None` when nothing does at `now`.
    pub fn overlap_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let secret = self.secrets.as_ref().and_then(|secrets| secrets.previous.as_ref()).map(|(_, until)| *until);
        let key = self.keys.as_ref().and_then(|keys| keys.previous.as_ref()).map(|(_, until)| *until);
        secret.max(key).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replaced_is_used_until_its_time_is_over() {
        let until = Timestamp::from_ms(1_000);
        let rotating = Rotating::new(1).replaced_by(2, until);
        let at = |ms| rotating.at(Timestamp::from_ms(ms)).copied().collect::<Vec<_>>();
        assert_eq!((at(999), at(1_000)), (vec![2, 1], vec![2]));
        let again = rotating.replaced_by(3, until);
        assert_eq!(again.at(Timestamp::EPOCH).copied().collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn what_is_there_is_the_scheme() {
        let secrets = Some(Rotating::new(vec![1]));
        let key = SealedKey { public: PublicKey::from_bytes(&[1; 32]).unwrap(), seed: vec![2] };
        let keys = Some(Rotating::new(key));
        let scheme = |secrets, keys| Signing { secrets, keys }.scheme();
        assert_eq!(scheme(None, None), None);
        assert_eq!(scheme(secrets.clone(), None), Some(Scheme::Hmac));
        assert_eq!(scheme(None, keys.clone()), Some(Scheme::Ed25519));
        assert_eq!(scheme(secrets, keys), Some(Scheme::Both));
    }
}

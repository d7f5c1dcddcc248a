//! Argon2id (19 MiB, 2 passes, 1 lane) on a bounded number of threads.
//!
//! Hashing is slow on purpose, so it never runs on the threads that serve, and a flood of sign-ins is refused instead of
//! queued without end: everything else stays fast.

use std::{io, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::entropy::{self, Entropy};

use super::{
    imported,
    password_threads::{Memory, PasswordThreads},
};
use crate::ports::{PasswordError, Passwords};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;

/// Checked where there is no user, so that this takes as long as where there is one. Nobody knows its password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGtub3dzIGl0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Argon2id behind a bound.
pub struct Argon2Passwords {
    threads: PasswordThreads,
    entropy: Arc<dyn Entropy>,
}

impl Argon2Passwords {
    /// Hashes on `threads` threads, with at most `waiting` passwords waiting for one.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn new(threads: usize, waiting: usize, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        Ok(Self { threads: PasswordThreads::start(threads, waiting)?, entropy })
    }
}

fn hash(
    password: &SecretString,
    salt: [u8; SALT_BYTES],
    memory: &mut Memory,
) -> Result<String, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(DIGEST_BYTES))?;
    let text = ParamsString::try_from(&params)?;
    let (mut digest, blocks) = ([0; DIGEST_BYTES], params.block_count());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let password = password.expose_secret().as_bytes();
    memory.lend(blocks, |memory| argon2.hash_password_into_with_memory(password, &salt, &mut digest, memory))?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: text,
        salt: Some(Salt::new(&salt)?),
        hash: Some(Output::new(&digest)?),
    };
    Ok(hash.to_string())
}

impl Passwords for Argon2Passwords {
    async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        let salt = entropy::bytes(&*self.entropy);
        self.threads.run(move |memory| hash(&password, salt, memory).map_err(|_| PasswordError::Failed)).await
    }

    async fn check(&self, password: SecretString, stored: Option<String>) -> Result<bool, PasswordError> {
        let is_somebody = stored.is_some();
        let stored = stored.unwrap_or_else(|| NOBODY.to_owned());
        let is_right =
            self.threads.run(move |memory| imported::is_of(password.expose_secret().as_bytes(), &stored, memory));
        Ok(is_right.await? && is_somebody)
    }

    fn is_outdated(&self, hash: &str) -> bool {
        !hash.starts_with(imported::OURS)
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::entropy::SeededEntropy;

    use super::*;

    fn passwords(threads: usize, waiting: usize) -> Argon2Passwords {
        Argon2Passwords::new(threads, waiting, Arc::new(SeededEntropy::new(1))).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_nobody_never_is() {
        let passwords = passwords(1, 8);
        let hash = passwords.hash("correct".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(!passwords.is_outdated(&hash) && passwords.is_outdated("$2b$04$x"));
        assert_eq!(passwords.check("correct".into(), Some(hash.clone())).await, Ok(true));
        assert_eq!(passwords.check("wrong".into(), Some(hash.clone())).await, Ok(false));
        assert_eq!(passwords.check("correct".into(), None).await, Ok(false));
        assert_ne!(passwords.hash("correct".into()).await.unwrap(), hash, "no salt is used twice");
    }

    #[test]
    fn nobody_costs_what_somebody_does() {
        assert!(NOBODY.starts_with(imported::OURS));
        assert_eq!(imported::is_of(b"", NOBODY, &mut Memory::default()), Ok(false));
    }

    #[tokio::test]
    async fn a_flood_is_refused() {
        let passwords = passwords(1, 1);
        let all = futures::future::join_all((0..6).map(|_| passwords.check("x".into(), None))).await;
        let refused = all.iter().filter(|result| **result == Err(PasswordError::Overloaded)).count();
        assert_eq!(refused, 4);
    }
}

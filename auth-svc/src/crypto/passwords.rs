//! Argon2id (19 MiB, 2 passes, 1 lane) on a bounded number of threads.
//!
//! Hashing is slow on purpose, so it never runs on the threads that serve, and a flood of sign-ins is refused instead of
//! queued without end: everything else stays fast.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::imported;
use crate::ports::{PasswordError, Passwords};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Argon2id behind a bound.
pub struct Argon2Passwords {
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    nobody: String,
}

impl Argon2Passwords {
    /// Hashes on at most `threads` threads, with at most `waiting` passwords waiting for one.
    ///
    /// # Errors
    /// Hashing fails.
    pub fn new(threads: usize, waiting: usize) -> Result<Self, PasswordError> {
        // Checked where there is no user, so that this takes as long as where there is one.
        let nobody = hash(&SecretString::from("nobody has this password"))?;
        let places = Arc::new(Semaphore::new(threads + waiting));
        Ok(Self { threads: Arc::new(Semaphore::new(threads)), places, nobody })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| PasswordError::Overloaded)?;
        let thread = self.threads.clone().acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        // Held by the work itself: a caller that goes away does not make room for another.
        let work = move || {
            let _held = (place, thread);
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &SecretString) -> Result<String, PasswordError> {
    let hash = argon2()?.hash_password(password.expose_secret().as_bytes());
    Ok(hash.map_err(|_| PasswordError::Failed)?.to_string())
}

impl Passwords for Argon2Passwords {
    async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        self.run(move || hash(&password)).await
    }

    async fn check(&self, password: SecretString, stored: Option<String>) -> Result<bool, PasswordError> {
        let is_somebody = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let is_right = self.run(move || imported::is_of(password.expose_secret().as_bytes(), &stored));
        Ok(is_right.await? && is_somebody)
    }

    fn is_outdated(&self, hash: &str) -> bool {
        !hash.starts_with(imported::OURS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_is_right_and_nobody_never_is() {
        let passwords = Argon2Passwords::new(1, 8).unwrap();
        let hash = passwords.hash("correct".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(!passwords.is_outdated(&hash) && passwords.is_outdated("$2b$04$x"));
        assert_eq!(passwords.check("correct".into(), Some(hash.clone())).await, Ok(true));
        assert_eq!(passwords.check("wrong".into(), Some(hash)).await, Ok(false));
        assert_eq!(passwords.check("nobody has this password".into(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_flood_is_refused() {
        let passwords = Argon2Passwords::new(1, 1).unwrap();
        let all = futures::future::join_all((0..6).map(|_| passwords.check("x".into(), None))).await;
        let refused = all.iter().filter(|result| **result == Err(PasswordError::Overloaded)).count();
        assert_eq!(refused, 4);
    }
}

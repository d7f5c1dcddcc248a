//! Checks passwords against hashes that other systems made.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::PasswordHash};
use aws_lc_rs::pbkdf2;
use svc_kit::secret;
use zeroize::Zeroizing;

use super::password_threads::Memory;
use crate::{domain::password_hash::Scheme, ports::PasswordError};

/// What a hash of ours begins with; every other one is replaced when its password is known.
pub(super) const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// Says whether a password is the one of a stored hash. Slow.
pub(super) fn is_of(password: &[u8], hash: &str, memory: &mut Memory) -> Result<bool, PasswordError> {
    let scheme = Scheme::parse(hash).map_err(|_| PasswordError::Failed)?;
    match scheme {
        Scheme::Argon2 => argon2(password, hash, memory).map_err(|_| PasswordError::Failed),
        // Of longer passwords bcrypt knows the beginning only; so did whoever made the hash.
        Scheme::Bcrypt => bcrypt::verify(password, hash).map_err(|_| PasswordError::Failed),
        Scheme::Pbkdf2 { is_sha512, iterations, salt, digest } => {
            let algorithm = if is_sha512 { pbkdf2::PBKDF2_HMAC_SHA512 } else { pbkdf2::PBKDF2_HMAC_SHA256 };
            let iterations = NonZeroU32::new(iterations).ok_or(PasswordError::Failed)?;
            Ok(pbkdf2::verify(algorithm, iterations, &salt, password, &digest).is_ok())
        }
        Scheme::Scrypt { log_n, r, p, salt, digest } => {
            let params = scrypt::Params::new(log_n, r, p).map_err(|_| PasswordError::Failed)?;
            let mut made = Zeroizing::new(vec![0; digest.len()]);
            scrypt::scrypt(password, &salt, &params, &mut made).map_err(|_| PasswordError::Failed)?;
            Ok(secret::constant_time_eq(&made, &digest))
        }
    }
}

/// Variant and cost are those of the hash.
fn argon2(password: &[u8], hash: &str, memory: &mut Memory) -> Result<bool, argon2::password_hash::Error> {
    let hash = PasswordHash::new(hash)?;
    let (params, version) = (Params::try_from(&hash)?, hash.version.map(Version::try_from).transpose()?);
    let (Some(salt), Some(digest)) = (&hash.salt, &hash.hash) else { return Ok(false) };
    let (mut made, blocks) = (Zeroizing::new(vec![0; digest.len()]), params.block_count());
    let argon2 = Argon2::new(Algorithm::try_from(hash.algorithm.as_str())?, version.unwrap_or_default(), params);
    memory.lend(blocks, |memory| argon2.hash_password_into_with_memory(password, salt, &mut made, memory))?;
    Ok(secret::constant_time_eq(&made, digest.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `hashlib.pbkdf2_hmac`, `hashlib.scrypt`, and the packages `bcrypt` and `argon2-cffi`.
    const HASHES: [&str; 6] = [
        "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0c2FsdA$BBs+1+PaslLtBPULUr8/lQicvVuHiEPMz0i8MjLCbzM",
        "$pbkdf2-sha512$i=1000,l=64$c2FsdHNhbHRzYWx0c2FsdA$EHLBej+uEvxlmr0QnHnceg1vM6h1wbwSP5XErh3SmizNDWZsIi28RPGARe0EssjGRoiACzxgHjNvqwJY1zxKig",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI",
        "$2b$04$yvvsjLp2e0CliZlRJ04TDuj41oH59pzVKu5KEQboIQwUwZSRgTYlW",
        "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$RMnlO2yJjUzUJ1vqMJdgdgriWoTT+H4XFqGo/gwMfPA",
        "$argon2i$v=19$m=512,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$Z7BL04DxvOIfy79dnUinHhDyMlqbqm7N4iVLUZkZpUc",
    ];

    #[test]
    fn hashes_of_other_systems_are_checked() {
        let mut memory = Memory::default();
        for hash in HASHES {
            assert_eq!(is_of(b"correct horse", hash, &mut memory), Ok(true), "{hash}");
            assert_eq!(is_of(b"correct horsf", hash, &mut memory), Ok(false), "{hash}");
            assert_eq!(is_of(b"", hash, &mut memory), Ok(false), "{hash}");
        }
        assert_eq!(is_of(b"correct horse", "correct horse", &mut memory), Err(PasswordError::Failed));
    }
}

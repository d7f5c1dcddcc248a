//! Hashes of passwords that other systems made, and what may be taken over of them.
//!
//! Whoever imports a hash decides what checking it costs, so the cost is bounded: a hash that would take much longer, or
//! much more memory, than one of ours is refused and never stored.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Longest hash that is looked at, in bytes.
pub const HASH_BYTES_MAX: usize = 512;
/// Most memory that checking may take.
const MEMORY_BYTES_MAX: u64 = 128 * 1024 * 1024;
const ARGON2_PASSES_MAX: u32 = 10;
const ARGON2_MEMORY_KIB_MIN: u32 = 8;
const LANES_MAX: u32 = 4;
const BCRYPT_COST_MIN: u32 = 4;
const BCRYPT_COST_MAX: u32 = 14;
const BCRYPT_BYTES: usize = 60;
const PBKDF2_ITERATIONS_MAX: u32 = 2_000_000;
const SCRYPT_LOG_N_MAX: u8 = 17;
/// Shortest and longest salt and digest.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 4..=64;
/// What checks Argon2 from the text takes no others.
const ARGON2_SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=48;
const DIGEST_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Base64 as PHC strings have it: the usual alphabet, without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// How a stored hash was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Argon2, of whatever variant and cost; checked from the text.
    Argon2,
    /// bcrypt; checked from the text.
    Bcrypt,
    /// PBKDF2 with HMAC.
    Pbkdf2 {
        /// Whether with SHA-512 instead of SHA-256.
        is_sha512: bool,
        /// Iterations.
        iterations: u32,
        /// Salt.
        salt: Vec<u8>,
        /// What the password must come to.
        digest: Vec<u8>,
    },
    /// scrypt.
    Scrypt {
        /// Logarithm of the cost.
        log_n: u8,
        /// Block size.
        r: u32,
        /// Lanes.
        p: u32,
        /// Salt.
        salt: Vec<u8>,
        /// What the password must come to.
        digest: Vec<u8>,
    },
}

impl Scheme {
    /// Reads a hash.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(hash: &str) -> Result<Self, &'static str> {
        if hash.len() > HASH_BYTES_MAX {
            return Err("is too long");
        }
        let parts: Vec<&str> = hash.split('$').collect();
        match parts.as_slice() {
            ["", "argon2id" | "argon2i" | "argon2d", rest @ ..] => argon2(rest),
            ["", "2a" | "2b" | "2y", cost, _] if hash.len() == BCRYPT_BYTES => bcrypt(cost),
            ["", "pbkdf2-sha256", costs, salt, digest] => pbkdf2(false, costs, salt, digest),
            ["", "pbkdf2-sha512", costs, salt, digest] => pbkdf2(true, costs, salt, digest),
            ["", "scrypt", costs, salt, digest] => scrypt(costs, salt, digest),
            _ => Err("must be argon2, bcrypt, pbkdf2 or scrypt as a PHC or crypt string"),
        }
    }
}

const COSTLY: &str = "costs more to check than is allowed";
const MALFORMED: &str = "is malformed";

fn argon2(rest: &[&str]) -> Result<Scheme, &'static str> {
    let (costs, salt, digest) = match rest {
        ["v=19" | "v=16", costs, salt, digest] | [costs, salt, digest] => (costs, salt, digest),
        _ => return Err(MALFORMED),
    };
    let (memory, passes, lanes) = (cost(costs, "m")?, cost(costs, "t")?, cost(costs, "p")?);
    bytes(salt, ARGON2_SALT_BYTES)?;
    bytes(digest, DIGEST_BYTES)?;
    // Whoever checks it reads the text again: nothing may be there that was not looked at here.
    if costs.split(',').count() != 3 {
        return Err(MALFORMED);
    }
    if lanes == 0 || passes == 0 || memory < ARGON2_MEMORY_KIB_MIN.saturating_mul(lanes) {
        return Err(MALFORMED);
    }
    let is_cheap = u64::from(memory) * 1024 <= MEMORY_BYTES_MAX && passes <= ARGON2_PASSES_MAX && lanes <= LANES_MAX;
    if is_cheap { Ok(Scheme::Argon2) } else { Err(COSTLY) }
}

fn bcrypt(cost: &str) -> Result<Scheme, &'static str> {
    match cost.parse().map_err(|_| MALFORMED)? {
        BCRYPT_COST_MIN..=BCRYPT_COST_MAX => Ok(Scheme::Bcrypt),
        0..BCRYPT_COST_MIN => Err(MALFORMED),
        _ => Err(COSTLY),
    }
}

fn pbkdf2(is_sha512: bool, costs: &str, salt: &str, digest: &str) -> Result<Scheme, &'static str> {
    let iterations = cost(costs, "i")?;
    let (salt, digest) = (bytes(salt, SALT_BYTES)?, bytes(digest, DIGEST_BYTES)?);
    match iterations {
        0 => Err(MALFORMED),
        1..=PBKDF2_ITERATIONS_MAX => Ok(Scheme::Pbkdf2 { is_sha512, iterations, salt, digest }),
        _ => Err(COSTLY),
    }
}

fn scrypt(costs: &str, salt: &str, digest: &str) -> Result<Scheme, &'static str> {
    let log_n = u8::try_from(cost(costs, "ln")?).map_err(|_| COSTLY)?;
    let (r, p) = (cost(costs, "r")?, cost(costs, "p")?);
    let (salt, digest) = (bytes(salt, SALT_BYTES)?, bytes(digest, DIGEST_BYTES)?);
    if log_n == 0 || r == 0 || p == 0 {
        return Err(MALFORMED);
    }
    let is_shallow = log_n <= SCRYPT_LOG_N_MAX && p <= LANES_MAX;
    let memory = if is_shallow { (128_u64 << log_n).saturating_mul(u64::from(r)) } else { u64::MAX };
    if memory <= MEMORY_BYTES_MAX { Ok(Scheme::Scrypt { log_n, r, p, salt, digest }) } else { Err(COSTLY) }
}

/// The number called `name` in `m=19456,t=2,p=1`, which must be there once.
fn cost(costs: &str, name: &str) -> Result<u32, &'static str> {
    let mut named = costs.split(',').filter_map(|cost| cost.split_once('=')).filter(|(found, _)| *found == name);
    match (named.next(), named.next()) {
        (Some((_, number)), None) => number.parse().map_err(|_| MALFORMED),
        _ => Err(MALFORMED),
    }
}

fn bytes(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Result<Vec<u8>, &'static str> {
    let bytes = BASE64.decode(text).map_err(|_| MALFORMED)?;
    if lengths.contains(&bytes.len()) { Ok(bytes) } else { Err(MALFORMED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "c2FsdHNhbHQ";
    const DIGEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn what_other_systems_make_is_understood() {
        for good in [
            format!("$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST}"),
            format!("$argon2i$m=4096,t=3,p=1${SALT}${DIGEST}"),
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(),
            format!("$pbkdf2-sha256$i=600000${SALT}${DIGEST}"),
            format!("$pbkdf2-sha512$i=210000,l=32${SALT}${DIGEST}"),
            format!("$scrypt$ln=17,r=8,p=1${SALT}${DIGEST}"),
        ] {
            assert!(Scheme::parse(&good).is_ok(), "{good}: {:?}", Scheme::parse(&good));
        }
    }

    #[test]
    fn what_costs_too_much_is_refused() {
        for costly in [
            format!("$argon2id$v=19$m=131073,t=2,p=1${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=4294967295,t=2,p=1${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=11,p=1${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2,p=5${SALT}${DIGEST}"),
            "$2b$15$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(),
            format!("$pbkdf2-sha256$i=2000001${SALT}${DIGEST}"),
            format!("$scrypt$ln=18,r=8,p=1${SALT}${DIGEST}"),
            format!("$scrypt$ln=17,r=9,p=1${SALT}${DIGEST}"),
            format!("$scrypt$ln=17,r=4294967295,p=1${SALT}${DIGEST}"),
            format!("$scrypt$ln=300,r=8,p=1${SALT}${DIGEST}"),
            format!("$scrypt$ln=10,r=8,p=5${SALT}${DIGEST}"),
        ] {
            assert_eq!(Scheme::parse(&costly), Err(COSTLY), "{costly}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for bad in [
            String::new(),
            "password".to_owned(),
            "5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0".to_owned(),
            "$2b$12$short".to_owned(),
            "$2b$03$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(),
            format!("$argon2id$v=19$m=0,t=0,p=0${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,t=4294967295${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,m=4194304${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2,p=536870912${SALT}${DIGEST}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1$AAAAAA${DIGEST}"),
            format!("$pbkdf2-sha256$i=1000,i=4294967295${SALT}${DIGEST}"),
            format!("$pbkdf2-sha256$i=0${SALT}${DIGEST}"),
            format!("$pbkdf2-sha256$i=1000$$ {DIGEST}"),
            format!("$pbkdf2-sha256$i=1000${SALT}$AAAA"),
            format!("$scrypt$ln=0,r=8,p=1${SALT}${DIGEST}"),
            format!("$scrypt$ln=15,r=8,p=1${SALT}${}", "A".repeat(600)),
        ] {
            assert!(Scheme::parse(&bad).is_err(), "{bad}");
        }
    }
}

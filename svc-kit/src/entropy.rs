//! Randomness, passed in so that tests can repeat it.

use std::sync::Mutex;

use aws_lc_rs::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};

/// A source of random bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Returns `N` random bytes.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// Returns a random number in `0.0..1.0`, for jitter.
pub fn fraction(entropy: &dyn Entropy) -> f64 {
    f64::from(u32::from_le_bytes(bytes(entropy))) / (f64::from(u32::MAX) + 1.0)
}

/// The operating system's cryptographically secure source.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "without randomness no secret may be made; stopping is the only safe answer"
        )]
        SystemRandom::new().fill(bytes).expect("the operating system gives random bytes");
    }
}

/// A repeatable source; for tests only.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<(u64, u64)>);

impl SeededEntropy {
    /// Makes a source that always yields the same bytes for the same `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((seed, 0)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let block = [state.0.to_le_bytes(), state.1.to_le_bytes()].concat();
            state.1 += 1;
            chunk.copy_from_slice(&digest::digest(&digest::SHA256, &block).as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_entropy_repeats_and_never_repeats_itself() {
        let (one, two) = (SeededEntropy::new(7), SeededEntropy::new(7));
        let first: [u8; 40] = bytes(&one);
        assert_eq!(first, bytes::<40>(&two));
        assert_ne!(first, bytes::<40>(&one));
    }

    #[test]
    fn fractions_stay_below_one() {
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&fraction(&OsEntropy)));
        }
    }
}

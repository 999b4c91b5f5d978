//! One named stream of random numbers per purpose, from a portable generator, so that one more draw in one
//! place never shifts another.

pub use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The seed of a run: printed first and last, stored in `run.json`, taken by `--seed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream for one purpose, such as `schedule` or `process 3`. Equal seeds and names give equal streams
    /// on every platform.
    pub fn stream(self, purpose: &str) -> ChaCha8Rng {
        // FNV-1a over the name picks the key: stable, and nothing here has to resist an attacker.
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(purpose.as_bytes()).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }
}

/// A number below `bound` that stands to it as a draw of 64 bits to their range: even, and the same on every platform.
pub(crate) fn scaled(draw: u64, bound: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

/// A number below `bound`: always exactly one draw.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    scaled(rng.next_u64(), bound)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3))
}

//! Chance from the seed, each kind of it on its own.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The chance of something that has a name: FNV-1a of the name, from the seed.
pub(crate) fn chance_of(seed: u64, name: &str) -> ChaCha8Rng {
    let salt = name
        .bytes()
        .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    ChaCha8Rng::seed_from_u64(salt)
}

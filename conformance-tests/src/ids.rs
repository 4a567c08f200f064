//! Generated ids, distinct per check and run, so that runs do not interfere.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of ids determined by the run's seed and the check's name.
#[derive(Clone, Debug)]
pub(crate) struct Ids(ChaCha8Rng);

impl Ids {
    pub(crate) fn new(seed: u64, check: &str) -> Self {
        let salted = check.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(ChaCha8Rng::seed_from_u64(salted))
    }

    /// A phone number that is not in use.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.random_range(710_000_000_000..799_999_999_999)
    }

    /// A contact's id.
    pub(crate) fn contact(&mut self) -> String {
        format!("{}@c.us", self.number())
    }

    /// A group's id in the current format of 18 digits.
    pub(crate) fn group(&mut self) -> String {
        format!("120363{}@g.us", self.0.random_range(100_000_000_000_u64..999_999_999_999))
    }

    /// Eight hexadecimal digits.
    pub(crate) fn word(&mut self) -> String {
        format!("{:08x}", self.0.random::<u32>())
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn the_same_seed_and_check_give_the_same_ids() {
        assert_eq!(Ids::new(1, "a").contact(), Ids::new(1, "a").contact());
        assert_ne!(Ids::new(1, "a").contact(), Ids::new(2, "a").contact());
        assert_ne!(Ids::new(1, "a").contact(), Ids::new(1, "b").contact());
    }
}

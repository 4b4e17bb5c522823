//! Random moments that can be had again: a seed told at the start, and numbers from the environment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A small generator (splitmix64).
pub(crate) struct Rng(u64);

impl Rng {
    /// Seeded by `CRASH_SEED`, else by the time; the seed is printed.
    pub(crate) fn from_env() -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let seed = number("CRASH_SEED").unwrap_or(time);
        println!("CRASH_SEED={seed}");
        Self::seeded(seed)
    }

    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A pause between the two.
    pub(crate) fn pause(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }
}

/// The number that a variable of the environment holds.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var_os(variable)?.to_str()?.parse().ok()
}

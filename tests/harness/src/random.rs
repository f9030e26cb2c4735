//! Random numbers from a seed, so that a run can be repeated.

/// A small generator (PCG's multiplier, high bits): good enough to choose by.
pub struct Random(u128);

impl Random {
    /// The one that `seed` leads to.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(u128::from(seed) << 1 | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
        usize::try_from((self.0 >> 64) % limit.max(1) as u128).unwrap_or_default()
    }

    /// One of `all`, of which there is at least one.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

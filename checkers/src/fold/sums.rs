//! What was added to a counter.

/// Positive and negative increments, summed apart, and wide enough for any number of them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) up: i128,
    pub(crate) down: i128,
}

impl Sums {
    /// Takes in one increment.
    pub(crate) fn add(&mut self, by: i64) {
        if by > 0 {
            self.up += i128::from(by);
        } else {
            self.down += i128::from(by);
        }
    }
}

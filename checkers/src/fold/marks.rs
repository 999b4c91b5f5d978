//! Membership in a list that was just read, without a hash table: a stamp per value, and a new stamp per question.

use histories::ValueId;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Marks {
    stamps: Vec<u32>,
    stamp: u32,
}

impl Marks {
    /// Forgets everything and marks these.
    pub(crate) fn set(&mut self, values: &[ValueId]) {
        self.clear();
        for v in values {
            self.mark(*v);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        if self.stamp == u32::MAX {
            self.stamps.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// Marks one; whether it was not marked before.
    #[inline]
    pub(crate) fn mark(&mut self, value: ValueId) -> bool {
        let stamp = super::keys::slot(&mut self.stamps, value.0 as usize);
        let new = *stamp != self.stamp;
        *stamp = self.stamp;
        new
    }

    #[inline]
    pub(crate) fn has(&self, value: ValueId) -> bool {
        self.stamps.get(value.0 as usize) == Some(&self.stamp) && self.stamp != 0
    }
}

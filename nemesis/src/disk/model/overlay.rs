//! Damage that lies over a file without touching it: what is beneath comes back when it is healed.

use std::collections::{BTreeMap, BTreeSet};

use super::content::{BLOCK, Block, blocks_of};

/// The damage of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Blocks that read as something else, and by whose doing.
    blocks: BTreeMap<u64, (u64, Block)>,
    /// Bits that read inverted: byte in the file, bit in the byte.
    flips: BTreeSet<(u64, u8)>,
}

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.flips.is_empty()
    }

    /// Has a block read as something else, by the doing of a fault.
    pub(super) fn cover(&mut self, fault: u64, block: u64, as_if: Block) {
        self.blocks.insert(block, (fault, as_if));
    }

    pub(super) fn flip(&mut self, byte: u64, bit: u8) {
        // Twice is not at all.
        if !self.flips.insert((byte, bit)) {
            self.flips.remove(&(byte, bit));
        }
    }

    /// What was written is whole.
    pub(super) fn overwritten(&mut self, offset: u64, len: u64) {
        if self.is_empty() {
            return;
        }
        for block in blocks_of(offset, len) {
            self.blocks.remove(&block);
        }
        self.flips.retain(|(byte, _)| !(offset..offset.saturating_add(len)).contains(byte));
    }

    /// Takes away what other faults than these did.
    pub(super) fn retain(&mut self, faults: &BTreeSet<u64>) -> bool {
        let before = self.blocks.len();
        self.blocks.retain(|_, (fault, _)| faults.contains(fault));
        before != self.blocks.len()
    }

    /// Takes away the flipped bits. Returns how many there were.
    pub(super) fn unflip(&mut self) -> usize {
        std::mem::take(&mut self.flips).len()
    }

    /// Damages what was read from `offset`.
    pub(super) fn apply(&self, offset: u64, data: &mut [u8]) {
        let end = offset + data.len() as u64;
        for (block, (_, as_if)) in self.blocks.range(offset / BLOCK..end.div_ceil(BLOCK)) {
            let (from, to) = (offset.max(block * BLOCK), end.min((block + 1) * BLOCK));
            let source = &as_if[(from % BLOCK) as usize..][..(to - from) as usize];
            data[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
        }
        for (byte, bit) in self.flips.range((offset, 0)..(end, 0)) {
            data[(byte - offset) as usize] ^= 1 << bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_shows_until_it_is_overwritten_or_healed() {
        let mut overlay = Overlay::default();
        overlay.cover(3, 1, Block::new([9; BLOCK as usize]));
        overlay.flip(10, 0);
        let read = |overlay: &Overlay| {
            let mut data = vec![0; 8192];
            overlay.apply(0, &mut data);
            (data[10], data[5000])
        };
        assert_eq!(read(&overlay), (1, 9));
        overlay.overwritten(0, 10);
        assert_eq!(read(&overlay), (1, 9));
        overlay.overwritten(10, 1);
        assert_eq!(read(&overlay), (0, 9));
        overlay.retain(&BTreeSet::from([4]));
        assert_eq!(read(&overlay), (0, 0));
    }
}

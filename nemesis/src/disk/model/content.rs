//! The bytes of a file: a size, and blocks of 4 KiB that are shared until they are written to.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a block: the page of the kernel, and the unit that a file system allocates.
pub const BLOCK: u64 = 4096;

/// One block, shared between the live file, the durable one and snapshots.
pub type Block = Arc<[u8; BLOCK as usize]>;

/// Contents of one file. A block that is not there is a hole and reads as zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    size: u64,
    blocks: BTreeMap<u64, Block>,
}

/// One block's share of a range: which block, where in it, how long.
struct Piece {
    block: u64,
    at: usize,
    len: usize,
}

impl Content {
    /// Bytes, holes included.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Blocks that are allocated.
    pub fn block_count(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// A block, unless it is a hole.
    pub fn block(&self, block: u64) -> Option<&Block> {
        self.blocks.get(&block)
    }

    /// How many blocks a write to this range would allocate.
    pub fn missing(&self, offset: u64, len: u64) -> u64 {
        if len == 0 {
            return 0;
        }
        let (first, last) = (offset / BLOCK, (offset + len - 1) / BLOCK);
        last - first + 1 - self.blocks.range(first..=last).count() as u64
    }

    /// What is there; shorter than `len` at the end of the file.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let len = (len as u64).min(self.size.saturating_sub(offset));
        let mut data = vec![0; len as usize];
        let mut done = 0;
        for piece in pieces(offset, len) {
            if let Some(block) = self.blocks.get(&piece.block) {
                data[done..done + piece.len].copy_from_slice(&block[piece.at..piece.at + piece.len]);
            }
            done += piece.len;
        }
        data
    }

    /// Writes, growing the file if need be.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let mut rest = data;
        for piece in pieces(offset, data.len() as u64) {
            let (now, later) = rest.split_at(piece.len);
            self.write_piece(&piece, now);
            rest = later;
        }
        if !data.is_empty() {
            self.size = self.size.max(offset + data.len() as u64);
        }
    }

    fn write_piece(&mut self, piece: &Piece, data: &[u8]) {
        if let Ok(whole) = <&[u8; BLOCK as usize]>::try_from(data) {
            self.blocks.insert(piece.block, Arc::new(*whole));
            return;
        }
        let block = self.blocks.entry(piece.block).or_insert_with(zeros);
        Arc::make_mut(block)[piece.at..piece.at + piece.len].copy_from_slice(data);
    }

    /// Sets the size. What was cut off reads as zeros if the file grows again.
    pub fn truncate(&mut self, size: u64) {
        if size < self.size {
            drop(self.blocks.split_off(&size.div_ceil(BLOCK)));
            if let Some(block) = self.blocks.get_mut(&(size / BLOCK)) {
                Arc::make_mut(block)[(size % BLOCK) as usize..].fill(0);
            }
        }
        self.size = size;
    }

    /// Allocates blocks, which read as zeros where nothing was.
    pub fn allocate(&mut self, offset: u64, len: u64, keep_size: bool) {
        for piece in pieces(offset, len) {
            self.blocks.entry(piece.block).or_insert_with(zeros);
        }
        if !keep_size {
            self.size = self.size.max(offset + len);
        }
    }

    /// Makes it at least so large.
    pub fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Makes a hole. The size stays.
    pub fn punch(&mut self, offset: u64, len: u64) {
        for piece in pieces(offset, len.min(u64::MAX - offset)) {
            if piece.len == BLOCK as usize {
                self.blocks.remove(&piece.block);
            } else if let Some(block) = self.blocks.get_mut(&piece.block) {
                Arc::make_mut(block)[piece.at..piece.at + piece.len].fill(0);
            }
        }
    }

    /// Takes over a block, or a hole, of another version of the file.
    pub fn set_block(&mut self, block: u64, to: Option<Block>) {
        match to {
            Some(to) => self.blocks.insert(block, to),
            None => self.blocks.remove(&block),
        };
    }

    /// Where the next data at or after `offset` begins; none when there is only a hole until the end.
    pub fn next_data(&self, offset: u64) -> Option<u64> {
        let (block, _) = self.blocks.range(offset / BLOCK..).next()?;
        let at = offset.max(block * BLOCK);
        (at < self.size).then_some(at)
    }

    /// Where the next hole at or after `offset` begins: the end of the file at the latest; none behind the end.
    pub fn next_hole(&self, offset: u64) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let mut block = offset / BLOCK;
        for found in self.blocks.range(block..).map(|(found, _)| *found) {
            if found != block {
                break;
            }
            block += 1;
        }
        Some(offset.max(block * BLOCK).min(self.size))
    }

    /// Numbers of the allocated blocks.
    pub fn allocated(&self) -> impl Iterator<Item = u64> + '_ {
        self.blocks.keys().copied()
    }

    /// Numbers of the allocated blocks in a range of bytes.
    pub fn allocated_in(&self, offset: u64, len: u64) -> impl Iterator<Item = u64> + '_ {
        self.blocks.range(offset / BLOCK..offset.saturating_add(len).div_ceil(BLOCK)).map(|(block, _)| *block)
    }
}

/// The blocks that a range of bytes touches.
pub fn blocks_of(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / BLOCK..if len == 0 { offset / BLOCK } else { (offset + len).div_ceil(BLOCK) }
}

fn pieces(offset: u64, len: u64) -> impl Iterator<Item = Piece> {
    blocks_of(offset, len).map(move |block| {
        let begin = offset.max(block * BLOCK);
        let end = (offset + len).min((block + 1) * BLOCK);
        Piece { block, at: (begin % BLOCK) as usize, len: (end - begin) as usize }
    })
}

fn zeros() -> Block {
    static ZEROS: std::sync::OnceLock<Block> = std::sync::OnceLock::new();
    Arc::clone(ZEROS.get_or_init(|| Arc::new([0; BLOCK as usize])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut file = Content::default();
        file.write(4000, &[7; 200]);
        file.truncate(4050);
        file.truncate(5000);
        let data = file.read(3990, 5000);
        assert_eq!(data.len(), 1010);
        assert!(data.iter().enumerate().all(|(i, b)| *b == if (10..60).contains(&i) { 7 } else { 0 }));
    }

    #[test]
    fn holes_and_data_are_found() {
        let mut file = Content::default();
        file.write(2 * BLOCK + 5, b"x");
        file.truncate(10 * BLOCK);
        assert_eq!((file.next_data(0), file.next_hole(0)), (Some(2 * BLOCK), Some(0)));
        assert_eq!(file.next_hole(2 * BLOCK + 1), Some(3 * BLOCK));
        assert_eq!((file.next_data(3 * BLOCK), file.next_hole(10 * BLOCK)), (None, None));
        file.punch(2 * BLOCK, BLOCK);
        assert_eq!((file.next_data(0), file.block_count()), (None, 0));
    }

    #[test]
    fn a_copy_is_not_changed_by_later_writes() {
        let mut file = Content::default();
        file.write(0, &[1; 5000]);
        let copy = file.clone();
        file.write(10, &[2; 5000]);
        file.punch(0, 4096);
        assert_eq!(copy.read(0, 6000), vec![1; 5000]);
    }

    #[test]
    fn a_huge_sparse_file_costs_nothing() {
        let mut file = Content::default();
        file.truncate(1 << 50);
        file.write((1 << 50) - 1, b"e");
        file.punch(4096, 1 << 30);
        assert_eq!((file.block_count(), file.missing(0, 8192)), (1, 2));
    }
}

//! Lists of unequal length one behind the other, and rows that are taken and given back: the flat tables of this module.

/// For each of the numbers from 0 a list, all in one array.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy> Table<T> {
    /// Without lists.
    pub(crate) fn new() -> Self {
        Table { starts: vec![0], items: Vec::new() }
    }

    /// Adds an item to the list that [`Table::close`] will end.
    pub(crate) fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// Ends a list; what is pushed from now on belongs to the next one.
    pub(crate) fn close(&mut self) {
        self.starts.push(self.items.len() as u32);
    }

    /// Ends a list and sorts it.
    pub(crate) fn close_sorted(&mut self)
    where
        T: Ord,
    {
        let start = self.starts.last().map_or(0, |start| *start as usize);
        self.items[start..].sort_unstable();
        self.close();
    }

    /// Of the items pushed since `start`, keeps only the last.
    pub(crate) fn keep_last(&mut self, start: usize) {
        if self.items.len() > start + 1 {
            let last = self.items.len() - 1;
            self.items.swap(start, last);
            self.items.truncate(start + 1);
        }
    }

    /// From pairs of list and item, in the order given within each list.
    pub(crate) fn from_pairs(count: usize, pairs: impl Iterator<Item = (u32, T)> + Clone, empty: T) -> Self {
        let mut starts = vec![0u32; count + 1];
        for (list, _) in pairs.clone() {
            starts[list as usize + 1] += 1;
        }
        for list in 0..count {
            starts[list + 1] += starts[list];
        }
        let mut next = starts.clone();
        let mut items = vec![empty; starts[count] as usize];
        for (list, item) in pairs {
            let at = &mut next[list as usize];
            items[*at as usize] = item;
            *at += 1;
        }
        Table { starts, items }
    }

    /// A list.
    #[inline]
    pub(crate) fn of(&self, list: u32) -> &[T] {
        let list = list as usize;
        &self.items[self.starts[list] as usize..self.starts[list + 1] as usize]
    }

    /// A list, to be changed.
    pub(crate) fn of_mut(&mut self, list: u32) -> &mut [T] {
        let list = list as usize;
        &mut self.items[self.starts[list] as usize..self.starts[list + 1] as usize]
    }

    /// All items, list by list.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// How many lists there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// Rows of equal width, of which only those in use take room.
#[derive(Debug)]
pub(crate) struct Rows {
    width: usize,
    cells: Vec<u32>,
    /// How often each row is held.
    held: Vec<u32>,
    free: Vec<u32>,
}

impl Rows {
    /// Without rows.
    pub(crate) fn new(width: usize) -> Self {
        Rows { width, cells: Vec::new(), held: Vec::new(), free: Vec::new() }
    }

    /// A new row with these cells, held once.
    pub(crate) fn take(&mut self, cells: &[u32]) -> u32 {
        let row = self.spare();
        self.of_mut(row).copy_from_slice(cells);
        row
    }

    fn spare(&mut self) -> u32 {
        let row = self.free.pop().unwrap_or_else(|| {
            self.cells.resize(self.cells.len() + self.width, 0);
            self.held.push(0);
            self.held.len() as u32 - 1
        });
        self.held[row as usize] = 1;
        row
    }

    /// Holds a row once more.
    pub(crate) fn hold(&mut self, row: u32) {
        self.held[row as usize] += 1;
    }

    /// Holds a row once less; one that nobody holds is used again.
    pub(crate) fn release(&mut self, row: u32) {
        let held = &mut self.held[row as usize];
        *held -= 1;
        if *held == 0 {
            self.free.push(row);
        }
    }

    /// The cells of a row.
    #[inline]
    pub(crate) fn of(&self, row: u32) -> &[u32] {
        let start = row as usize * self.width;
        &self.cells[start..start + self.width]
    }

    /// The cells of a row, to be changed.
    #[inline]
    pub(crate) fn of_mut(&mut self, row: u32) -> &mut [u32] {
        let start = row as usize * self.width;
        &mut self.cells[start..start + self.width]
    }

    /// A new row of zeros, held once.
    pub(crate) fn take_zeros(&mut self) -> u32 {
        let row = self.spare();
        self.of_mut(row).fill(0);
        row
    }

    /// How many bytes all rows take, used or not.
    pub(crate) fn bytes(&self) -> u64 {
        self.cells.len() as u64 * 4
    }
}

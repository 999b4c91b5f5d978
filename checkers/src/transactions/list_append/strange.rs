//! Reads that contradict the order of their list, and updates that were lost.

use histories::{KeyId, ValueId};

use super::orders::{Lists, NONE};
use super::reads::{Reads, Strange};
use super::words::Words;
use crate::analysis::Found;
use crate::graphs::Relations;
use crate::models::AnomalyType;
use crate::transactions::edges::Edges;
use crate::transactions::reading::Row;

/// Which append each element of one strange read comes from.
struct Seen {
    key: KeyId,
    appends: Vec<Option<u32>>,
}

/// Finds the appends of the elements of strange reads, which are sorted by list.
fn look_up(lists: &mut Lists<'_, '_>, strange: &[Strange<'_>]) -> Vec<Seen> {
    let mut seen = Vec::with_capacity(strange.len());
    for of_key in strange.chunk_by(|a, b| a.key == b.key) {
        let list = of_key[0].key.0 as usize;
        lists.index(list);
        for read in of_key {
            let appends = read.read.iter().map(|v| lists.append_of(list, *v)).collect();
            seen.push(Seen { key: read.key, appends });
        }
    }
    seen
}

/// What strange reads are worth: all that can be said without an order.
pub(super) fn judge(
    lists: &mut Lists<'_, '_>,
    mut strange: Vec<Strange<'_>>,
    edges: Edges,
    found: &mut Found,
) -> Edges {
    strange.sort_unstable();
    let seen = look_up(lists, &strange);
    let mut reads = Reads::new(lists, found);
    reads.edges = edges;
    for (read, seen) in strange.iter().zip(&seen) {
        reads.strange_read(read, seen);
    }
    strange.dedup_by_key(|s| (s.key, s.read));
    let words = Words(lists);
    for read in &strange {
        reads.found.add(AnomalyType::IncompatibleOrder, || words.incompatible(read.row, read.key, read.read));
    }
    reads.edges
}

impl Reads<'_, '_, '_> {
    fn strange_read(&mut self, strange: &Strange<'_>, seen: &Seen) {
        let Strange { key, read, row } = *strange;
        for (value, append) in read.iter().zip(&seen.appends) {
            match append {
                None => self.unknown(row, key, read, *value),
                Some(append) => self.aborted(row, key, read, *append),
            }
        }
        self.repeats(strange, seen);
        let last = seen.appends.last().copied().flatten();
        if let Some(append) = last.filter(|a| !self.lists.is_ambiguous(*a)) {
            self.last_of_strange(strange, append);
        }
    }

    fn repeats(&mut self, strange: &Strange<'_>, seen: &Seen) {
        let mut appends: Vec<u32> =
            seen.appends.iter().flatten().copied().filter(|a| !self.lists.is_ambiguous(*a)).collect();
        appends.sort_unstable();
        let Some(twice) = appends.windows(2).find(|w| w[0] == w[1]) else { return };
        let (value, words) = (self.lists.values[twice[0] as usize], Words(self.lists));
        self.found.add(AnomalyType::DuplicateElements, || words.duplicate(strange.row, seen.key, strange.read, value));
    }

    /// The last element still says what was read, and what came after it.
    fn last_of_strange(&mut self, strange: &Strange<'_>, append: u32) {
        let Strange { key, read, row } = *strange;
        let (list, writer) = (key.0 as usize, self.lists.rows[append as usize]);
        if self.lists.txns.is_failed(writer) {
            return;
        }
        self.depends(row, key, read, writer, self.is_intermediate_of(strange, append));
        let position = self.lists.positions[append as usize];
        if position == NONE || writer == row {
            return;
        }
        let next = self.lists.next_writer(list, position as usize + 1);
        if let Some((_, writer)) = next.filter(|(next, _)| !read.contains(&self.lists.order(list)[*next])) {
            self.edges.push(row, writer, Relations::RW);
        }
    }

    /// Whether a strange read ends with an append to which its transaction added one that is not in the read. If it is,
    /// the list is torn, and no version between the two was seen.
    fn is_intermediate_of(&self, strange: &Strange<'_>, append: u32) -> bool {
        let (lists, list) = (self.lists, strange.key.0 as usize);
        let row = lists.rows[append as usize];
        let of_list = lists.appends.range(list);
        let last = (append as usize..of_list.end).take_while(|a| lists.rows[*a] == row).last();
        let seen = last.is_some_and(|last| strange.read.contains(&lists.values[last]));
        lists.is_intermediate(list, append) && !seen
    }
}

/// Tells of updates by several transactions of the same version of a list.
pub(super) fn lost_updates(
    lists: &Lists<'_, '_>,
    mut updates: Vec<(KeyId, u32, Row)>,
    mut strange: Vec<Strange<'_>>,
    found: &mut Found,
) {
    let words = Words(lists);
    updates.sort_unstable();
    for same in updates.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|same| same.len() > 1) {
        let rows: Vec<Row> = same.iter().map(|(.., row)| *row).collect();
        let read: &[ValueId] = &lists.order(same[0].0.0 as usize)[..same[0].1 as usize];
        found.add(AnomalyType::LostUpdate, || words.lost_update(same[0].0, read, &rows));
    }
    strange.sort_unstable();
    for same in strange.chunk_by(|a, b| (a.key, a.read) == (b.key, b.read)).filter(|same| same.len() > 1) {
        let rows: Vec<Row> = same.iter().map(|s| s.row).collect();
        found.add(AnomalyType::LostUpdate, || words.lost_update(same[0].key, same[0].read, &rows));
    }
}

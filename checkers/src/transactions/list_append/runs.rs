//! Several appends of one transaction to one list: only the last of them is a version for others to read.

use super::orders::{INTERMEDIATE, Lists, NONE};

impl Lists<'_, '_> {
    /// Marks the elements of a list that their transactions appended something behind: in a later step, or by the order
    /// of the list.
    pub(super) fn mark_intermediate(&mut self, key: usize) {
        let range = self.appends.range(key);
        if self.rows[range.clone()].windows(2).all(|w| w[0] != w[1]) {
            return;
        }
        let (mut start, end) = (range.start, range.end);
        while start < end {
            let row = self.rows[start];
            let others = self.rows[start..end].iter().position(|r| *r != row);
            let run = start..others.map_or(end, |length| start + length);
            start = run.end;
            self.note_reversed(run.clone());
            self.mark_run(key, run);
        }
    }

    /// As above, for the appends of one transaction.
    fn mark_run(&mut self, key: usize, appends: std::ops::Range<usize>) {
        let last = appends.clone().filter(|a| !self.ambiguous[*a]).map(|a| self.positions[a]).max();
        for append in appends.clone() {
            let position = self.positions[append];
            let at = self.lists[key].place.wrapping_add(position) as usize;
            let behind = append + 1 < appends.end || last.is_some_and(|last| position < last);
            if position != NONE && behind && self.places[at].writer != NONE {
                self.places[at].writer |= INTERMEDIATE;
            }
        }
    }

    fn note_reversed(&mut self, appends: std::ops::Range<usize>) {
        let known = |a: &usize| !self.ambiguous[*a] && !self.txns.is_failed(self.rows[*a]);
        let known: Vec<usize> = appends.filter(known).collect();
        let reversed = known.windows(2).find(|w| self.positions[w[0]] > self.positions[w[1]]);
        self.reversed.extend(reversed.map(|w| (w[0] as u32, w[1] as u32)));
    }

    /// Whether its transaction appended to the list again, of an append that was found in a list that has no place in
    /// the order.
    pub(super) fn is_intermediate(&self, key: usize, append: u32) -> bool {
        let again = append as usize + 1;
        let later = self.appends.range(key).contains(&again) && self.rows[again] == self.rows[append as usize];
        let position = self.positions[append as usize];
        later || position != NONE && self.place(key, position as usize).is_intermediate()
    }
}

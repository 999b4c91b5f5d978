//! The order of the elements of each list, and who appended them.
//!
//! The order of a list is its longest read; where reads contradict one another, the first of the longest. Element ids
//! are dense, so the append of an element is found without hashing: one table over all values is used for one list
//! after the other, and an entry counts only if it points to an append of that value among the appends of that list.

use histories::{History, KeyId, MicroFunction, MicroOp, Payload, ValueId};

use crate::budget::{Exhausted, Meter};
use crate::transactions::groups::Groups;
use crate::transactions::reading::{Row, Transactions};

/// No transaction, no append, no position.
pub(super) const NONE: u32 = u32::MAX;

/// Bit of [`Place::writer`]: its transaction appended to the list again.
pub(super) const INTERMEDIATE: u32 = 1 << 31;

/// What is known of one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    /// Where its longest read stands in the history's arena of elements.
    start: u32,
    /// How many elements that has.
    pub(super) len: u32,
    /// Who read it.
    pub(super) reader: Row,
    /// Its first place.
    pub(super) place: u32,
    /// The position of the first element that failed, or that nobody appended, or that was there already.
    pub(super) odd: u32,
    /// Its appends that no read shows, in [`Lists::unread`].
    pub(super) unread: (u32, u32),
    /// Whether something is done to it that is not done to lists.
    pub(super) spoiled: bool,
}

/// What is known of one position in the order of a list. There is one more behind the last element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Whose append this is, if it took effect and only one can be meant; else [`NONE`].
    pub(super) writer: u32,
    /// The writer of this place, or of the first one behind it that has one.
    pub(super) next: u32,
}

impl Place {
    pub(super) fn writer(self) -> Option<Row> {
        (self.writer != NONE).then_some(self.writer & !INTERMEDIATE)
    }

    pub(super) fn is_intermediate(self) -> bool {
        self.writer != NONE && self.writer & INTERMEDIATE != 0
    }
}

/// Where the element at a position comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From this append.
    Append(u32),
    /// From nowhere: nobody appended it.
    Nobody,
    /// It was appended once, and is there already.
    Again,
    /// It was appended several times, and is there already.
    Perhaps,
}

/// See the [module](self).
pub(super) struct Lists<'t, 'h> {
    pub(super) txns: &'t Transactions<'h>,
    /// By key.
    pub(super) lists: Vec<List>,
    /// The appends of each list, in the order of their rows.
    pub(super) appends: Groups,
    /// For each append its element.
    pub(super) values: Vec<ValueId>,
    /// For each append whose it is.
    pub(super) rows: Vec<Row>,
    /// For each append where its element stands in the order of the list, or [`NONE`].
    pub(super) positions: Vec<u32>,
    /// Appends of elements that several appends may have put there.
    pub(super) ambiguous: Vec<bool>,
    /// For each value an append of it, to some list.
    slots: Vec<u32>,
    pub(super) places: Vec<Place>,
    /// For each place where its element comes from.
    origins: Vec<Origin>,
    /// Appends that no read shows, of transactions that happened, list by list.
    pub(super) unread: Vec<u32>,
    /// For each transaction that may have happened whether something that it appended was read.
    observed: Vec<bool>,
    /// Appends of one transaction to one list, in the order of its steps, of which the second stands before the first,
    /// or without it.
    pub(super) reversed: Vec<(u32, u32)>,
    /// Elements that several transactions may have appended, in order.
    pub(super) repeated: Vec<(KeyId, ValueId)>,
}

/// The answer of a read of a list; `None` where it is not known, or no list.
#[inline]
pub(super) fn elements(history: &History, read: Payload) -> Option<&[ValueId]> {
    match read {
        Payload::List { .. } => Some(history.list(read)),
        Payload::Value(ValueId::NULL) => Some(&[]),
        _ => None,
    }
}

/// Whether a read is one of a list, answered or not.
pub(super) fn is_list_read(read: Payload) -> bool {
    matches!(read, Payload::List { .. } | Payload::Unknown | Payload::Value(ValueId::NULL))
}

/// Whether both lists are the same. Without a way out early, so that the compiler can take many elements at once.
#[inline]
pub(super) fn same(a: &[ValueId], b: &[ValueId]) -> bool {
    let differ = |(a, b): (&[ValueId], &[ValueId])| a.iter().zip(b).fold(0, |d, (x, y)| d | (x.0 ^ y.0)) != 0;
    a.len() == b.len() && !a.chunks(64).zip(b.chunks(64)).any(differ)
}

impl<'t, 'h> Lists<'t, 'h> {
    /// What the transactions say about each list.
    pub(super) fn new(txns: &'t Transactions<'h>, meter: &Meter<'_>) -> Result<Self, Exhausted> {
        let mut lists = Lists::empty(txns);
        lists.survey(meter)?;
        lists.lay_out();
        (0..lists.lists.len()).for_each(|key| lists.resolve(key));
        lists.repeated.sort_unstable();
        meter.spend(lists.places.len() as u64)?;
        (0..lists.lists.len()).for_each(|key| lists.gather_unread(key));
        Ok(lists)
    }

    fn empty(txns: &'t Transactions<'h>) -> Self {
        let history = txns.history;
        let list = List { start: 0, len: 0, reader: NONE, place: 0, odd: NONE, unread: (0, 0), spoiled: false };
        Lists {
            txns,
            lists: vec![list; history.key_count()],
            appends: Groups::default(),
            values: Vec::new(),
            rows: Vec::new(),
            positions: Vec::new(),
            ambiguous: Vec::new(),
            slots: vec![NONE; history.value_count()],
            places: Vec::new(),
            origins: Vec::new(),
            unread: Vec::new(),
            observed: vec![false; (txns.node_count - txns.ok_count) as usize],
            reversed: Vec::new(),
            repeated: Vec::new(),
        }
    }

    /// Finds the longest reads, and groups the appends.
    fn survey(&mut self, meter: &Meter<'_>) -> Result<(), Exhausted> {
        let txns = self.txns;
        let mut counts = vec![0; self.lists.len()];
        let mut log = Vec::with_capacity(txns.len() as usize);
        for row in 0..txns.len() {
            for step in txns.steps(row) {
                match (step.f, step.value) {
                    (MicroFunction::Append, Payload::Value(value)) => {
                        counts[step.key.0 as usize] += 1;
                        log.push((step.key, value, row));
                    }
                    (MicroFunction::Read, _) if !txns.is_ok(row) => {}
                    (MicroFunction::Read, value) => self.lists[step.key.0 as usize].see(row, value),
                    _ => self.lists[step.key.0 as usize].spoiled = true,
                }
            }
        }
        for key in &txns.foreign {
            self.lists[key.0 as usize].spoiled = true;
        }
        meter.spend(u64::from(txns.len()))?;
        self.group(counts, &log);
        Ok(())
    }

    fn group(&mut self, counts: Vec<u32>, log: &[(KeyId, ValueId, Row)]) {
        self.appends = Groups::of_sizes(counts);
        let mut cursors = self.appends.cursors();
        self.values = vec![ValueId(0); log.len()];
        self.rows = vec![0; log.len()];
        for (key, value, row) in log {
            let cursor = &mut cursors[key.0 as usize];
            self.values[*cursor as usize] = *value;
            self.rows[*cursor as usize] = *row;
            *cursor += 1;
        }
        self.positions = vec![NONE; log.len()];
        self.ambiguous = vec![false; log.len()];
    }

    /// Gives each list its places.
    fn lay_out(&mut self) {
        let mut place = 0;
        for list in &mut self.lists {
            list.place = place;
            place += list.len + 1;
        }
        self.places = vec![Place { writer: NONE, next: NONE }; place as usize];
        self.origins = vec![Origin::Nobody; place as usize];
    }

    /// Finds whose the elements of one list are.
    fn resolve(&mut self, key: usize) {
        self.index(key);
        let List { place, len, .. } = self.lists[key];
        for position in 0..len {
            let value = self.order(key)[position as usize];
            let origin = self.origin(key, value);
            let mut fine = false;
            if let Origin::Append(append) = origin {
                fine = !self.txns.is_failed(self.rows[append as usize]);
                self.positions[append as usize] = position;
                self.places[(place + position) as usize].writer = self.writer(append);
            }
            self.origins[(place + position) as usize] = origin;
            if !fine && self.lists[key].odd == NONE {
                self.lists[key].odd = position;
            }
        }
        self.mark_intermediate(key);
        let mut next = NONE;
        for at in self.places[place as usize..(place + len) as usize].iter_mut().rev() {
            next = at.writer().unwrap_or(next);
            at.next = next;
        }
    }

    /// Where an element comes from whose list is resolved up to it.
    fn origin(&self, key: usize, value: ValueId) -> Origin {
        match self.append_of(key, value) {
            None => Origin::Nobody,
            Some(append) if self.positions[append as usize] == NONE => Origin::Append(append),
            Some(append) if self.ambiguous[append as usize] => Origin::Perhaps,
            Some(_) => Origin::Again,
        }
    }

    /// Enters the appends of a list into the slots. Where an element was appended more than once, the failed ones do
    /// not count, unless there are only failed ones.
    pub(super) fn index(&mut self, key: usize) {
        for append in self.appends.range(key) {
            let value = self.values[append];
            match self.append_of_before(key, value, append as u32) {
                None => self.slots[value.0 as usize] = append as u32,
                Some(_) if self.txns.is_failed(self.rows[append]) => {}
                Some(other) if self.txns.is_failed(self.rows[other as usize]) => {
                    self.slots[value.0 as usize] = append as u32;
                }
                Some(other) => self.repeat(key, other, value),
            }
        }
    }

    fn repeat(&mut self, key: usize, append: u32, value: ValueId) {
        if !std::mem::replace(&mut self.ambiguous[append as usize], true) {
            self.repeated.push((KeyId(key as u32), value));
        }
    }

    /// The append of an element, after [`Lists::index`].
    pub(super) fn append_of(&self, key: usize, value: ValueId) -> Option<u32> {
        self.append_of_before(key, value, self.appends.range(key).end as u32)
    }

    fn append_of_before(&self, key: usize, value: ValueId, end: u32) -> Option<u32> {
        let append = self.slots[value.0 as usize];
        let here = (self.appends.start(key)..end).contains(&append) && self.values[append as usize] == value;
        here.then_some(append)
    }

    /// Whether nobody can tell which of several appends put this element there.
    pub(super) fn is_ambiguous(&self, append: u32) -> bool {
        self.ambiguous[append as usize]
    }

    fn writer(&mut self, append: u32) -> u32 {
        let row = self.rows[append as usize];
        if self.txns.is_failed(row) || self.ambiguous[append as usize] {
            return NONE;
        }
        if !self.txns.is_ok(row) {
            self.observed[(row - self.txns.ok_count) as usize] = true;
        }
        row
    }

    /// Collects the appends of a list that happened and that no read shows.
    fn gather_unread(&mut self, key: usize) {
        let start = self.unread.len() as u32;
        for append in self.appends.range(key) {
            let unread = self.positions[append] == NONE && !self.lists[key].spoiled;
            let row = self.rows[append];
            if unread && self.happened(row) && !self.is_appended_twice(KeyId(key as u32), self.values[append]) {
                self.unread.push(append as u32);
            }
        }
        self.lists[key].unread = (start, self.unread.len() as u32);
    }

    /// Whether several transactions that may have happened appended an element, or one did so twice.
    pub(super) fn is_appended_twice(&self, key: KeyId, value: ValueId) -> bool {
        self.repeated.binary_search(&(key, value)).is_ok()
    }

    /// Whether a transaction happened: it was acknowledged, or something that it appended was read.
    pub(super) fn happened(&self, row: Row) -> bool {
        self.txns.is_ok(row) || !self.txns.is_failed(row) && self.observed[(row - self.txns.ok_count) as usize]
    }

    /// The longest read of a list.
    pub(super) fn order(&self, key: usize) -> &'h [ValueId] {
        let List { start, len, .. } = self.lists[key];
        self.txns.history.list(Payload::List { start, len })
    }

    /// Whether a list read is what the order of its key begins with.
    #[inline]
    pub(super) fn is_prefix(&self, key: usize, read: &[ValueId]) -> bool {
        let order = self.order(key);
        read.len() <= order.len() && same(read, &order[..read.len()])
    }

    /// The place of a position, up to the one behind the last element.
    #[inline]
    pub(super) fn place(&self, key: usize, position: usize) -> Place {
        self.places[self.lists[key].place as usize + position]
    }

    /// The first position from here on whose writer is known, and who that is.
    pub(super) fn next_writer(&self, key: usize, position: usize) -> Option<(usize, Row)> {
        (position..self.lists[key].len as usize).find_map(|p| Some((p, self.place(key, p).writer()?)))
    }

    /// Where the element at a position comes from.
    pub(super) fn origin_at(&self, key: usize, position: usize) -> Origin {
        self.origins[self.lists[key].place as usize + position]
    }

    /// The appends of a list that no read shows.
    pub(super) fn unread(&self, key: usize) -> &[u32] {
        let (start, end) = self.lists[key].unread;
        &self.unread[start as usize..end as usize]
    }

    /// Whether a step is one that lists have, on a list that is judged.
    #[inline]
    pub(super) fn judges(&self, step: &MicroOp) -> bool {
        !self.lists[step.key.0 as usize].spoiled
    }
}

impl List {
    /// Takes in a read.
    #[inline]
    fn see(&mut self, row: Row, read: Payload) {
        match read {
            Payload::List { start, len } if len > self.len || self.reader == NONE => {
                (self.start, self.len, self.reader) = (start, len, row);
            }
            _ => self.spoiled |= !is_list_read(read),
        }
    }

    /// Whether it was ever read as a list.
    pub(super) fn is_read(&self) -> bool {
        self.reader != NONE
    }
}

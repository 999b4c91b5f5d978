//! Priority queues: what comes out is the largest of what is inside.
//!
//! Items are whole numbers, and a larger number has a higher priority. A history whose items are all different is
//! linearizable iff nothing is wrong with single items and every dequeue has a moment at which nothing
//! larger need be inside (Bouajjani, Enea and Wang, *Checking linearizability of concurrent priority queues*, CONCUR
//! 2017, by way of automata; with intervals as here it is Abdulla et al., *Efficient linearizability monitoring*,
//! 2025). An empty answer is a dequeue of something smaller than every item.
//!
//! ```text
//! ex1 ex5  0<dx  1<dx 1>dx5  0>dx1         5 |----|            1 has a moment after 5 is gone: valid
//!                                         dx1  |------|
//! ex1 ex5  0:dx1  1:dx5                    5 |----------|
//!                                         dx1    |--|          5 is inside all the while: not valid
//! ```
//!
//! # Why that is enough
//! Go from the largest item to the smallest. Each takes the *first* moment of its dequeue that is free, and is put in
//! as late as possible: when its enqueue ends, or immediately before that moment if this is earlier. Then it is inside
//! from the end of its enqueue to the beginning of its dequeue, when it must be, and beyond that only while something
//! larger is inside, since otherwise an earlier moment would have been free. So the moments at which a smaller item
//! cannot be taken are those at which something larger *must* be inside, and the choice for one item never harms
//! another.
//!
//! # How
//! The moments are the gaps between events. A table leads from every gap to the next one that nothing yet looked at
//! covers, by union-find, and each gap is covered once: after sorting the items this is almost linear.
//!
//! # Takes of unknown outcome
//! A dequeue that was not answered may have taken the largest item of its moment, or nothing. Which one is a choice
//! that may matter to others; how it is made is the subject of `assign`.
//!
//! # Decided
//! Items that are no whole numbers have no priority that this module knows: a doubt. `null` is the answer of an empty
//! queue.

use histories::{History, Scalar, ValueId};

use super::assign::{Blame, Dues, Past, Settled, settle};
use super::cover::cover;
use super::items::{Contents, Item, contents, of_queue};
use super::journal::{Journal, NEVER, Slots, judge};
use super::{repeats, words};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Meter};
use crate::finding::Anomaly;
use crate::models::AnomalyType;

/// Looks at priority queues: `enqueue` and `dequeue` of whole numbers, the larger the earlier.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, of_queue, judge_key)
}

fn judge_key(journal: &Journal<'_>, slots: &mut Slots, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let contents = contents(journal, slots, &mut found);
    if contents.repeated.is_some() {
        return repeats::judge(repeats::Kind::Priority, journal, &contents, budget, found);
    }
    let Some(ranks) = ranks(journal, &contents, &mut found) else { return found };
    if !contents.drains.is_empty() {
        found.doubts.push("the order in which a drain takes out its items was not judged.".to_owned());
    }
    let look = |items: &[Item]| victims(&contents, items, &ranks);
    let blame = |victim: &Victim, items: &[Item]| blame(&contents, items, &ranks, victim);
    match settle(&contents, &Meter::new(budget), look, blame, || due(&contents, &ranks)) {
        Settled::Linearizable => {}
        Settled::Not(items, victims) => {
            tell(journal, &contents, &items, &ranks, &victims, &mut found);
        }
        Settled::Exhausted(victims, grounds) => {
            let mut first = Found::default();
            tell(journal, &contents, &contents.items, &ranks, &victims[..1], &mut first);
            words::every_way(journal, &contents, first, &grounds, &mut found);
        }
        Settled::Undecided(why) => found.doubts.push(words::undecided(journal, &why)),
    }
    found
}

/// The items from the largest to the smallest.
struct Ranks {
    /// Indices of items.
    order: Vec<u32>,
    /// The place of each item in that order.
    place: Vec<u32>,
}

fn ranks(journal: &Journal<'_>, contents: &Contents, found: &mut Found) -> Option<Ranks> {
    let mut keyed = Vec::with_capacity(contents.items.len());
    for (i, item) in contents.items.iter().enumerate() {
        let Scalar::Int(priority) = journal.history.value(ValueId(item.value)) else {
            let (put, value) = (words::number(journal, item.put_call), words::value(journal, item.value));
            found.doubts.push(format!("{put} enqueued {value}, which is no whole number and has no priority."));
            return None;
        };
        keyed.push((*priority, i as u32));
    }
    keyed.sort_unstable_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    let order: Vec<u32> = keyed.into_iter().map(|(_, i)| i).collect();
    let mut place = vec![0; order.len()];
    for (rank, i) in order.iter().enumerate() {
        place[*i as usize] = rank as u32;
    }
    Some(Ranks { order, place })
}

/// Who had no moment.
enum Victim {
    /// The dequeue of this item.
    Take(usize),
    /// This empty answer.
    Empty(usize),
}

/// All dequeues without a moment.
fn victims(contents: &Contents, items: &[Item], ranks: &Ranks) -> Vec<Victim> {
    let mut gaps = Gaps((0..=contents.end).collect());
    let mut victims = Vec::new();
    for &i in &ranks.order {
        let item = &items[i as usize];
        if item.taken() && gaps.free(item.take_call.max(item.put_call)) >= item.take_ret {
            victims.push(Victim::Take(i as usize));
        }
        if item.stays() {
            gaps.cover(item.put_ret, item.take_call.min(contents.end));
        }
    }
    let empties = (0..).zip(&contents.empties).filter(|(_, empty)| gaps.free(empty.call) >= empty.ret);
    victims.extend(empties.map(|(i, _)| Victim::Empty(i)));
    victims
}

/// For each gap, one that is not before it, and before which there is none that is free.
struct Gaps(Vec<u32>);

impl Gaps {
    /// The first gap from this one on that is free.
    fn free(&mut self, from: u32) -> u32 {
        let mut gap = from;
        while self.0[gap as usize] != gap {
            let next = self.0[gap as usize];
            self.0[gap as usize] = self.0[next as usize];
            gap = self.0[gap as usize];
        }
        gap
    }

    /// Covers the gaps from one up to, but not including, another.
    fn cover(&mut self, from: u32, to: u32) {
        let mut gap = self.free(from);
        while gap < to {
            self.0[gap as usize] = to;
            gap = self.free(gap + 1);
        }
    }
}

/// The items of which one larger is always inside.
fn proof(contents: &Contents, items: &[Item], ranks: &Ranks, victim: &Victim) -> Vec<Item> {
    let (below, from, to) = match victim {
        Victim::Take(i) => {
            let item = &items[*i];
            (ranks.place[*i] as usize, item.take_call.max(item.put_call), item.take_ret)
        }
        Victim::Empty(i) => (items.len(), contents.empties[*i].call, contents.empties[*i].ret),
    };
    let larger = ranks.order[..below].iter().map(|i| items[*i as usize]);
    cover(larger, from, to).unwrap_or_default()
}

fn blame(contents: &Contents, items: &[Item], ranks: &Ranks, victim: &Victim) -> Blame {
    let mut values: Vec<u32> = proof(contents, items, ranks, victim).into_iter().map(|item| item.value).collect();
    match victim {
        Victim::Take(i) => {
            values.push(items[*i].value);
            Blame { values, empty: None, until: items[*i].take_ret }
        }
        Victim::Empty(i) => Blame { values, empty: Some(*i), until: contents.empties[*i].ret },
    }
}

/// When the items must have left that nobody is known to have taken: by the end of the first take of something smaller,
/// or of nothing, that begins after they went in.
fn due(contents: &Contents, ranks: &Ranks) -> Vec<(u32, usize)> {
    let mut dues = Dues::new(contents.end);
    contents.empties.iter().for_each(|empty| dues.add(Past { call: empty.call, ret: empty.ret }));
    let mut due = Vec::new();
    for &i in ranks.order.iter().rev() {
        let item = &contents.items[i as usize];
        match item.taken() {
            true => dues.add(Past { call: item.take_call, ret: item.take_ret }),
            false => due.push((dues.due(item.put_ret), i as usize)),
        }
    }
    due.retain(|(due, _)| *due != NEVER);
    due
}

fn tell(
    journal: &Journal<'_>,
    contents: &Contents,
    items: &[Item],
    ranks: &Ranks,
    victims: &[Victim],
    found: &mut Found,
) {
    let mut empties = Vec::new();
    for victim in victims {
        match victim {
            Victim::Take(i) => found.add(AnomalyType::Nonlinearizable, || {
                passed_over(journal, &items[*i], &proof(contents, items, ranks, victim))
            }),
            Victim::Empty(i) => empties.push(*i),
        }
    }
    words::never_empty(journal, contents, items, &empties, found);
}

fn passed_over(journal: &Journal<'_>, taken: &Item, cover: &[Item]) -> Anomaly {
    let reasons: Vec<String> = cover.iter().map(|item| words::inside(journal, item)).collect();
    let when = match taken.put_call > taken.take_call {
        true => {
            format!("at every moment of it, once {} had begun to put that in,", words::number(journal, taken.put_call))
        }
        false => "at every moment of it".to_owned(),
    };
    let why = format!(
        "{}, but {when} something larger was inside, which goes first: {}.",
        words::told(journal, taken.take_call),
        words::list(&reasons)
    );
    let calls = cover.iter().flat_map(words::calls).chain([taken.put_call, taken.take_call]).collect();
    words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
}

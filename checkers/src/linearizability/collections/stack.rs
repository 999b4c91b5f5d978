//! Stacks: last in, first out.
//!
//! # The criterion
//! An item stays from the end of its push to the beginning of its pop. Where the stays of
//! items overlap, one after the other, there is a *stretch* of time in which the stack cannot be empty: from the end of
//! the first push to the beginning of the last pop in it. All that while one and the same item lies at the bottom,
//! because the bottom changes only where the stack is empty. So its push began before the stretch and its pop ended
//! after it. Take that item away: the rest falls into shorter stretches, and the same is true of each of them.
//!
//! ```text
//! px1 px2  0<ox 1<ox 1>ox1 0>ox2           px1 px2 ox1 ox2
//!
//! 1    |------|                            1    |-------|
//! 2          |----|      1 fits below 2    2          |-----|
//!      its pop ends after that of 2        stretch |--------|   the pop of 1 ends before it does,
//!      begins: valid                                            the push of 2 begins after it: not valid
//! ```
//!
//! # Why that is enough
//! Within a stretch everything can be brought to happen between the moment before its beginning and the moment after
//! its end: no push of it ends before, no pop of it begins after, and moving what is earlier or later there keeps its
//! order. Then an item that fits can be pushed first and popped last, and whatever lies on it does not notice. So *any*
//! item that fits will do, and nothing has to be tried twice. Stretches side by side do not know of each other. An item
//! that does not stay is pushed and popped in one moment that both its operations have, wherever that is. An empty
//! answer needs a moment outside of all stretches, as it does for [queues](super::queue).
//!
//! (The same problem is solved in quadratic time by Bouajjani, Emmi, Enea and Hamza's patterns for stacks and the
//! monitors of Grahn et al., PLDI 2025, and in O(n log n) by Lee and Mathur 2024 and Abdulla et al. 2025.)
//!
//! # How
//! Stays are numbers over time, and only where an end is followed by a beginning can they be least: these *valleys* are
//! the leaves of a tree that takes one off a range and tells which reach zero (`valleys`). The bottom of a stretch is
//! nearly always the item pushed first or the one popped last; if not, it is one of those whose push is under way when
//! the stretch begins, of which there are at most as many as there are clients. O(n log n), and memory in proportion to
//! n (`bottoms`).
//!
//! # Takes of unknown outcome
//! A pop that was not answered may have taken the top of its moment. Which item that was is a choice that may matter to
//! others; how it is made is the subject of `assign`.

mod bottoms;
mod reach;
mod valleys;

use histories::History;

use self::bottoms::Stretch;
use super::assign::{Blame, Dues, Past, Settled, settle};
use super::cover::{cover, without_moment};
use super::items::{Contents, Item, contents, of_stack};
use super::journal::{Journal, NEVER, Slots, judge};
use super::{repeats, words};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Meter};
use crate::finding::Anomaly;
use crate::models::AnomalyType;

/// Looks at stacks: `push` and `pop`.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, of_stack, judge_key)
}

fn judge_key(journal: &Journal<'_>, slots: &mut Slots, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let contents = contents(journal, slots, &mut found);
    if contents.repeated.is_some() {
        return repeats::judge(repeats::Kind::Stack, journal, &contents, budget, found);
    }
    let look = |items: &[Item]| proofs(&contents, items);
    let blame = |proof: &Proof, items: &[Item]| {
        let (rests_on, until) = proof.rests_on(&contents, items);
        let empty = if let Proof::NotEmpty(i) = proof { Some(*i) } else { None };
        Blame { values: rests_on.into_iter().map(|item| item.value).collect(), empty, until }
    };
    match settle(&contents, &Meter::new(budget), look, blame, || due(&contents)) {
        Settled::Linearizable => {}
        Settled::Not(items, proofs) => {
            tell(journal, &contents, &items, &proofs, &mut found);
        }
        Settled::Exhausted(proofs, grounds) => {
            let mut first = Found::default();
            tell(journal, &contents, &contents.items, &proofs[..1], &mut first);
            words::every_way(journal, &contents, first, &grounds, &mut found);
        }
        Settled::Undecided(why) => found.doubts.push(words::undecided(journal, &why)),
    }
    found
}

/// What is wrong.
enum Proof {
    /// A stretch in which nothing fits at the bottom.
    NoBottom(Stretch),
    /// An empty answer without a moment.
    NotEmpty(usize),
}

impl Proof {
    /// The items that alone would be wrong as well, and where the last moment is that matters to them.
    fn rests_on(&self, contents: &Contents, items: &[Item]) -> (Vec<Item>, u32) {
        match self {
            Proof::NoBottom(stretch) => (core(items, stretch), stretch.to),
            Proof::NotEmpty(i) => {
                let empty = &contents.empties[*i];
                (cover(items.iter().copied(), empty.call, empty.ret).unwrap_or_default(), empty.ret)
            }
        }
    }
}

/// When the items must have left that nobody is known to have popped: by the end of the first pop of something that was
/// pushed before them, or of nothing, that begins after they went in.
fn due(contents: &Contents) -> Vec<(u32, usize)> {
    let mut dues = Dues::new(contents.end);
    contents.empties.iter().for_each(|empty| dues.add(Past { call: empty.call, ret: empty.ret }));
    // A pop counts from where its push ends, for all pushes that begin later.
    let mut order: Vec<(u32, usize)> = Vec::with_capacity(contents.items.len());
    for (i, item) in contents.items.iter().enumerate() {
        order.push((if item.taken() { item.put_ret } else { item.put_call }, i));
    }
    order.sort_unstable();
    let mut due = Vec::new();
    for (_, i) in order {
        let item = &contents.items[i];
        match item.taken() {
            true if item.put_ret != NEVER => dues.add(Past { call: item.take_call, ret: item.take_ret }),
            true => {}
            false => due.push((dues.due(item.put_ret), i)),
        }
    }
    due.retain(|(due, _)| *due != NEVER);
    due
}

fn proofs(contents: &Contents, items: &[Item]) -> Vec<Proof> {
    let stretches = bottoms::without_bottom(items, contents.end);
    let mut proofs: Vec<Proof> = stretches.into_iter().map(Proof::NoBottom).collect();
    let wrong = without_moment(&contents.empties, items.iter().copied(), contents.end);
    proofs.extend(wrong.into_iter().map(Proof::NotEmpty));
    proofs
}

fn tell(journal: &Journal<'_>, contents: &Contents, items: &[Item], proofs: &[Proof], found: &mut Found) {
    let (mut empties, mut stretches) = (Vec::new(), Vec::new());
    for proof in proofs {
        match proof {
            Proof::NoBottom(stretch) => stretches.push(stretch),
            Proof::NotEmpty(i) => empties.push(*i),
        }
    }
    for stretch in stretches {
        found.add(AnomalyType::Nonlinearizable, || no_bottom(journal, &core(items, stretch)));
    }
    words::never_empty(journal, contents, items, &empties, found);
}

/// So many items are tried one by one, whether the proof can do without them.
const TRIED: usize = 200;

/// Items that alone are a stretch without a bottom.
fn core(items: &[Item], stretch: &Stretch) -> Vec<Item> {
    let members = stretch.items.iter().map(|i| items[*i as usize]);
    let mut core = cover(members, stretch.from, stretch.to).unwrap_or_default();
    if core.len() > TRIED {
        return core;
    }
    for i in (0..core.len()).rev() {
        let mut less = core.clone();
        less.remove(i);
        let (moved, end) = renumbered(&less);
        if !bottoms::without_bottom(&moved, end).is_empty() {
            core = less;
        }
    }
    core
}

/// The same items with positions from 0, and how many there are.
fn renumbered(items: &[Item]) -> (Vec<Item>, u32) {
    let all = |item: &Item| [item.put_call, item.put_ret, item.take_call, item.take_ret];
    let mut positions: Vec<u32> = items.iter().flat_map(all).filter(|position| *position != NEVER).collect();
    positions.sort_unstable();
    positions.dedup();
    let to = |position: u32| positions.binary_search(&position).map_or(NEVER, |at| at as u32);
    let moved = items.iter().map(|item| Item {
        value: item.value,
        put_call: to(item.put_call),
        put_ret: to(item.put_ret),
        take_call: to(item.take_call),
        take_ret: to(item.take_ret),
    });
    (moved.collect(), positions.len() as u32)
}

fn no_bottom(journal: &Journal<'_>, core: &[Item]) -> Anomaly {
    let calls: Vec<u32> = core.iter().flat_map(words::calls).collect();
    let why = match core {
        [a, b] if a.put_ret < b.put_call && b.put_ret < a.take_ret => came_out_from_under(journal, a, b),
        _ => nothing_fits(journal, core),
    };
    words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
}

fn came_out_from_under(journal: &Journal<'_>, below: &Item, above: &Item) -> String {
    let [a, b] = [below, above].map(|item| words::value(journal, item.value));
    let [push_a, push_b, pop_a] =
        [below.put_call, above.put_call, below.take_call].map(|call| words::number(journal, call));
    let end = match Some(above.take_call).filter(|_| words::calls(above).count() == 2) {
        Some(call) => format!("before the pop of {b} ({}) began", words::number(journal, call)),
        None => format!("and nobody is known to have popped {b}"),
    };
    format!(
        "{a} was pushed before {b} was ({push_a} was completed before {push_b} was invoked), so {b} lay above it; yet \
         {a} was popped by {pop_a} {end}: {a} came out from under {b}."
    )
}

/// So many items are spoken of one by one.
const SPOKEN_OF: usize = 6;

fn nothing_fits(journal: &Journal<'_>, core: &[Item]) -> String {
    let names: Vec<String> = core.iter().take(SPOKEN_OF).map(|item| words::value(journal, item.value)).collect();
    let stays: Vec<String> = core.iter().take(SPOKEN_OF).map(|item| words::inside(journal, item)).collect();
    let start = core.iter().map(|item| item.put_ret).min().unwrap_or(0);
    let stop = core.iter().map(|item| item.take_call.min(journal.end())).max().unwrap_or(0);
    let reasons: Vec<String> =
        core.iter().take(SPOKEN_OF).map(|item| why_not(journal, item, core, start, stop)).collect();
    let more = if core.len() > SPOKEN_OF { format!(" (and {} more)", core.len() - SPOKEN_OF) } else { String::new() };
    format!(
        "The stack was never empty while {}{more} came and went: {}. So one of them lay at the bottom all that while, \
         but none can have: {}.",
        words::list(&names),
        words::list(&stays),
        words::list(&reasons),
    )
}

fn why_not(journal: &Journal<'_>, item: &Item, core: &[Item], start: u32, stop: u32) -> String {
    let name = words::value(journal, item.value);
    if item.put_call > start {
        let first = core.iter().find(|other| other.put_ret == start).unwrap_or(item);
        let first = words::value(journal, first.value);
        return format!(
            "{name} was pushed only after {first} was ({} began later)",
            words::number(journal, item.put_call)
        );
    }
    let last = core.iter().find(|other| other.take_call.min(journal.end()) == stop).unwrap_or(item);
    let last = words::value(journal, last.value);
    format!("{name} was popped while {last} was still there ({} ended earlier)", words::number(journal, item.take_call))
}

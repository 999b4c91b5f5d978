//! Queues that keep their order: first in, first out.
//!
//! A history of a queue whose items are all different is linearizable iff it is one of an [unordered
//! queue](super::queue) and no item overtakes another (Henzinger, Sezgin and Vafeiadis, *Aspect-oriented
//! linearizability proofs*, CONCUR 2013; the patterns are those of Bouajjani, Emmi, Enea and Hamza, *On reducing
//! linearizability to state reachability*, 2015/2018):
//!
//! ```text
//! ex1 ex2  0<dx 1<dx  1>dx2 0>dx1          ex1 ex2  0:dx2 0:dx1
//! valid: the dequeues overlap              2 overtakes 1: in after it, out before it
//! ```
//! `y` overtakes `x` iff the enqueue of `x` was completed before that of `y` was invoked, and the dequeue of `y` before
//! that of `x`, where there is one.
//!
//! # Why that is enough
//! Say that `x` goes before `y` where the enqueue of `x` is over before that of `y` begins, or where the same is true
//! of their dequeues. A common order of both exists iff going before has no cycle. In a shortest cycle enqueues and
//! dequeues take turns, since two steps of one kind are one: `x` is enqueued before `y`, `y` dequeued before `z`, `z`
//! enqueued before `w`, … Of intervals, if one is before a second and a third before a fourth, then the first is before
//! the fourth or the third before the second. If `x` is enqueued before `w`, there is a shorter cycle. If `z` is
//! enqueued before `y`, then `y` overtakes `z`. So where nobody overtakes there is no cycle.
//!
//! A moment that an empty answer chose divides the items into those that are out before and those that come in after.
//! Say that an item is late if its put or its take begins after the moment; it must come in after. What a late item
//! goes before is late as well: if the put of the late one is over before the other's begins, then it is over only
//! after the moment, because the item does not stay across it; and if its take is over before the other's begins, that
//! is after the moment in any case, since nothing is taken before its put begins. So the division agrees with the
//! common order.
//!
//! # How
//! One walk over the positions. It remembers, of all items whose put is completed, the one whose take begins last;
//! every item whose put begins now must be taken out later than that take begins. Linear, without sorting.
//!
//! # Takes of unknown outcome
//! Let `u` be an item that nobody is known to have taken, and `m(u)` the first completion of a dequeue of an item put
//! in after `u`: by then `u` must have been taken, by a dequeue of unknown outcome that began before. The items that
//! are due earlier were put in earlier, so it is enough to give them the dequeues one after the other. Together with
//! the condition `N ≤ C` for empty answers this is exact: both conditions count items that were put in first, and
//! Hall's condition for both at once is that each holds.
//!
//! # Decided
//! An item that was overtaken is told once, with the first item that overtook it, however many did. A `drain` takes its
//! items out in the order of its answer. Where other operations run beside a drain of several items, its items are
//! compared among themselves and with the others as far as the drain's beginning and end allow, and a doubt is left.

use histories::History;

use super::items::{Contents, Drained, Item, contents, of_queue};
use super::journal::{Journal, NEVER, Op, Slots, judge};
use super::queue::{Level, Mark, Marks, tell_empties};
use super::{repeats, words};
use crate::analysis::{Found, Question};
use crate::budget::Budget;
use crate::finding::Anomaly;
use crate::fold::words::count;
use crate::models::AnomalyType;

/// Looks at queues that keep their order: `enqueue`, `dequeue` and `drain`.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, of_queue, judge_key)
}

fn judge_key(journal: &Journal<'_>, slots: &mut Slots, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let contents = contents(journal, slots, &mut found);
    if contents.repeated.is_some() {
        return repeats::judge(repeats::Kind::Fifo, journal, &contents, budget, found);
    }
    let marks = Marks::new(&contents);
    walk(journal, &contents, &marks, &mut found);
    if !contents.unknown.is_empty() {
        due(journal, &contents, &marks, &mut found);
    }
    drains(journal, &contents, &mut found);
    found
}

/// Finds who overtakes whom, and empty answers without a moment.
fn walk(journal: &Journal<'_>, contents: &Contents, marks: &Marks, found: &mut Found) {
    let mut level = Level::new(contents, marks);
    // Of the items that are in for certain, the one whose take begins last, and where that is.
    let (mut last, mut last_call) = (0, 0);
    // An item that was overtaken is told once, with the first that overtook it.
    let mut told = None;
    let mut never_empty = Vec::new();
    for (position, mark) in marks.iter().enumerate() {
        match mark {
            Mark::PutCall(i) => {
                let item = &contents.items[i];
                if item.taken() && item.take_ret < last_call && told != Some(last) {
                    told = Some(last);
                    let first = contents.items[last];
                    found.add(AnomalyType::Nonlinearizable, || overtaken(journal, &first, item));
                }
            }
            Mark::PutRet(i) => {
                let item = &contents.items[i];
                if item.take_call > last_call && (item.taken() || contents.unknown.is_empty()) {
                    (last, last_call) = (i, item.take_call);
                }
            }
            _ => {}
        }
        never_empty.extend(level.step(position as u32, &mark));
    }
    tell_empties(journal, contents, &never_empty, found);
}

fn overtaken(journal: &Journal<'_>, first: &Item, second: &Item) -> Anomaly {
    let [a, b] = [first, second].map(|item| words::value(journal, item.value));
    let [put_a, put_b, take_b] =
        [first.put_call, second.put_call, second.take_call].map(|call| words::number(journal, call));
    let end = match first.take_call {
        NEVER => format!("and nobody ever dequeued {a}"),
        call => format!("before the dequeue of {a} ({}) began", words::number(journal, call)),
    };
    let why = format!(
        "{a} was enqueued before {b} was ({put_a} was completed before {put_b} was invoked), yet {b} was dequeued by \
         {take_b} {end}: {b} overtook {a}."
    );
    let calls = [first.put_call, second.put_call, second.take_call].into_iter();
    let calls = calls.chain(Some(first.take_call).filter(|call| *call != NEVER)).collect();
    words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
}

/// Gives the items that must have been taken by then, and by nobody known, the takes of unknown outcome.
fn due(journal: &Journal<'_>, contents: &Contents, marks: &Marks, found: &mut Found) {
    let mut first: Option<usize> = None;
    let mut due: Vec<(usize, usize)> = Vec::new();
    for mark in marks.iter().rev() {
        match mark {
            Mark::PutCall(i) if contents.items[i].taken() => {
                let earlier = |f: usize| contents.items[f].take_ret < contents.items[i].take_ret;
                if !first.is_some_and(earlier) {
                    first = Some(i);
                }
            }
            Mark::PutRet(i) if !contents.items[i].taken() => due.extend(first.map(|first| (i, first))),
            _ => {}
        }
    }
    due.reverse();
    for (i, (_, by)) in due.iter().enumerate() {
        let begun = contents.unknown.partition_point(|call| *call < contents.items[*by].take_ret);
        if begun <= i {
            let items: Vec<Item> = due[..=i].iter().map(|(u, _)| contents.items[*u]).collect();
            let by = contents.items[*by];
            found.add(AnomalyType::Nonlinearizable, || left_behind(journal, &items, &by, &contents.unknown[..begun]));
            return;
        }
    }
}

/// So many items are shown one by one.
const SHOWN: usize = 8;

fn left_behind(journal: &Journal<'_>, items: &[Item], by: &Item, unknown: &[u32]) -> Anomaly {
    let names: Vec<String> = items.iter().rev().take(SHOWN).map(|item| words::value(journal, item.value)).collect();
    let takes: Vec<String> = unknown.iter().take(SHOWN).map(|call| words::number(journal, *call)).collect();
    let shown = if names.len() < items.len() { " among them " } else { " " };
    let takers = match unknown.len() {
        0 => "no dequeue of unknown outcome had begun that could have taken one of them".to_owned(),
        n => format!(
            "only {} of unknown outcome had begun ({}), one for each",
            count(n as u64, "dequeue", "dequeues"),
            words::list(&takes)
        ),
    };
    let why = format!(
        "{} ({shown}{}) went in ahead of {}, which was dequeued by {}. By the end of that they must all have been \
         out, but nobody is known to have taken them, and {takers}.",
        count(items.len() as u64, "item", "items"),
        words::list(&names),
        words::value(journal, by.value),
        words::number(journal, by.take_call),
    )
    .replace("( ", "(");
    let calls = items.iter().rev().take(SHOWN).map(|item| item.put_call);
    let calls = calls.chain([by.put_call, by.take_call]).chain(unknown.iter().copied().take(SHOWN)).collect();
    words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
}

/// The order of the items within each drain.
fn drains(journal: &Journal<'_>, contents: &Contents, found: &mut Found) {
    if contents.drains.is_empty() {
        return;
    }
    let mut by_value: Vec<(u32, usize)> = contents.items.iter().enumerate().map(|(i, item)| (item.value, i)).collect();
    by_value.sort_unstable();
    let find =
        |value: &u32| by_value.binary_search_by_key(value, |(v, _)| *v).ok().map(|at| &contents.items[by_value[at].1]);
    for drain in &contents.drains {
        let items: Vec<&Item> = drain.values.iter().filter_map(find).collect();
        order_within(journal, &items, found);
    }
    let ends = Ends::new(journal.ops);
    let beside = contents.drains.iter().filter(|d| d.values.len() > 1 && ends.overlaps(journal.ops, d)).count();
    if beside > 0 {
        let n = count(beside as u64, "drain", "drains");
        found.doubts.push(format!(
            "other operations ran beside {n} of several items; the order of these items was judged only by where the \
             drain begins and ends."
        ));
    }
}

fn order_within(journal: &Journal<'_>, items: &[&Item], found: &mut Found) {
    let mut latest: Option<&Item> = None;
    for item in items {
        if let Some(before) = latest.filter(|before| item.put_ret < before.put_call) {
            let [a, b] = [item, before].map(|item| words::value(journal, item.value));
            let (drain, put_a, put_b) = (
                words::number(journal, item.take_call),
                words::number(journal, item.put_call),
                words::number(journal, before.put_call),
            );
            found.add(AnomalyType::Nonlinearizable, || {
                let why = format!(
                    "{a} was enqueued before {b} was ({put_a} was completed before {put_b} was invoked), yet drain \
                     {drain} took {b} out before {a}: {b} overtook {a}."
                );
                let calls = vec![item.put_call, before.put_call, item.take_call];
                words::anomaly(journal, AnomalyType::Nonlinearizable, calls, why)
            });
        }
        if latest.is_none_or(|latest| latest.put_call < item.put_call) {
            latest = Some(item);
        }
    }
}

/// The two latest ends among the operations up to each.
struct Ends(Vec<[u32; 2]>);

impl Ends {
    fn new(ops: &[Op]) -> Ends {
        let latest = ops.iter().scan([0; 2], |[first, second], op| {
            [*first, *second] = if op.ret > *first { [op.ret, *first] } else { [*first, op.ret.max(*second)] };
            Some([*first, *second])
        });
        Ends(latest.collect())
    }

    /// Whether another operation runs beside a drain.
    fn overlaps(&self, ops: &[Op], drain: &Drained) -> bool {
        let begun = ops.partition_point(|op| op.call < drain.ret);
        let [first, second] = self.0[begun - 1];
        if first == drain.ret { second > drain.call } else { first > drain.call }
    }
}

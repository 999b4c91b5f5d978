//! Unordered queues: what goes in comes out, once, in whatever order.
//!
//! A history of a queue whose items are all different is linearizable iff no item comes from nowhere, comes out twice
//! or comes out before it goes in (`items`), and every operation that found the queue empty has a
//! moment at which the queue can be empty.
//!
//! An item stays from the end of its put to the beginning of its take. A moment inside of
//! that is one at which the queue is not empty. At every other moment an item can be wholly on one side: it goes in
//! later, or is out already, or both its operations are under way and it passes through before or after. So moments can
//! be chosen for each empty answer by itself, and where one has none this is the proof:
//!
//! ```text
//! 0:ex1  1<dx  2<ex2  2>  0:dx1  1>dx      1 |-------|
//!                                           2    |----------------…
//!                                           dx|-----------------|  nothing, at no moment
//! ```
//!
//! # Takes of unknown outcome
//! A dequeue that was not answered may have taken any item, at any time after it began, or none. Say that so far `N`
//! items have gone in for certain of those that nobody is known to have taken, and that `C` dequeues of unknown outcome
//! have begun. The queue can be empty iff nothing else stays and `N ≤ C`: this is Hall's condition for giving each item
//! a dequeue that began before, since all of them are due at the same moment. It is exact for any number of empty
//! answers: an item is due at the first of their moments after its put, and what is due by then is what the condition
//! counts.
//!
//! # Drains
//! `drain` (Jepsen's total queue) takes out all that there is: it is a dequeue of each of its items, and an empty
//! answer after the last of them went in. One of unknown outcome may have taken any number of items.
//!
//! # Decided
//! An item that was acknowledged, that nobody took, and without which an empty answer would be right, is a `lost-item`.
//! One that nobody took and that no empty answer speaks against is still inside. `null` is the answer of an empty queue
//! and never an item. Values that are put in more than once are left to a search (see the module above).

use histories::History;

use super::cover::without_moment;
use super::items::{Contents, Empty, Item, contents, of_queue};
use super::journal::{Journal, NEVER, Slots, judge};
use super::{repeats, words};
use crate::analysis::{Found, Question};
use crate::budget::Budget;
use crate::finding::Anomaly;
use crate::fold::words::count;
use crate::models::AnomalyType;

/// Looks at unordered queues: `enqueue`, `dequeue` and `drain`.
pub fn check(history: &History, _question: &Question, budget: &Budget<'_>) -> Found {
    judge(history, budget, of_queue, judge_key)
}

fn judge_key(journal: &Journal<'_>, slots: &mut Slots, budget: &Budget<'_>) -> Found {
    let mut found = Found::default();
    let contents = contents(journal, slots, &mut found);
    if contents.repeated.is_some() {
        return repeats::judge(repeats::Kind::Bag, journal, &contents, budget, found);
    }
    if !contents.empties.is_empty() {
        let marks = Marks::new(&contents);
        empties(journal, &contents, &marks, &mut found);
    }
    found
}

/// What happens to items at each position.
pub(super) struct Marks {
    marks: Vec<u32>,
    /// Further takes that begin where another one is marked, in order.
    more_takes: Vec<(u32, u32)>,
}

/// What happens at a position, and to which item or empty answer.
pub(super) enum Mark {
    None,
    PutCall(usize),
    PutRet(usize),
    TakeCall(usize),
    EmptyRet(usize),
}

impl Marks {
    pub fn new(contents: &Contents) -> Marks {
        let mut marks = vec![NEVER; contents.end as usize];
        let mut more_takes = Vec::new();
        for (i, item) in contents.items.iter().enumerate() {
            let i = i as u32;
            marks[item.put_call as usize] = i << 2;
            if item.put_ret != NEVER {
                marks[item.put_ret as usize] = i << 2 | 1;
            }
            match item.take_call {
                NEVER => {}
                call if marks[call as usize] == NEVER => marks[call as usize] = i << 2 | 2,
                call => more_takes.push((call, i)),
            }
        }
        for (i, empty) in contents.empties.iter().enumerate() {
            marks[empty.ret as usize] = (i as u32) << 2 | 3;
        }
        more_takes.sort_unstable();
        Marks { marks, more_takes }
    }

    /// The marks, by position.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Mark> + ExactSizeIterator + '_ {
        self.marks.iter().map(|mark| match (*mark, (*mark >> 2) as usize) {
            (NEVER, _) => Mark::None,
            (mark, i) => match mark & 3 {
                0 => Mark::PutCall(i),
                1 => Mark::PutRet(i),
                2 => Mark::TakeCall(i),
                _ => Mark::EmptyRet(i),
            },
        })
    }
}

/// How full the collection is at least, walking from left to right.
pub(super) struct Level<'c> {
    contents: &'c Contents,
    marks: &'c Marks,
    /// How many items stay that somebody is known to take.
    staying: u32,
    /// How many have gone in that nobody is known to take, and how many takes of unknown outcome have begun.
    kept: usize,
    pub unknown: usize,
    more: usize,
    /// One more than the last position after which the collection can be empty.
    free: u32,
}

impl<'c> Level<'c> {
    pub fn new(contents: &'c Contents, marks: &'c Marks) -> Self {
        Level { contents, marks, staying: 0, kept: 0, unknown: 0, more: 0, free: 0 }
    }

    /// Goes over a position. Returns the empty answer that ends here and had no moment, by its place.
    pub fn step(&mut self, position: u32, mark: &Mark) -> Option<usize> {
        let mut wrong = None;
        match *mark {
            Mark::PutRet(i) => self.put(&self.contents.items[i]),
            Mark::TakeCall(i) => self.take(&self.contents.items[i]),
            Mark::EmptyRet(i) => {
                wrong = Some(i).filter(|i| self.free <= self.contents.empties[*i].call);
            }
            Mark::None | Mark::PutCall(_) => {}
        }
        while let Some((_, i)) = self.marks.more_takes.get(self.more).filter(|(at, _)| *at == position) {
            self.take(&self.contents.items[*i as usize]);
            self.more += 1;
        }
        while self.contents.unknown.get(self.unknown) == Some(&position) {
            self.unknown += 1;
        }
        if self.staying == 0 && self.kept <= self.unknown {
            self.free = position + 1;
        }
        wrong
    }

    fn put(&mut self, item: &Item) {
        if item.take_call == NEVER {
            self.kept += 1;
        } else if item.stays() {
            self.staying += 1;
        }
    }

    fn take(&mut self, item: &Item) {
        if item.stays() {
            self.staying -= 1;
        }
    }
}

fn empties(journal: &Journal<'_>, contents: &Contents, marks: &Marks, found: &mut Found) {
    let mut level = Level::new(contents, marks);
    let marks = (0..).zip(marks.iter());
    let wrong: Vec<usize> = marks.filter_map(|(position, mark)| level.step(position, &mark)).collect();
    tell_empties(journal, contents, &wrong, found);
}

/// Operations found nothing where something certainly was.
pub(super) fn tell_empties(journal: &Journal<'_>, contents: &Contents, wrong: &[usize], found: &mut Found) {
    let first = contents.unknown.first().copied().unwrap_or(NEVER);
    // Before the first take of unknown outcome nothing is lost by one.
    let (counted, plain): (Vec<usize>, Vec<usize>) = wrong.iter().partition(|i| contents.empties[**i].ret > first);
    words::never_empty(journal, contents, &contents.items, &plain, found);
    let taken = || contents.items.iter().copied().filter(Item::taken);
    let by_taken = without_moment(&contents.empties, taken(), contents.end);
    let (by_taken, lost): (Vec<usize>, Vec<usize>) =
        counted.into_iter().partition(|i| by_taken.binary_search(i).is_ok());
    words::never_empty(journal, contents, &contents.items, &by_taken, found);
    for i in lost {
        found.add(AnomalyType::LostItem, || too_many(journal, contents, &contents.empties[i]));
    }
}

/// So many items and dequeues are listed, and more items only if they are needed.
const LISTED: usize = 8;

/// More items than dequeues of unknown outcome can have taken.
fn too_many(journal: &Journal<'_>, contents: &Contents, empty: &Empty) -> Anomaly {
    let begun = contents.unknown.partition_point(|call| *call < empty.ret);
    let mut inside: Vec<Item> = contents.items.iter().copied().filter(|i| i.put_ret < empty.ret).collect();
    inside.retain(|item| item.take_call == NEVER || (item.stays() && item.take_call > empty.call));
    inside.sort_unstable_by_key(|item| item.put_ret);
    inside.truncate((begun + 1).max(LISTED));
    let reasons: Vec<String> = inside.iter().take(LISTED).map(|item| words::inside(journal, item)).collect();
    let takes = contents.unknown[..begun].iter().map(|call| words::number(journal, *call));
    let takes: Vec<String> = takes.take(LISTED).collect();
    let why = format!(
        "{}, but there was always something inside: {}. {} of unknown outcome ({}) had begun by then, and at no \
         moment had enough of them begun to have taken out all that nobody else took.",
        words::told(journal, empty.invocation),
        words::list(&reasons),
        count(begun as u64, "dequeue", "dequeues"),
        words::list(&takes),
    );
    let calls = inside.iter().flat_map(words::calls);
    let calls = calls.chain(contents.unknown[..begun].iter().copied().take(LISTED)).chain([empty.invocation]).collect();
    words::anomaly(journal, AnomalyType::LostItem, calls, why)
}

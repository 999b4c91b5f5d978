//! Objects of a closed universe that transactions change, and read by predicates.
//!
//! A read by predicate says something about every object: those that it found, and those that it did not. In Adya's
//! terms (*Weak consistency*, 1999, section 4.3) it reads a *version set*, one version of each object, most of which do
//! not match. That opens a door to phantoms, which no dependency between items shows:
//!
//! ```text
//!   init: x = 0, y = 0
//!   A: read by = 1 → nothing, write x ← 1        A ──rwp──▶ B: y was 0 when A looked, B made it match
//!   B: read by = 1 → nothing, write y ← 1        B ──rwp──▶ A: the same of x
//! ```
//! Each is the other's phantom: `G2`, and nothing with items only.
//!
//! # What is decided here
//!
//! - **The universe is closed.** The first operation `init` (a custom one whose value is an object) makes some objects;
//!   others are unborn until a transaction writes or inserts them. Deleted ones are dead.
//! - **An object is changed once**, after the start: that is the contract of the workload, and makes the order of its
//!   versions known. Where an object is changed more often, only its first version has a place, and a doubt says so.
//! - **The version set** of a read holds the objects found, and of each other object the version that does not match,
//!   if there is exactly one. If there is none, the object was missed: `predicate-read-miss`. So was, in a way, a
//!   match that is none.
//! - **`nothing`** is the dead version or the unborn one, whichever is possible; of an object of `init` that nobody
//!   deleted it is the time before the start. If both are possible nothing follows.
//! - **`rwp` leads to every later version on which the predicate changes its mind**, `wrp` from the writer of each
//!   version in the set, and `ww` from the start to each change. (Elle passes over the `ww` of plain writes.)
//! - A read after the transaction's own change of the object says nothing.
//!
//! The understood predicates are in `matching`; a read by another one is a doubt. A read by predicate costs a look at
//! every object.
//!
//! # What it does not detect
//!
//! Intermediate reads and contradictions within a transaction.

mod matching;
mod objects;
mod reads;
mod words;

use std::cell::RefCell;

use histories::{History, KeyId};

use self::objects::{NONE, Objects, start};
use self::reads::Reads;
use self::words::Dependencies;
use super::reading::Transactions;
use super::telling::{tell_cycles, within};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::fold::words as phrases;

/// Finds the anomalies of objects that transactions change and read by predicates.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    within(budget, |meter, found| look(history, question, meter, found))
}

fn look(history: &History, question: &Question, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
    let start = start(history);
    let txns = Transactions::read_after(history, start)?;
    let mut objects = Objects::new(&txns, start, meter)?;
    count(&objects, found);
    let mut reads = Reads::new(&mut objects);
    reads.observe(meter)?;
    reads.walk(found, meter)?;
    let strange: Vec<String> =
        reads.predicates.iter().filter(|p| p.1.is_none()).map(|p| history.key_name(*p.0).to_string()).collect();
    if let Some(first) = strange.first() {
        found.doubts.push(format!(
            "{} not understood, the first is {first}",
            phrases::count(strange.len() as u64, "predicate is", "predicates are")
        ));
    }
    changes(&mut reads);
    let edges = std::mem::take(&mut reads.edges);
    let reasons = Dependencies(RefCell::new(&mut reads));
    tell_cycles(&txns, edges, true, question, &reasons, found, meter)
}

/// The start before every change.
fn changes(reads: &mut Reads<'_, '_, '_>) {
    let objects: Vec<KeyId> = reads.objects.keys().collect();
    for key in objects {
        let first = reads.objects.of(key)[0].writer;
        for version in 1..reads.objects.of(key).len() {
            let writer = reads.objects.of(key)[version].writer;
            if first != NONE && reads.objects.happened(writer) {
                reads.edges.push(first, writer, reads.objects.txns.ww(first, writer));
            }
        }
    }
}

/// Says what is looked at, and what cannot be.
fn count(objects: &Objects<'_, '_>, found: &mut Found) {
    let keys: Vec<KeyId> = objects.keys().collect();
    found.checked.insert("transactions", u64::from(objects.txns.node_count));
    found.checked.insert("keys", keys.len() as u64);
    let often: Vec<String> =
        keys.iter().filter(|key| objects.of(**key).len() > 2).map(|key| objects.name(*key)).collect();
    if let Some(first) = often.first() {
        found.doubts.push(format!(
            "{} changed more than once, so that the order of versions is not known: the first is {first}",
            phrases::count(often.len() as u64, "object is", "objects are")
        ));
    }
}

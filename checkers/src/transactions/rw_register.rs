//! Registers that transactions write and read: values tell who read from whom, and little else.
//!
//! If no two transactions write the same value to a register, a read tells whom it read from (`wr`). In which order the
//! values followed one another it does not tell, and without that there are no `ww` and no `rw`, hence hardly an
//! anomaly. So the order is taken from transactions that read a value before they wrote one, and from what may be
//! [assumed](crate::Assumptions) of each register by itself: see the module `orders`. With versions `1` before `2`:
//!
//! ```text
//!   A: write x ← 1        B: write x ← 2        C: read x → 1
//!
//!         A ──ww──▶ B      2 replaced 1
//!         A ──wr──▶ C      C read what A wrote
//!         C ──rw──▶ B      C read 1, which B replaced
//! ```
//!
//! # What is decided here
//!
//! - **The definitions are Elle's** (Alvaro and Kingsbury, VLDB 2020, and `elle.rw-register` 0.2.7): versions are the
//!   last writes of transactions; a read counts only before the transaction's own first write; `internal`, `G1a`, `G1b`,
//!   `lost-update`, `cyclic-versions`.
//! - **`info` transactions** happened if anything that they wrote was read. (Elle passes over their writes.)
//! - **A value that nobody wrote** is a `garbage-read`. (Elle takes it for valid.)
//! - **A value that several transactions wrote** may be either's, so nothing follows from it but a doubt. (Elle refuses
//!   such a history.) A failed write does not count, unless it is the only one.
//! - **The order of versions is reduced**: a version is linked to those directly before it only. Where that leaves a
//!   product, such as reads of the initial state before all first writes, see the module `edges`.
//! - **A compare-and-set** is a read and a write in one transaction.
//!
//! # What it does not detect
//!
//! Without an assumption about the order of versions, many anomalies between blind writes. With one, all orders that
//! contradict the assumption are reported as `cyclic-versions`, and what hides behind that cycle may stay hidden.

mod orders;
mod touches;
mod versions;
mod words;

use histories::{History, KeyId};

use self::orders::{Orders, Source, orders};
use self::touches::{judge_reads, lost_updates, touches};
use self::versions::{NONE, Touch, Versions};
use self::words::{Dependencies, Words};
use super::edges::Edges;
use super::groups::Groups;
use super::reading::{Row, Transactions};
use super::telling::{some_objects, tell_cycles, within};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::fold::words as phrases;
use crate::graphs::Relations;
use crate::models::AnomalyType;

/// Finds the anomalies of registers that transactions read and write.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    within(budget, |meter, found| look(history, question, meter, found))
}

fn look(history: &History, question: &Question, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
    let txns = Transactions::read(history)?;
    let mut versions = Versions::new(&txns, question.assume.initial.as_ref(), meter)?;
    let touches = touches(&mut versions);
    let versions = versions;
    count(&versions, found);
    judge_reads(&versions, found);
    lost_updates(&versions, &touches, found);
    let orders = orders(&versions, &touches, &question.assume, meter)?;
    for cycle in &orders.cycles {
        found.add(AnomalyType::CyclicVersions, || Words::new(&versions).cyclic_versions(cycle));
    }
    let assumed = question.assume.writes_follow_reads_keys && orders.cycles.is_empty();
    let edges = edges(&versions, &touches, &orders, assumed);
    let reasons = Dependencies { versions: &versions, touches: &touches, orders: &orders };
    tell_cycles(&txns, edges, false, question, &reasons, found, meter)
}

/// Says what is looked at, and what cannot be.
fn count(versions: &Versions<'_, '_>, found: &mut Found) {
    let mut used = vec![false; versions.registers.len()];
    versions.accesses.iter().for_each(|a| used[a.key.0 as usize] = true);
    found.checked.insert("transactions", u64::from(versions.txns.node_count));
    found.checked.insert("keys", used.iter().filter(|used| **used).count() as u64);
    let spoiled = versions.spoiled();
    if !spoiled.is_empty() {
        let which = some_objects(versions.txns, &spoiled);
        found.doubts.push(format!("not only registers are read and written under these keys: {which}"));
    }
    let ambiguous: Vec<KeyId> =
        (0..versions.all.len()).filter(|v| versions.all[*v].ambiguous).map(|v| versions.key(v as u32)).collect();
    if !ambiguous.is_empty() {
        let (count, which) = (ambiguous.len(), some_objects(versions.txns, &ambiguous));
        let values = phrases::count(count as u64, "value was", "values were");
        found.doubts.push(format!(
            "{values} written by several transactions or there from the start: whose is not known, in \
             {which}"
        ));
    }
}

/// The dependencies between transactions. `assumed` says whether it was assumed that updates order the versions.
fn edges(versions: &Versions<'_, '_>, touches: &[Touch], orders: &Orders, assumed: bool) -> Edges {
    let mut edges = Edges::with_capacity(touches.len() + orders.before.len() * 2);
    let (groups, readers) = readers(versions, touches);
    let mut writers: Vec<Row> = Vec::new();
    for version in 0..versions.all.len() {
        let of_version = &readers[groups.range(version)];
        let ordered = versions.is_ordered(version as u32);
        let writer = versions.writer(version as u32).filter(|_| ordered);
        if let Some(writer) = writer {
            of_version.iter().for_each(|reader| edges.push(writer, *reader, Relations::WR));
        }
        writers.clear();
        for before in &orders.before[orders.of_version.range(version)] {
            let Some(next) = versions.writer(before.to) else { continue };
            writers.push(next);
            if let Some(writer) = writer.filter(|_| assumed || before.source != Source::Update) {
                edges.push(writer, next, versions.txns.ww(writer, next));
            }
        }
        if ordered {
            edges.join(of_version, &writers, Relations::RW);
        }
    }
    edges
}

/// The transactions that read each version before they wrote.
fn readers(versions: &Versions<'_, '_>, touches: &[Touch]) -> (Groups, Vec<Row>) {
    let mut counts = vec![0; versions.all.len()];
    let reading = || touches.iter().filter(|t| t.read != NONE);
    reading().for_each(|t| counts[t.read as usize] += 1);
    let groups = Groups::of_sizes(counts);
    let mut cursors = groups.cursors();
    let mut readers = vec![0; groups.total()];
    for touch in reading() {
        let cursor = &mut cursors[touch.read as usize];
        readers[*cursor as usize] = touch.row;
        *cursor += 1;
    }
    (groups, readers)
}

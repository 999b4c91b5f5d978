//! Lists that transactions append to and read: Elle's best case, since a list tells its own history.
//!
//! A read of `[1 2 3]` shows in which order 1, 2 and 3 were appended, and each element is the append of one transaction.
//! So the versions of a list and their order are recovered, not guessed (Alvaro and Kingsbury, *Elle*, VLDB 2020, call
//! such histories traceable), and with them the dependencies of Adya (*Weak consistency*, 1999):
//!
//! ```text
//!   A: append x ← 1        B: append x ← 2        C: read x → [1]        order of x: [1 2]
//!
//!         A ──ww──▶ B      2 stands behind 1
//!         A ──wr──▶ C      the last element that C read is A's
//!         C ──rw──▶ B      the next element is B's, and C did not see it
//! ```
//!
//! # What is decided here
//!
//! - **The order of a list is its longest read.** Reads that are no beginning of it contradict it
//!   (`incompatible-order`). Their last elements still tell whom they read from.
//! - **An append that no read shows** came after the last one that was read, if it happened: its writer follows the
//!   last known writer, and everybody who read no more than the last known version preceded it. Nothing is said about
//!   the order of several such appends. See the module `edges` for why that is not quadratic.
//! - **`info` transactions** happened if anything that they appended was read; what they read themselves is not known
//!   to anybody. Until then nothing follows from them.
//! - **Failed appends** have no part in the order; reading one is `G1a`, and the order runs on over them. An element
//!   that was appended again after a failure is the later append's.
//! - **Elements appended more than once** have no known writer: what they would show is left out, and a doubt says so
//!   if they were read. No anomaly is ever reported because of them. (Elle refuses such a history.)
//! - **Elements nobody appended** are `garbage-read`. (Elle fails on them with an error.)
//! - **`lost-append`**: an acknowledged append that no read ever shows, although an element was read whose append
//!   began after the acknowledgement. By its place in the list the later one came first, by the clock the earlier one:
//!   it is a `G0-realtime` with two transactions, named for what has most likely happened. A *read* that misses an
//!   acknowledged element is no lost append but stale: `G-single-item-realtime`.
//! - **A transaction's own reads** count as reads of others only until it has appended to the list itself.
//!
//! # What it does not detect
//!
//! With every element read and none repeated the dependencies are complete: a history without anomaly is serializable
//! (or strictly serializable, or snapshot isolated, as asked), and the brute-force tests say so. Appends that no read
//! shows leave room for orders that nobody looks for. Reads in `info` transactions are not used.

pub mod online;
mod orders;
mod reads;
mod runs;
mod strange;
mod within;
mod words;

use histories::{History, KeyId};

use self::orders::Lists;
use self::reads::Reads;
use self::words::Words;
use super::reading::Transactions;
use super::telling::{some_objects, tell_cycles, within};
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::fold::words as phrases;

/// Finds the anomalies of lists that transactions read and append to.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    within(budget, |meter, found| look(history, question, meter, found))
}

fn look(history: &History, question: &Question, meter: &Meter<'_>, found: &mut Found) -> Result<(), Exhausted> {
    let txns = Transactions::read(history)?;
    let mut lists = Lists::new(&txns, meter)?;
    count(&lists, found);
    let mut reads = Reads::new(&lists, found);
    reads.walk(meter)?;
    reads.finish();
    let (strange, mut edges) = (std::mem::take(&mut reads.strange), std::mem::take(&mut reads.edges));
    let (updates, strange_updates) = (std::mem::take(&mut reads.updates), std::mem::take(&mut reads.strange_updates));
    if !strange.is_empty() {
        edges = strange::judge(&mut lists, strange, edges, found);
    }
    strange::lost_updates(&lists, updates, strange_updates, found);
    tell_cycles(&txns, edges, false, question, &Words(&lists), found, meter)
}

/// Says what is looked at, and what cannot be.
fn count(lists: &Lists<'_, '_>, found: &mut Found) {
    let used = |key: &usize| lists.lists[*key].is_read() || !lists.appends.range(*key).is_empty();
    let keys: Vec<usize> = (0..lists.lists.len()).filter(used).collect();
    found.checked.insert("transactions", u64::from(lists.txns.node_count));
    found.checked.insert("keys", keys.len() as u64);
    let spoiled: Vec<KeyId> =
        keys.iter().filter(|key| lists.lists[**key].spoiled).map(|key| KeyId(*key as u32)).collect();
    if !spoiled.is_empty() {
        let which = some_objects(lists.txns, &spoiled);
        found.doubts.push(format!("not only lists are read from and appended to under these keys: {which}"));
    }
    let read: Vec<KeyId> =
        lists.repeated.iter().filter(|(key, value)| is_read(lists, *key, *value)).map(|r| r.0).collect();
    if !read.is_empty() {
        let which = some_objects(lists.txns, &read);
        found.doubts.push(format!(
            "{} appended more than once and read: whose is not known, in {which}",
            phrases::count(read.len() as u64, "element was", "elements were")
        ));
    }
}

fn is_read(lists: &Lists<'_, '_>, key: KeyId, value: histories::ValueId) -> bool {
    !lists.lists[key.0 as usize].spoiled && lists.order(key.0 as usize).contains(&value)
}

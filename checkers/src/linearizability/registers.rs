//! Registers that are read, written, and compared and set.
//!
//! A history of registers is linearizable iff the history of each register is (Herlihy and Wing 1990, *locality*), so each key is
//! judged by itself, several at a time. Where all values written to a key are different, `zones` decide in linear time,
//! for any number of clients and of unknown outcomes; where they repeat, the search does, and it may run out.
//!
//! # What an operation says
//! - A read that was answered: the register held this. Any other read: nothing.
//! - A write or compare-and-set that is `ok` took effect between its two events; `info` or open: at any time after its invocation,
//!   or never; a write that is `fail`: never.
//! - A compare-and-set that is `fail` did not happen. If its reason says that it found something else (`mismatch`,
//!   `precondition-failed`, `x is 3, not 1`), then the register held something else at one moment. Without such a reason it may have been
//!   refused for anything, and says nothing: of the histories recorded from etcd, RethinkDB and MongoDB that come with
//!   Porcupine and Knossos, five that are linearizable would not be, and none the other way around.
//! - At the start a register holds `null`, unless [`Assumptions::initial`](crate::Assumptions::initial) says otherwise. It is not
//!   guessed from the first reads: a store that begins with garbage would then be right.
//!
//! # Limits
//! The order of events in the history is the order in time. One violation is reported for each key: after the first, nothing
//! that follows proves anything new.

mod explain;
mod failed;
mod front;
pub(crate) mod operations;
pub(crate) mod zones;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use histories::{EventIndex, History, KeyId, Scalar};

use super::words;
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::finding::Anomaly;
use crate::models::AnomalyType;
pub(super) use explain::earliest;
use front::Front;
use operations::{Op, Registers};
use zones::{Numbers, Violation, Zones};

/// What is known about one key.
#[derive(Debug)]
enum Verdict {
    Linearizable,
    Zones(Violation),
    Stuck(explain::Stuck),
    Search,
    Undecided { proven: usize, why: Exhausted },
    TooWide,
}

/// Judges every register of a history. `checked` counts `operations`, `keys`, and the keys that had to be `searched`.
///
/// The budget of steps is shared out evenly among the keys that have to be searched, and then once more among those that had not
/// enough, so that neither the order nor the number of threads plays a part.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    let registers = Registers::new(history, question.assume.initial.as_ref());
    let keys: Vec<KeyId> = registers.keys().collect();
    let mut verdicts = in_parallel(
        &keys,
        budget.threads,
        || Numbers::new(history.value_count()),
        |numbers, key| by_zones(registers.of(key), registers.initial, numbers),
    );
    let searched = search(&registers, &keys, &mut verdicts, budget);
    let mut found = Found { doubts: registers.skipped.doubts(history, "a register"), ..Found::default() };
    found.checked.insert("operations", registers.len() as u64);
    found.checked.insert("keys", keys.len() as u64);
    found.checked.insert("searched", searched as u64);
    for (key, verdict) in keys.iter().zip(verdicts) {
        tell(history, question, registers.of(*key), *key, verdict, &mut found);
    }
    found
}

/// The violation of one register as it was after an event, if zones show it.
pub(super) fn prove(history: &History, key: KeyId, last: EventIndex, initial: Option<&Scalar>) -> Option<Anomaly> {
    let ops = operations::of_prefix(history, key, last);
    let mut numbers = Numbers::new(history.value_count());
    match zones::judge(&ops, operations::initial_id(history, initial), &mut numbers) {
        Zones::Violated(violation) => Some(explain::Scene { history, ops: &ops, key, initial }.zones(&violation)),
        _ => None,
    }
}

fn by_zones(ops: &[Op], initial: u32, numbers: &mut Numbers) -> Verdict {
    match zones::judge(ops, initial, numbers) {
        Zones::Linearizable => Verdict::Linearizable,
        Zones::Violated(violation) => Verdict::Zones(violation),
        Zones::Repeated | Zones::Open => Verdict::Search,
    }
}

/// Searches the keys that zones leave open, in two rounds. Returns how many there are.
fn search(registers: &Registers, keys: &[KeyId], verdicts: &mut [Verdict], budget: &Budget<'_>) -> usize {
    let mut searched = 0;
    let mut last_share = 0u64;
    for round in 0..2 {
        let left = |v: &Verdict| matches!(v, Verdict::Search | Verdict::Undecided { why: Exhausted::Steps, .. });
        let open: Vec<usize> = (0..keys.len()).filter(|i| left(&verdicts[*i])).collect();
        let share = budget.steps / open.len().max(1) as u64;
        if open.is_empty() || (round > 0 && share < last_share.saturating_mul(2)) {
            break;
        }
        (searched, last_share) = (searched.max(open.len()), share);
        let part = Budget { steps: share, ..*budget };
        let results = in_parallel(
            &open,
            budget.threads,
            || (),
            |(), i| by_search(registers.of(keys[i]), registers.initial, &Meter::new(&part)),
        );
        open.into_iter().zip(results).for_each(|(i, verdict)| verdicts[i] = verdict);
    }
    searched
}

fn by_search(ops: &[Op], initial: u32, meter: &Meter<'_>) -> Verdict {
    match front::search(ops, initial, meter) {
        Front::Linearizable => Verdict::Linearizable,
        Front::Not { ended } => Verdict::Stuck(explain::stuck(ops, initial, ended, meter)),
        Front::Undecided { proven, why } => Verdict::Undecided { proven, why },
        Front::TooWide => Verdict::TooWide,
    }
}

/// Does the same with every item, on several threads; the results are in the order of the items.
pub(super) fn in_parallel<T: Copy + Sync, S, R: Send>(
    items: &[T],
    threads: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.clamp(1, items.len().max(1));
    if threads == 1 {
        let mut scratch = scratch();
        return items.iter().map(|item| work(&mut scratch, *item)).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut scratch = scratch();
                let mut mine = Vec::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    mine.push((i, work(&mut scratch, *item)));
                }
                done.lock().unwrap_or_else(|e| e.into_inner()).append(&mut mine);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

fn tell(history: &History, question: &Question, ops: &[Op], key: KeyId, verdict: Verdict, found: &mut Found) {
    let initial = question.assume.initial.as_ref();
    let scene = explain::Scene { history, ops, key, initial };
    let object = || format!("the register{}", words::of_key(history, key));
    match verdict {
        Verdict::Linearizable => {}
        Verdict::Zones(violation) => found.add(AnomalyType::Nonlinearizable, || scene.zones(&violation)),
        Verdict::Stuck(stuck) => found.add(AnomalyType::Nonlinearizable, || scene.stuck(&stuck)),
        Verdict::Undecided { proven, why } => {
            found.doubts.push(words::undecided(
                &object(),
                proven,
                ops.iter().filter(|op| op.is_certain()).count(),
                why,
            ));
        }
        Verdict::Search | Verdict::TooWide => {
            found.doubts.push(format!("{}: more than 1024 operations were open at once.", object()));
        }
    }
}

//! What each transaction sees of each register and leaves in it, and what it should not have seen.

use std::collections::BTreeSet;

use super::versions::{Access, NONE, Touch, Version, Versions};
use super::words::Words;
use crate::analysis::Found;
use crate::models::AnomalyType;
use crate::transactions::reading::Row;

/// Who touched a register last, and what its transaction knows the register to hold.
#[derive(Clone, Copy)]
struct Latest {
    row: Row,
    holds: Version,
}

/// The touches of all transactions that happened, in the order of their rows.
pub(super) fn touches(versions: &mut Versions<'_, '_>) -> Vec<Touch> {
    let mut touches: Vec<Touch> = Vec::with_capacity(versions.accesses.len());
    let mut latest = vec![NONE; versions.registers.len()];
    for access in &versions.accesses {
        let last = &mut latest[access.key.0 as usize];
        let again = touches.get(*last as usize).is_some_and(|t| t.row == access.row);
        if !again {
            *last = touches.len() as u32;
            touches.push(Touch { key: access.key, row: access.row, read: NONE, write: NONE });
        }
        let touch = &mut touches[*last as usize];
        if !access.write {
            if touch.read == NONE && touch.write == NONE {
                touch.read = access.version;
            }
        } else if let left = std::mem::replace(&mut touch.write, access.version)
            && left != NONE
        {
            let left = &mut versions.all[left as usize];
            left.intermediate |= left.writer == access.row;
        }
    }
    // A value that is written, replaced and written again is the last that its transaction left.
    for touch in touches.iter().filter(|t| t.write != NONE) {
        let last = &mut versions.all[touch.write as usize];
        last.intermediate &= last.writer != touch.row;
    }
    touches.retain(|t| versions.happened(t.row));
    touches
}

/// Looks at every read by itself.
pub(super) fn judge_reads(versions: &Versions<'_, '_>, found: &mut Found) {
    let mut latest = vec![Latest { row: NONE, holds: NONE }; versions.registers.len()];
    let mut garbage = BTreeSet::new();
    for access in versions.accesses.iter().take_while(|a| versions.txns.is_ok(a.row)) {
        let latest = &mut latest[access.key.0 as usize];
        let known = if latest.row == access.row { latest.holds } else { NONE };
        *latest = Latest { row: access.row, holds: access.version };
        if !access.write {
            judge(versions, access, known, &mut garbage, found);
        }
    }
}

fn judge(
    versions: &Versions<'_, '_>,
    access: &Access,
    known: Version,
    garbage: &mut BTreeSet<Version>,
    found: &mut Found,
) {
    let Access { version, row, .. } = *access;
    let words = Words::new(versions);
    if known != NONE && known != version {
        found.add(AnomalyType::Internal, || words.internal(access, known));
    }
    if let Some(writer) = versions.failed_writer(version) {
        found.add(AnomalyType::G1a, || words.aborted(access, writer));
    }
    if versions.is_garbage(version) && garbage.insert(version) {
        found.add(AnomalyType::GarbageRead, || words.garbage(access));
    }
    if let Some(writer) = versions.writer(version).filter(|w| *w != row && versions.all[version as usize].intermediate)
    {
        found.add(AnomalyType::G1b, || words.intermediate(access, writer));
    }
}

/// Updates by several transactions of the same version of a register.
pub(super) fn lost_updates(versions: &Versions<'_, '_>, touches: &[Touch], found: &mut Found) {
    let mut updates: Vec<(Version, Row)> = touches
        .iter()
        .filter(|t| t.read != NONE && t.write != NONE && !versions.all[t.read as usize].ambiguous)
        .map(|t| (t.read, t.row))
        .collect();
    updates.sort_unstable();
    for same in updates.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        let rows: Vec<Row> = same.iter().map(|(_, row)| *row).collect();
        found.add(AnomalyType::LostUpdate, || Words::new(versions).lost_update(same[0].0, &rows));
    }
}

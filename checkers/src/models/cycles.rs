//! Which cycles of a dependency graph prove which anomaly, as data.
//!
//! A cycle is named twice, and the two must agree. A [`CycleSpec`] says what to look for: which relations a cycle may
//! use, which it must use once, several times, or never twice in a row. [`classify`] says what a cycle is that was
//! found, from the one relation that each of its steps counts as:
//!
//! ```text
//!   steps that are rw or rwp     name                         with a predicate rw
//!   ------------------------     --------------------------   -------------------
//!   none, all ww                 G0
//!   none, some wr                G1c
//!   exactly one                  G-single-item                G-single
//!   several, none adjacent       G-nonadjacent-item           G-nonadjacent
//!   several, two in a row        G2-item                      G2
//! ```
//!
//! and `-realtime` behind it if any step needs the real-time order, else `-process` if any needs that of a process. The
//! last step of a cycle stands before its first: `rw wr rw` has two in a row.
//!
//! The rows are in the order in which they are searched: the worst anomaly first, so that a kind that is implied by one
//! already found need not be searched. Sources: Adya, *Weak Consistency* (PhD thesis, MIT 1999), for G0 to G2 and
//! G-single; Kingsbury and Alvaro, *Elle* (VLDB 2020), for the variants; the order and the exact rows are those of
//! `elle.txn/cycle-anomaly-specs` in Elle 0.2.7.

use crate::graphs::Relations;

use super::AnomalyType::{self, *};

/// What a cycle of one kind is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleSpec {
    /// What such a cycle proves.
    pub kind: AnomalyType,
    /// Relations that any number of its steps may be.
    pub anywhere: Relations,
    /// Relations that exactly one of its steps is; `NONE` for no such rule.
    pub single: Relations,
    /// Relations that steps may be, but never two in a row, the last and the first included; `NONE` for no such rule.
    pub nonadjacent: Relations,
    /// Relations that at least two of its steps are, taken together; `NONE` for no such rule. They are all in
    /// `anywhere` or in `nonadjacent`.
    pub multiple: Relations,
    /// For each of these sets at least one step is of it; a step counts for one set only.
    pub required: &'static [Relations],
}

impl CycleSpec {
    /// All relations that a step of such a cycle may be.
    pub const fn usable(&self) -> Relations {
        self.anywhere.or(self.single).or(self.nonadjacent)
    }
}

const NONE: Relations = Relations::NONE;
const RW: Relations = Relations::RW;
const WRITES: Relations = Relations::WW.or(Relations::WWP);
const READS: Relations = Relations::WR.or(Relations::WRP);
const DATA: Relations = WRITES.or(READS);
const ANTI: Relations = RW.or(Relations::RWP);
const PROCESS: Relations = Relations::PROCESS;
const REALTIME: Relations = Relations::REALTIME;

/// A cycle without anti-dependencies.
const fn dependent(kind: AnomalyType, anywhere: Relations, required: &'static [Relations]) -> CycleSpec {
    CycleSpec { kind, anywhere, single: NONE, nonadjacent: NONE, multiple: NONE, required }
}

/// A cycle with exactly one anti-dependency.
const fn single(kind: AnomalyType, order: Relations, anti: Relations, required: &'static [Relations]) -> CycleSpec {
    CycleSpec { kind, anywhere: DATA.or(order), single: anti, nonadjacent: NONE, multiple: NONE, required }
}

/// A cycle with several anti-dependencies, none of them in a row.
const fn apart(kind: AnomalyType, order: Relations, anti: Relations, required: &'static [Relations]) -> CycleSpec {
    CycleSpec { kind, anywhere: DATA.or(order), single: NONE, nonadjacent: anti, multiple: anti, required }
}

/// A cycle with several anti-dependencies, wherever.
const fn several(kind: AnomalyType, order: Relations, anti: Relations, required: &'static [Relations]) -> CycleSpec {
    CycleSpec { kind, anywhere: DATA.or(order).or(anti), single: NONE, nonadjacent: NONE, multiple: anti, required }
}

/// Every kind of cycle, in the order of the search: the worst first.
pub const CYCLE_SPECS: &[CycleSpec] = &[
    single(GSingleItem, NONE, RW, &[]),
    dependent(G0, WRITES, &[]),
    apart(GNonadjacentItem, NONE, RW, &[]),
    single(GSingleItemProcess, PROCESS, RW, &[PROCESS]),
    dependent(G1c, DATA, &[READS]),
    apart(GNonadjacentItemProcess, PROCESS, RW, &[PROCESS]),
    single(GSingle, NONE, ANTI, &[]),
    single(GSingleItemRealtime, REALTIME, RW, &[REALTIME]),
    several(G2Item, NONE, RW, &[]),
    apart(GNonadjacent, NONE, ANTI, &[]),
    apart(GNonadjacentItemRealtime, REALTIME, RW, &[REALTIME]),
    several(G2, NONE, ANTI, &[]),
    dependent(G0Process, WRITES.or(PROCESS), &[PROCESS]),
    dependent(G1cProcess, DATA.or(PROCESS), &[PROCESS, READS]),
    single(GSingleProcess, PROCESS, ANTI, &[PROCESS]),
    several(G2ItemProcess, PROCESS, RW, &[PROCESS]),
    apart(GNonadjacentProcess, PROCESS, ANTI, &[PROCESS]),
    several(G2Process, PROCESS, ANTI, &[PROCESS]),
    dependent(G0Realtime, WRITES.or(REALTIME), &[REALTIME]),
    dependent(G1cRealtime, DATA.or(REALTIME), &[REALTIME, READS]),
    single(GSingleRealtime, REALTIME, ANTI, &[REALTIME]),
    several(G2ItemRealtime, REALTIME, RW, &[REALTIME]),
    apart(GNonadjacentRealtime, REALTIME, ANTI, &[REALTIME]),
    several(G2Realtime, REALTIME, ANTI, &[REALTIME]),
];

/// The row of one kind; `None` if it is not a kind of cycle.
pub fn cycle_spec(kind: AnomalyType) -> Option<&'static CycleSpec> {
    CYCLE_SPECS.iter().find(|spec| spec.kind == kind)
}

/// What a cycle proves whose steps count as these relations, in order, each as one.
pub fn classify(steps: &[Relations]) -> AnomalyType {
    let any = |of: Relations| steps.iter().any(|step| step.meets(of));
    let order = match (any(REALTIME), any(PROCESS)) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    };
    shape(steps, any(Relations::RWP), any(READS))[order]
}

/// Its name without, with process and with real-time order.
fn shape(steps: &[Relations], by_predicate: bool, reads: bool) -> [AnomalyType; 3] {
    let anti = steps.iter().filter(|step| step.meets(ANTI)).count();
    let after = steps.iter().skip(1).chain(steps.first());
    let in_a_row = steps.iter().zip(after).any(|(a, b)| a.meets(ANTI) && b.meets(ANTI));
    match (anti, in_a_row, by_predicate) {
        (0, ..) if reads => [G1c, G1cProcess, G1cRealtime],
        (0, ..) => [G0, G0Process, G0Realtime],
        (1, _, false) => [GSingleItem, GSingleItemProcess, GSingleItemRealtime],
        (1, _, true) => [GSingle, GSingleProcess, GSingleRealtime],
        (_, false, false) => [GNonadjacentItem, GNonadjacentItemProcess, GNonadjacentItemRealtime],
        (_, false, true) => [GNonadjacent, GNonadjacentProcess, GNonadjacentRealtime],
        (_, true, false) => [G2Item, G2ItemProcess, G2ItemRealtime],
        (_, true, true) => [G2, G2Process, G2Realtime],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_stands_before_the_first() {
        assert_eq!(classify(&[RW, Relations::WR, RW]), G2Item);
        assert_eq!(classify(&[RW, Relations::WR, RW, Relations::WW]), GNonadjacentItem);
    }

    #[test]
    fn real_time_is_named_before_the_process() {
        assert_eq!(classify(&[Relations::WW, PROCESS]), G0Process);
        assert_eq!(classify(&[Relations::WW, PROCESS, REALTIME]), G0Realtime);
        assert_eq!(classify(&[Relations::WRP, PROCESS]), G1cProcess);
    }

    #[test]
    fn a_predicate_names_the_cycle_only_as_an_anti_dependency() {
        assert_eq!(classify(&[Relations::WRP, RW]), GSingleItem);
        assert_eq!(classify(&[Relations::WR, Relations::RWP]), GSingle);
        assert_eq!(classify(&[Relations::RWP, RW]), G2);
    }
}

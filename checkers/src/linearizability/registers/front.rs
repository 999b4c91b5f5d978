//! A register whose values repeat: the [search](crate::linearizability::search) with what is known about registers.
//!
//! A configuration is the value of the register and, for each open operation, what became of it. Six observations keep
//! them few; the first five follow from an exchange of operations in a linearization, which is sketched with each.
//!
//! - **Observers at once.** A read (or a compare-and-set that fails) changes nothing, so it is linearized as soon as the
//!   register shows what it saw: whoever could do it later can do it now.
//! - **Absorption.** When a write takes effect, every other open write may have taken effect just before it, unseen; and when the
//!   register holds `v`, so may every open write of `v`. Such a write is *free*: at its end it may be dropped for
//!   nothing, and until then it can still be used.
//! - **Useful moves.** A write that is not forced is linearized only if what it leaves is looked at before the forced
//!   one: by an open read or compare-and-set, or by one that failed on the present value. Otherwise the next write would hide it,
//!   and it is free. The last free use of a write is worth a configuration only if somebody will ever look at its value.
//! - **The same value.** Of several open writes of one value that with the earliest end is used: exchange the two in any
//!   linearization.
//! - **Dominance.** A configuration with the same value in which more reads are done, more writes are free or unused and
//!   fewer indeterminate operations are used up can do whatever the other can.
//! - **Dead values.** To leave a value that somebody still has to read, and that nobody can write again, leads nowhere.
//!
//! # Unknown outcomes
//! An operation that never ended is never forced, and never leaves the list of those that may still take effect. Those that write
//! the same (or compare and set the same) are one another's likes, so a configuration only counts how many of each it used. A write
//! is left out if its value is never looked at and no compare-and-set failed: a linearization without it is one with it, put
//! last; and in one with it, nobody sees when it is taken out. Where one did fail, a write of *anything* else may be why,
//! and all values that nobody looks at are one value.

mod moves;
mod nodes;
mod plan;
mod walk;

use super::super::search::{self, Outcome};
use super::operations::Op;
use crate::budget::Meter;
use plan::{Event, Plan};
use walk::Registered;

/// What a search over one register found. `at` counts events of this register.
#[derive(Debug)]
pub(super) enum Front {
    Linearizable,
    /// Nothing survives the end of `ended`, given what comes later.
    Not {
        ended: usize,
    },
    /// `proven` operations were completed in the part that has a linearization.
    Undecided {
        proven: usize,
        why: crate::budget::Exhausted,
    },
    /// More operations were open at once than the search can tell apart.
    TooWide,
}

/// Searches for a linearization of these operations, of which a read is never indeterminate.
pub(super) fn search(ops: &[Op], initial: u32, meter: &Meter<'_>) -> Front {
    let plan = Plan::new(ops, initial);
    match plan.width {
        0..=64 => run::<1>(plan, meter),
        65..=128 => run::<2>(plan, meter),
        129..=256 => run::<4>(plan, meter),
        257..=1024 => run::<16>(plan, meter),
        _ => Front::TooWide,
    }
}

fn run<const N: usize>(plan: Plan, meter: &Meter<'_>) -> Front {
    let mut space = Registered::<N>::new(plan);
    match search::search(&mut space, meter) {
        Outcome::Linearizable => Front::Linearizable,
        Outcome::Undecided { at, why } => {
            let proven = space.plan.events[..at].iter().filter(|e| matches!(e, Event::Ends(_))).count();
            Front::Undecided { proven, why }
        }
        Outcome::Not { at } => {
            let Event::Ends(op) = space.plan.events[at] else { unreachable!("only an end kills") };
            Front::Not { ended: space.plan.origin[op as usize] }
        }
    }
}

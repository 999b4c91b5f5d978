//! Every fold agrees with a slow reference on every small history.

mod reference;
mod support;

use checkers::Observed;
use histories::{Event, Guarantee};
use reference::Past;
use reference::order::{self, Rule};
use support::random::{Objects, Shape};
use support::{Rng, agree, finding, random};

fn violated(events: &[Event], guarantee: Guarantee) -> bool {
    finding(events, guarantee).observed == Observed::Violated
}

/// Compares verdicts on many random histories of these shapes; both verdicts have to be common.
fn verdicts_agree(guarantee: Guarantee, shapes: &[Shape], each: u64, reference: impl Fn(&Past) -> bool) {
    for shape in shapes {
        let mut bad = 0;
        for seed in 0..each {
            let events = random::history(&mut Rng(seed), *shape);
            bad += u64::from(agree(&events, |e| violated(e, guarantee), |e| reference(&Past::of(e))));
        }
        assert!(bad * 30 > each && bad * 20 < each * 19, "{bad} of {each} are violated: {shape:?}");
    }
}

fn shapes(objects: &[Objects]) -> Vec<Shape> {
    objects.iter().map(|objects| Shape::of(*objects)).collect()
}

const EACH: u64 = 2500;

#[test]
fn monotonic_reads() {
    use Objects::*;
    let mut all = shapes(&[Lists, Sets, Registers, Counters, Mixed]);
    all.push(Shape { removes: 30, ..Shape::of(Sets) });
    all.push(Shape { removes: 10, ..Shape::of(Registers) });
    all.push(Shape { keys: 1, sessions: 1, processes: 1, ..Shape::of(Registers) });
    all.push(Shape { keys: 1, sessions: 2, processes: 4, ..Shape::of(Registers) });
    verdicts_agree(Guarantee::MonotonicReads, &all, EACH, reference::reads::monotonic_reads_violated);
}

#[test]
fn read_your_writes() {
    use Objects::*;
    let mut all = shapes(&[Lists, Sets, Registers, Counters, Mixed]);
    all.push(Shape { removes: 30, ..Shape::of(Sets) });
    all.push(Shape { keys: 1, sessions: 2, processes: 4, ..Shape::of(Registers) });
    verdicts_agree(Guarantee::ReadYourWrites, &all, EACH, reference::reads::read_your_writes_violated);
}

/// Shapes in which sessions write and read much.
fn busy() -> Vec<Shape> {
    use Objects::*;
    let busy = |objects| Shape { sessions: 2, operations: 9, lies: 60, ..Shape::of(objects) };
    vec![
        Shape { keys: 1, txns: 0, ..busy(Lists) },
        Shape { keys: 1, txns: 0, operations: 10, lies: 75, ..busy(Sets) },
        Shape { keys: 1, processes: 4, ..busy(Lists) },
        Shape { txns: 60, ..busy(Lists) },
        Shape { txns: 60, ..busy(Registers) },
        Shape { txns: 60, operations: 10, ..busy(Mixed) },
        Shape { keys: 1, txns: 0, removes: 10, operations: 11, lies: 75, ..busy(Sets) },
        Shape { reuse: 20, fails: 20, keys: 1, txns: 0, ..busy(Lists) },
    ]
}

#[test]
fn consistent_prefix() {
    verdicts_agree(Guarantee::ConsistentPrefix, &busy(), EACH, |p| order::violated(p, Rule::ConsistentPrefix));
}

#[test]
fn monotonic_writes() {
    verdicts_agree(Guarantee::MonotonicWrites, &busy(), EACH, |p| order::violated(p, Rule::MonotonicWrites));
}

#[test]
fn writes_follow_reads() {
    verdicts_agree(Guarantee::WritesFollowReads, &busy(), EACH, |p| order::violated(p, Rule::WritesFollowReads));
}

#[test]
fn counter_bounds() {
    let shapes =
        [Shape::of(Objects::Counters), Shape { removes: 40, fails: 20, infos: 15, ..Shape::of(Objects::Counters) }];
    for shape in shapes {
        let mut bad = 0;
        for seed in 0..3 * EACH {
            let events = random::history(&mut Rng(seed), shape);
            let out = agree(
                &events,
                |e| finding(e, Guarantee::CounterBounds).counts["reads_out_of_bounds"] as usize,
                |e| reference::reads::counter_reads_out_of_bounds(&Past::of(e)),
            );
            assert!(out <= reference::reads::counter_reads_inexplicable(&Past::of(&events)));
            bad += usize::from(out > 0);
        }
        assert!(bad * 20 > EACH as usize && bad * 2 < 5 * EACH as usize, "{bad}: {shape:?}");
    }
}

#[test]
fn durability() {
    use Objects::*;
    let mut all = shapes(&[Lists, Sets, Registers, Mixed]);
    all.push(Shape { removes: 30, ..Shape::of(Sets) });
    all.push(Shape { removes: 10, reuse: 10, ..Shape::of(Registers) });
    all.push(Shape { nodes: 2, lies: 70, ..Shape::of(Lists) });
    all.push(Shape { nodes: 2, lies: 70, ..Shape::of(Registers) });
    for shape in all {
        let mut lost = 0;
        for seed in 0..EACH {
            let events = random::history(&mut Rng(seed), shape);
            let account = agree(&events, fold_account, |e| reference::durability::account(&Past::of(e)));
            lost += u64::from(account.lost > 0);
        }
        assert!(lost * 50 > EACH && lost * 20 < EACH * 19, "{lost} of {EACH} have lost something: {shape:?}");
    }
}

fn fold_account(events: &[Event]) -> reference::durability::Account {
    let finding = finding(events, Guarantee::Durability);
    let of = |name: &str| finding.counts[name];
    reference::durability::Account {
        acknowledged: of("acknowledged"),
        never_read: of("never_read"),
        indeterminate: of("indeterminate"),
        surfaced: of("surfaced"),
        lost: of("lost"),
        aborted: of("aborted_reads"),
        phantoms: of("phantoms"),
        duplicated: of("duplicated"),
        resurrected: of("resurrected"),
    }
}

//! Correct stores are never accused, and a planted bug is found by the checker that it belongs to.

mod support;

use checkers::{CheckConfig, Finding, Observed, check};
use histories::{Guarantee, History};
use support::Rng;
use support::stores::{Bug, ReadFrom, Recorded, Run, record};

const SEEDS: u64 = 12;

fn findings(recorded: &Recorded) -> Vec<Finding> {
    check(&History::from_events(&recorded.events), &CheckConfig::default())
}

/// How many of the runs violate each guarantee.
fn violated(run: Run) -> Vec<(Guarantee, u64)> {
    let mut violated: Vec<(Guarantee, u64)> = Guarantee::FOLDS.into_iter().map(|g| (g, 0)).collect();
    for seed in 0..SEEDS {
        for (i, finding) in findings(&record(&mut Rng(seed), run)).iter().enumerate() {
            assert_eq!(finding.guarantee, violated[i].0);
            assert!(
                matches!(finding.observed, Observed::Held | Observed::Violated),
                "seed {seed}: {} is {:?}: {}",
                finding.guarantee,
                finding.observed,
                finding.summary
            );
            violated[i].1 += u64::from(finding.observed == Observed::Violated);
        }
    }
    violated
}

/// These guarantees are violated in most runs, and those in none; about the others nothing is said.
fn expect(run: Run, always: &[Guarantee], never: &[Guarantee]) {
    let violated = violated(run);
    for (guarantee, count) in &violated {
        if always.contains(guarantee) {
            assert!(*count * 4 >= SEEDS * 3, "{guarantee} is violated {count} times only: {run:?}");
        }
        if never.contains(guarantee) {
            assert_eq!(*count, 0, "{guarantee} has to be held: {run:?}");
        }
    }
}

#[test]
fn a_linearizable_store_keeps_everything() {
    expect(Run::reading_from(ReadFrom::Leader), &[], &Guarantee::FOLDS);
    expect(Run { infos: 20, ..Run::reading_from(ReadFrom::Leader) }, &[], &Guarantee::FOLDS);
}

#[test]
fn reads_from_any_replica_go_back_but_stay_prefixes() {
    use Guarantee::*;
    let run = Run::reading_from(ReadFrom::Any);
    let kept = [Durability, MonotonicWrites, WritesFollowReads, ConsistentPrefix, Convergence, Recovery];
    expect(run, &[ReadYourWrites, MonotonicReads, CounterBounds], &kept);
}

#[test]
fn sticky_reads_do_not_go_back() {
    use Guarantee::*;
    let run = Run::reading_from(ReadFrom::Sticky);
    let kept =
        [Durability, MonotonicReads, MonotonicWrites, WritesFollowReads, ConsistentPrefix, Convergence, Recovery];
    expect(run, &[ReadYourWrites, CounterBounds], &kept);
}

#[test]
fn keys_read_from_different_replicas_are_no_prefix() {
    use Guarantee::*;
    let run = Run::reading_from(ReadFrom::AnyPerKey);
    expect(run, &[ConsistentPrefix, MonotonicReads, WritesFollowReads], &[Durability, Convergence, Recovery]);
}

#[test]
fn a_lost_tail_is_counted_write_by_write() {
    use Guarantee::*;
    let run = Run { fails: 0, ..Run::reading_from(ReadFrom::Leader).with(Bug::LosesTail) };
    let mut found = 0;
    for seed in 0..SEEDS {
        let recorded = record(&mut Rng(seed), run);
        let durability = findings(&recorded).remove(0);
        assert_eq!(durability.guarantee, Durability);
        let of_elements = lost_elements(&durability);
        assert_eq!(of_elements, recorded.lost, "{}", durability.summary);
        assert_eq!(durability.observed == Observed::Violated, durability.counts["lost"] > 0);
        found += u64::from(of_elements > 0);
    }
    assert!(found > SEEDS / 2, "{found}");
}

fn lost_elements(durability: &Finding) -> u64 {
    let of_lists = |a: &&checkers::Anomaly| {
        let key = a.key.as_deref().unwrap_or_default();
        a.kind == "lost-write" && key.starts_with('l')
    };
    durability.anomalies.iter().filter(of_lists).count() as u64
}

#[test]
fn each_bug_is_found_by_its_checker() {
    use Guarantee::*;
    let leader = Run::reading_from(ReadFrom::Leader);
    let any = Run::reading_from(ReadFrom::Any);
    expect(leader.with(Bug::AppliesTwice), &[Durability, CounterBounds], &[Convergence, Recovery]);
    expect(
        leader.with(Bug::SkipsUpdates),
        &[Durability, ReadYourWrites, ConsistentPrefix, CounterBounds],
        &[Convergence],
    );
    expect(leader.with(Bug::DoesRefused), &[Durability], &[MonotonicReads, Convergence, Recovery]);
    expect(any.with(Bug::Reorders), &[ConsistentPrefix], &[Recovery]);
    expect(any.with(Bug::StuckFollower), &[Convergence], &[Durability, ConsistentPrefix, MonotonicWrites, Recovery]);
    expect(Run { dumps: false, ..any.with(Bug::StuckFollower) }, &[Convergence], &[Durability]);
    expect(leader.with(Bug::BringsBack), &[Durability], &[MonotonicWrites, ConsistentPrefix, Convergence]);
    expect(Run { recovery_ms: 20_000, ..leader }, &[Recovery], &[Durability, Convergence]);
}

#[test]
fn a_run_that_is_cut_short_loses_nothing() {
    let run = Run::reading_from(ReadFrom::Any);
    for seed in 0..SEEDS {
        let mut recorded = record(&mut Rng(seed), run);
        recorded.events.truncate(700 + 100 * seed as usize);
        let findings = findings(&recorded);
        assert_eq!(findings[0].observed, Observed::Unknown, "{}", findings[0].summary);
        for finding in &findings {
            let fine = !matches!(finding.guarantee, Guarantee::Convergence | Guarantee::Recovery);
            assert!(fine || finding.observed == Observed::Unknown, "{finding:?}");
        }
    }
}

/// The same folds, stepped while the history grows.
#[test]
fn a_growing_history_is_judged_like_a_recorded_one() {
    for bug in [Bug::LosesTail, Bug::Reorders, Bug::DoesRefused] {
        let recorded = record(&mut Rng(5), Run::reading_from(ReadFrom::Any).with(bug));
        let mut history = History::new();
        let mut all = checkers::all(&CheckConfig::default());
        let mut so_far = vec![0; all.len()];
        for event in &recorded.events {
            let index = history.push(event);
            for (checker, before) in all.iter_mut().zip(&mut so_far) {
                checker.step(&history, index);
                assert!(checker.violations_so_far() >= *before, "what is certain stays certain");
                *before = checker.violations_so_far();
            }
        }
        let online: Vec<Finding> = all.into_iter().map(|c| c.finish(&history)).collect();
        for (one, other) in online.iter().zip(&findings(&recorded)) {
            let facts = |f: &Finding| (f.observed, f.violations, f.counts.clone(), f.summary.clone());
            assert_eq!(facts(one), facts(other));
            let evidence = |f: &Finding| f.anomalies.iter().map(|a| a.operations.clone()).collect::<Vec<_>>();
            assert_eq!(evidence(one), evidence(other));
        }
    }
}

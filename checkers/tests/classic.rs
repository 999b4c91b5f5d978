//! Bank, set, counter, long fork and unique identifiers: what each finds, and what it leaves alone.

mod classic_support;
mod support;

use checkers::analysis::Analyzer;
use checkers::classic::{bank, counter, long_fork, set, unique_ids};
use checkers::{AnomalyType, Assumptions, Budget, Found};
use histories::{History, notation};

use AnomalyType::*;
use classic_support::recorded::recorded;
use classic_support::{counts, found, found_in, found_under, question};

/// The only anomaly of a history, in the form `kind [operations] explanation`.
fn only(check: Analyzer, text: &str) -> String {
    let found = found_in(check, text);
    let cases: Vec<_> = found.groups.values().flat_map(|group| &group.cases).collect();
    assert_eq!((cases.len(), found.doubts.len()), (1, 0), "{text}\n{found:#?}");
    format!("{} {:?} {}", cases[0].kind, cases[0].operations, cases[0].explanation)
}

fn clean(check: Analyzer, text: &str) {
    let found = found_in(check, text);
    assert!(found.groups.is_empty() && found.doubts.is_empty(), "{text}\n{found:#?}");
}

fn doubtful(check: Analyzer, text: &str, doubt: &str) {
    let found = found_in(check, text);
    assert!(found.groups.is_empty(), "{text}\n{found:#?}");
    assert_eq!(found.doubts, [doubt], "{text}");
}

fn kinds(found: &Found) -> Vec<(AnomalyType, u64)> {
    counts(found).into_iter().collect()
}

const START: &str = r#"0:r()({"a":10,"b":0}) "#;

#[test]
fn a_transfer_that_is_half_seen_makes_a_wrong_total() {
    let half = format!(
        r#"{START} 1<~transfer{{"from":"a","to":"b","amount":5}} 0:r()({{"a":5,"b":0}}) 1>~transfer{{"from":"a","to":"b","amount":5}}"#
    );
    assert_eq!(
        only(bank::check, &half),
        "wrong-total [0, 2, 3] process 0 read {\"a\":5,\"b\":0} (#3), which makes 5 together, but the first read (#0) shows \
         10, and transfers only move money: 5 too little, as much as #2 transfer {\"amount\":5,\"from\":\"a\",\"to\":\"b\"} \
         moves, which was under way: as if half of it had been seen"
    );
    // Seen whole, or not at all.
    clean(bank::check, &half.replace(r#"{"a":5,"b":0}"#, r#"{"a":5,"b":5}"#));
    clean(bank::check, &half.replace(r#"{"a":5,"b":0}"#, r#"{"a":10,"b":0}"#));
}

#[test]
fn an_account_is_overdrawn_unless_that_is_allowed() {
    let text = format!(r#"{START} 0:r()({{"a":-1,"b":11}})"#);
    assert_eq!(
        only(bank::check, &text),
        "negative-balance [2] process 0 read {\"a\":-1,\"b\":11} (#2): account a holds -1, and none may be overdrawn"
    );
    let history = notation::history(&text);
    let allowed = Assumptions { negative_balances: true, ..Assumptions::default() };
    assert!(found_under(bank::check, &history, allowed).groups.is_empty());
    clean(bank::check, &format!(r#"{START} 0:r()({{"a":0,"b":10}})"#));
}

#[test]
fn accounts_are_those_of_the_first_read_and_of_transfers() {
    let missing = format!(r#"{START} 0:r()({{"a":10}})"#);
    assert_eq!(
        only(bank::check, &missing),
        "missing-key [0, 2] process 0 read {\"a\":10} (#2): account b is missing; the first read (#0) shows which accounts \
         there are"
    );
    assert_eq!(
        only(bank::check, &missing.replace(r#"({"a":10})"#, r#"({"a":10,"b":null})"#)),
        "missing-key [0, 2] process 0 read {\"a\":10,\"b\":null} (#2): account b is missing; the first read (#0) shows which \
         accounts there are"
    );
    let unexpected = format!(r#"{START} 0:r()({{"a":10,"b":0,"c":0}})"#);
    assert_eq!(
        only(bank::check, &unexpected),
        "unexpected-key [0, 2] process 0 read {\"a\":10,\"b\":0,\"c\":0} (#2): nobody has opened account c; the first read \
         (#0) shows which accounts there are"
    );
    clean(bank::check, &format!(r#"{unexpected} 1:~transfer{{"from":"a","to":"c","amount":1}}?"#));
}

#[test]
fn a_total_that_is_given_is_held_against_the_first_read_too() {
    let history = notation::history(START);
    let given =
        |total| found_under(bank::check, &history, Assumptions { total: Some(total), ..Assumptions::default() });
    assert_eq!(kinds(&given(11)), [(WrongTotal, 1)]);
    assert_eq!(kinds(&given(10)), []);
}

#[test]
fn accounts_may_be_read_by_transactions() {
    let text = |second: &str| format!("0:r(0)(10)r(1)(0) 1:r(0)(10)r(1)(0)w(0)5w(1)5 0:{second}");
    assert_eq!(kinds(&found_in(bank::check, &text("r(0)(5)r(1)(0)"))), [(WrongTotal, 1)]);
    assert_eq!(kinds(&found_in(bank::check, &text("r(0)(5)r(1)_"))), [(MissingKey, 1)]);
    clean(bank::check, &text("r(1)(5)r(0)(5)"));
    // One account alone is held to no sum.
    clean(bank::check, &text("{r(0)(7)}"));
}

#[test]
fn what_is_no_balance_is_doubted() {
    doubtful(
        bank::check,
        &format!(r#"{START} 0:r()({{"a":"ten","b":0}}) 0:r()12 0:r()_"#),
        "3 operations, the first of them #2, read balances that are not whole numbers, or nothing at all.",
    );
    doubtful(bank::check, r#"1:~transfer{"from":"a","to":"b","amount":5}"#, "The accounts were never read.");
}

#[test]
fn an_acknowledged_element_that_is_missing_to_the_end_is_lost() {
    assert_eq!(
        only(set::check, "0:+x1 0:+x2 1:rx2"),
        "lost-element [0, 4] process 0 added 1 to x (#0) and that was acknowledged; then process 1 invoked a read (#4) that \
         does not show 1, and neither does any read that was invoked later: it is lost; no read has ever shown it"
    );
    clean(set::check, "0:+x1 0:+x2 1:rx21");
    // Not acknowledged when the read began, or never.
    clean(set::check, "0:+x2 0<+x1 1:rx2 0>+x1 1:rx12");
    clean(set::check, "0:+x2 0:+x1? 1:rx2");
    clean(set::check, "0:+x2 0:+x1! 1:rx2");
    // Asked to go.
    clean(set::check, "0:+x1 0:+x2 1:-x1? 1:rx2");
}

#[test]
fn an_element_of_unknown_outcome_binds_once_it_was_seen() {
    assert_eq!(
        only(set::check, "0:+x1? 2:+x2 1:rx12 1:rx2"),
        "lost-element [0, 4, 6] 1 was there: a read of process 1 (#4) had shown it; then process 1 invoked a read (#6) that \
         does not show 1, and neither does any read that was invoked later: it is lost; #4 was the last read to show it"
    );
    // The second read began before the first one ended.
    clean(set::check, "0:+x1? 2:+x2 1<rx 3<rx 1>rx12 3>rx2");
    let found = found_in(set::check, "0:+x1? 1:rx1");
    assert_eq!((found.checked["recovered"], found.checked["acknowledged"]), (1, 0));
}

#[test]
fn an_element_that_comes_back_was_missed_by_a_stale_read() {
    assert_eq!(
        only(set::check, "0:+x1 1:rx[] 1:rx1"),
        "stale-element [0, 2, 4] process 0 added 1 to x (#0) and that was acknowledged; then process 1 invoked a read (#2), \
         which does not show 1, and #4 shows it again"
    );
    clean(set::check, "0<+x1 1:rx[] 0>+x1 1:rx1");
    assert_eq!(kinds(&found_in(set::check, "0:+x1 1:rx1 1:rx[] 1:rx1 1:rx[] 1:rx1")), [(StaleElement, 1)]);
    assert_eq!(kinds(&found_in(set::check, "0:+x1 1:rx[] 1:rx1 1:rx[]")), [(LostElement, 1)]);
}

#[test]
fn elements_that_should_not_be_there() {
    assert_eq!(
        only(set::check, "0:+x1 1:rx19"),
        "unexpected-element [2] process 1 read [1 9] from x (#2), but nobody was ever asked to add 9"
    );
    assert_eq!(
        only(set::check, "0:+x1! 1:rx1"),
        "G1a [0, 2] process 1 read [1] from x (#2) and finds 1 in it, but the add of 1 (#0) failed"
    );
    assert_eq!(
        only(set::check, "1:rx1 0:+x1 1:rx1"),
        "nonlinearizable [0, 2] process 1 read [1] from x (#0) and finds 1 in it, but only after that read had ended was \
         anybody asked to add 1 (#2)"
    );
    assert_eq!(
        only(set::check, "0:+x1 1:rx11"),
        "duplicate-elements [0, 2] a read of process 1 shows 1 2 times (#2): a set has each element once"
    );
    clean(set::check, "0:+x1! 0:+x1 1:rx1");
    clean(set::check, "1<rx 0:+x1 1>rx1");
}

#[test]
fn a_removed_element_that_is_back() {
    assert_eq!(
        only(set::check, "0:+x1 0:-x1 1:rx1"),
        "resurrected-element [0, 2, 4] process 0 removed 1 from x (#2) and that was acknowledged, after every add of it had \
         ended; then a read of process 1 shows 1 again (#4)"
    );
    clean(set::check, "0:+x1 0:-x1 1:rx[]");
    clean(set::check, "0:+x1 0:-x1 0:+x1 1:rx1");
    clean(set::check, "0:+x1? 1:-x1 2:rx1");
    clean(set::check, "0:+x1 0:-x1? 1:rx1");
    clean(set::check, "0:+x1 1<rx 0:-x1 1>rx1");
}

#[test]
fn a_set_that_is_never_read_is_doubted() {
    doubtful(set::check, "0:+x1", "The set of #0 was never read.");
    doubtful(set::check, "0:+x1 0:rx1 1:rx(5)", "1 operation, the first of them #4, read something that is not a set.");
    clean(set::check, "0:rx_ 0:ry1");
    assert_eq!(found_in(set::check, "1:rx[] 0:+x1").checked["never_read"], 1);
}

#[test]
fn a_counter_out_of_its_bounds() {
    assert_eq!(
        only(counter::check, "0:ix3 1:rx2"),
        "out-of-bounds [0, 2] process 1 read 2 from x (#2), but 3 is the least that it can be: what had been acknowledged \
         when the read began makes 3 together with every decrement that may have happened"
    );
    assert_eq!(
        only(counter::check, "0:ix3 1:rx4"),
        "out-of-bounds [0, 2] process 1 read 4 from x (#2), but 3 is the most that it can be: everything that anybody had \
         asked for when the read ended, and that did not fail, makes 3 together with the decrements that had been \
         acknowledged"
    );
    clean(counter::check, "0:ix3 1:rx3");
    clean(counter::check, "0<ix3 1:rx0 2:rx3 0>ix3");
    clean(counter::check, "0:ix3? 1:rx0 1:rx3");
    clean(counter::check, "0:ix3 1:ix-1? 2:rx3 2:rx2");
    assert_eq!(kinds(&found_in(counter::check, "0:ix3! 1:rx3")), [(OutOfBounds, 1)]);
    assert_eq!(kinds(&found_in(counter::check, "0:ix3 1:ix-1 2:rx3")), [(OutOfBounds, 1)]);
    assert_eq!(kinds(&found_in(counter::check, "1:rx3 0:ix3")), [(OutOfBounds, 1)]);
}

#[test]
fn a_counter_that_only_grows_never_shows_less_than_before() {
    assert_eq!(
        only(counter::check, "0<ix3 1:rx3 2:rx0 0>ix3"),
        "nonlinearizable [1, 3] process 1 read 3 from x (#1), and later process 2 read 0 from x (#3): nothing is ever taken \
         from this counter, so it cannot have gone from 3 to 0"
    );
    // The two reads overlap; something may have been taken.
    clean(counter::check, "0<ix3 2<rx 1:rx3 2>rx0 0>ix3");
    clean(counter::check, "0<ix3 3<ix-3 1:rx3 2:rx0 0>ix3 3>ix-3");
}

#[test]
fn to_add_a_number_to_a_counter_is_to_increment_it() {
    assert_eq!(kinds(&found_in(counter::check, "0:+x3 0:+x3 1:rx(5)")), [(OutOfBounds, 1)]);
    clean(counter::check, "0:+x3 0:+x3 1:rx(6)");
    doubtful(
        counter::check,
        r#"0:ix3 1:rx(["a"]) 1:rx("three")"#,
        "2 operations, the first of them #2, read something that is not a whole number.",
    );
}

#[test]
fn two_readers_that_see_two_writes_in_opposite_orders() {
    let fork = "0:{wx1} 1:{wy1} 2:rx1ry_ 3:rx_ry1";
    let told = only(long_fork::check, fork);
    assert!(
        told.starts_with("long-fork [0, 2, 4, 6] process 2 read 1 from x and nothing from y (#4); process 3"),
        "{told}"
    );
    let found = found_in(long_fork::check, fork);
    assert_eq!(found.groups[&LongFork].cases[0].relations.len(), 4);
    clean(long_fork::check, "0:{wx1} 1:{wy1} 2:rx1ry_ 3:rx1ry1 2:ry_rx_");
    // Other groups.
    clean(long_fork::check, "0:{wx1} 1:{wy1} 2:rx1ry_rz_ 3:rx_ry1");
    // The chain breaks once, however many readers disagree.
    assert_eq!(kinds(&found_in(long_fork::check, &format!("{fork} 2:rx1ry_ 3:rx_ry1 4:rx_ry1"))), [(LongFork, 1)]);
}

#[test]
fn what_long_fork_cannot_judge_is_said() {
    doubtful(
        long_fork::check,
        "0:{wx1} 0:{wx2} 1:{wy1} 2:rx1ry_ 3:rx2ry_ 3:rx_ry1",
        "1 operation, the first of them #6, read a group in which a key was seen with two values.",
    );
    assert_eq!(kinds(&found_in(long_fork::check, "0:{wx1}! 1:rx1ry_")), [(G1a, 1)]);
    assert_eq!(kinds(&found_in(long_fork::check, "0:{wx1} 1:rx1ry5")), [(GarbageRead, 1)]);
    let zero = Assumptions { initial: Some(0.into()), ..Assumptions::default() };
    let history = notation::history("0:{wx1} 1:{wy1} 2:rx1ry0 3:rx0ry1");
    assert_eq!(kinds(&found_under(long_fork::check, &history, zero)), [(LongFork, 1)]);
}

#[test]
fn an_identifier_that_is_given_out_twice() {
    assert_eq!(
        only(unique_ids::check, r#"0:~generate=7 1:~generate=8 2:~generate=7"#),
        "duplicate-id [0, 4] process 0 and process 2 each asked for a new identifier (#0, #4), and both got 7"
    );
    clean(unique_ids::check, r#"0:~generate=7 1:~generate=(7.5) 2:~generate"7" 3:~generate? 4:~generate!"#);
    assert_eq!(kinds(&found_in(unique_ids::check, "0:~generate=7 0:~generate=7 0:~generate=7")), [(DuplicateId, 2)]);
    doubtful(
        unique_ids::check,
        "0:~generate=7 0:~generate",
        "1 operation, the first of them #2, asked for an identifier and got none.",
    );
}

/// The verdicts that elle-cli expects, and what there is to see in each file.
#[test]
fn recorded_histories_get_the_verdict_that_is_known_of_them() {
    let of = |check: Analyzer, name: &str| found(check, &recorded(name));
    let bank_of = of(bank::check, "bank.edn");
    assert_eq!((kinds(&bank_of), bank_of.doubts.len()), (vec![], 0));
    assert!(bank_of.checked["reads"] > 100, "{:?}", bank_of.checked);
    let tidb = of(bank::check, "bank-tidb.edn");
    assert_eq!(tidb.groups.keys().copied().collect::<Vec<_>>(), [WrongTotal], "{:?}", counts(&tidb));
    assert_eq!(kinds(&of(bank::check, "bank-negative-balances.json")), [(NegativeBalance, 1)]);
    let counter_of = of(counter::check, "counter.json");
    assert_eq!((kinds(&counter_of), counter_of.doubts.len(), counter_of.checked["increments"]), (vec![], 0, 287));
}

/// What was added are pairs `[key element]`, and a read shows elements: all of the pairs are lost, and none of the elements
/// was ever added. elle-cli expects the same.
#[test]
fn pairs_that_are_read_without_their_key_are_lost() {
    let lost = found(set::check, &recorded("set_full.json"));
    assert_eq!(kinds(&lost), [(LostElement, 293), (UnexpectedElement, 293)]);
    assert_eq!(lost.checked["acknowledged"], 293);
}

#[test]
fn a_check_that_may_take_no_more_steps_says_so() {
    let history = notation::history("0:+x1 0:+x2 1:rx12");
    for check in [bank::check, counter::check, long_fork::check, set::check, unique_ids::check] as [Analyzer; 5] {
        let budget = Budget { steps: 1, ..Budget::default() };
        let found = check(&history, &question(Assumptions::default()), &budget);
        assert!(found.groups.is_empty());
        assert_eq!(found.doubts, ["Not every operation was looked at: the budget of search steps was used up."]);
    }
    assert_eq!(counts(&found(bank::check, &History::new())).len(), 0);
}

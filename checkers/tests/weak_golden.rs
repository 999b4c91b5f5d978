//! One history for each contradiction, and one that is nearly the same and holds.

use checkers::weak::sessions::{self, Levels};
use checkers::weak::transactional::{self, Level};
use checkers::weak::{exactly_once, prefix, staleness};
use checkers::{Assumptions, Budget, Found, Meter, Model, Question};
use histories::{Event, History, Kind, Operation, Process, Scalar, notation};

fn names(found: &Found) -> Vec<&'static str> {
    found.groups.keys().map(|kind| kind.name()).collect()
}

fn with(text: &str, levels: Levels) -> Vec<&'static str> {
    names(&sessions::levels(&notation::history(text), levels, None, &Meter::new(&Budget::default())))
}

fn causal(text: &str) -> Vec<&'static str> {
    with(text, Levels { causal: true, convergence: true, memory: true, ..Levels::NONE })
}

fn pram(text: &str) -> Vec<&'static str> {
    with(text, Levels { pram: true, ..Levels::NONE })
}

fn guarantees(text: &str) -> Vec<&'static str> {
    with(text, Levels { guarantees: true, ..Levels::NONE })
}

const NOTHING: [&str; 0] = [];

#[test]
fn cyclic_co() {
    assert_eq!(causal("1:rx1 1:wy1 2:ry1 2:wx1"), ["CyclicCO"]);
    assert_eq!(causal("1:rx1 1:wy1 3:ry1 2:wx1"), NOTHING);
}

#[test]
fn thin_air_read() {
    assert_eq!(causal("1:wx1 2:rx2"), ["ThinAirRead"]);
    assert_eq!(causal("1:wx1! 2:rx1"), ["ThinAirRead"]);
    assert_eq!(causal("1:wx1? 2:rx1"), NOTHING);
}

#[test]
fn write_co_init_read() {
    assert_eq!(causal("1:wx1 1:wy1 2:ry1 2:rx_"), ["WriteCOInitRead"]);
    assert_eq!(causal("1:wx1 1:wy1 2:rx_ 2:ry1"), NOTHING);
}

#[test]
fn write_co_read() {
    assert_eq!(causal("1:wx1 2:rx1 2:wx2 3:rx2 3:rx1"), ["WriteCORead"]);
    assert_eq!(causal("1:wx1 2:rx1 2:wx2 3:rx1 3:rx2"), NOTHING);
}

/// Figure 3 of the paper: what is causally consistent, and does not converge.
#[test]
fn cyclic_cf() {
    let crossed = "1:wx1 2:wx2 1:rx2 2:rx1";
    assert_eq!(causal(crossed), ["CyclicCF"]);
    assert_eq!(causal("1:wx1 2:wx2 1:rx2 2:rx2"), NOTHING);
}

/// What converges, and can be told to no session as a story: the session reads 1 after it had to have 2 over 1.
#[test]
fn cyclic_hb() {
    let text = "1:wz1 1:wx1 1:wy1 2:wx2 2:rz_ 2:ry1 2:rx2";
    assert_eq!(causal(text), ["WriteHBInitRead"]);
    assert_eq!(causal("1:wz1 1:wx1 1:wy1 2:wx2 2:ry1 2:rz1 2:rx2"), NOTHING);
    assert_eq!(causal("1:wx1 1:wx3 2:wx2 3:rx1 3:rx2 3:rx1"), ["CyclicCF", "CyclicHB"]);
    assert_eq!(causal("1:wx1 1:wx3 2:wx2 3:rx1 3:rx2 3:rx3"), NOTHING);
}

#[test]
fn pram_is_weaker_than_causal_consistency() {
    let through_another = "1:wx1 2:rx1 2:wy1 3:ry1 3:rx_";
    assert_eq!(causal(through_another), ["WriteCOInitRead"]);
    assert_eq!(pram(through_another), NOTHING);
    assert_eq!(pram("1:wx1 1:wy1 3:ry1 3:rx_"), ["not-PRAM"]);
}

#[test]
fn session_guarantees() {
    assert_eq!(guarantees("1:wx1 1:wx2 2:rx2 2:rx1"), ["non-monotonic-read"]);
    assert_eq!(guarantees("1:wx1 1:wx2 2:rx1 2:rx2"), NOTHING);
    assert_eq!(guarantees("1:wx1 3:wx2 2:rx2 2:rx1"), NOTHING, "which was first is not known");
    assert_eq!(guarantees("1:wx1 3:wx2 2:rx2 2:rx1 4:rx1 4:rx2"), ["non-monotonic-read"]);
    assert_eq!(guarantees("1:wx1 1:rx_"), ["not-read-your-writes"]);
    assert_eq!(guarantees("1<wx1 2:rx_ 1>"), NOTHING);
    assert_eq!(guarantees("1:wx1? 1:rx_"), NOTHING, "it may take effect later");
    assert_eq!(guarantees("1:wx1 2:rx1 2:wx2 1:rx2 1:wx3 4:rx3 4:wx4"), NOTHING);
    assert_eq!(guarantees("1:rx2 1:wx1 2:rx1 2:wx2"), ["not-writes-follow-reads"]);
}

#[test]
fn session_guarantees_of_lists() {
    assert_eq!(guarantees("1:ax1 2:rx1 2:rx[]"), ["non-monotonic-read"]);
    assert_eq!(guarantees("1:ax1 1:rx[]"), ["not-read-your-writes"]);
    assert_eq!(guarantees("1:ax1 1:ax2 2:rx21"), ["non-monotonic-writes"]);
    assert_eq!(guarantees("1:ax1 2:rx1 2:ax2 3:rx21"), ["not-writes-follow-reads"]);
    assert_eq!(guarantees("1:ax1 2:rx1 2:ax2 3:rx12"), NOTHING);
}

#[test]
fn lists_are_causal_or_not() {
    assert_eq!(causal("1:ax1 1:ay1 2:ry1 2:rx[]"), ["WriteCOInitRead"]);
    assert_eq!(causal("1:ax1 2:rx1 2:ax2 3:rx21"), ["WriteCORead"]);
    assert_eq!(causal("1:ax1 2:ax2 3:rx12 4:rx21"), ["CyclicCF"]);
    assert_eq!(causal("1:ax1 2:ax2 3:rx1 4:rx2 5:rx12"), NOTHING);
    assert_eq!(causal("1:ax1 2:rx11"), ["duplicate-elements"]);
}

fn levels(text: &str) -> [bool; 3] {
    let history = notation::history(text);
    let found = |level| transactional::check(&history, &[level], None, &Meter::new(&Budget::default()));
    [Level::ReadCommitted, Level::ReadAtomic, Level::Causal].map(|level| found(level).groups.is_empty())
}

fn transactions(text: &str) -> Vec<&'static str> {
    let history = notation::history(text);
    names(&transactional::check(&history, Level::ALL, None, &Meter::new(&Budget::default())))
}

#[test]
fn what_contradicts_each_level() {
    assert_eq!(levels("1:wx1wy1 2:rx1ry1"), [true, true, true]);
    assert_eq!(levels("1:wx1wy1 2:wx2wy2 3:rx2ry1 4:rx1ry2"), [false, false, false]);
    assert_eq!(levels("1:wx1wy1 1:wx2wy2 2:rx1ry2"), [true, false, false]);
    assert_eq!(levels("1:wx1wy1 1:wx2wy2 2:rx2ry1"), [false, false, false]);
    assert_eq!(levels("1:wx1wz1 2:rx1wy2 3:ry2rx_"), [true, true, false]);
    assert_eq!(levels("1:wx1wz1 2:rx1wy2 3:ry2rx1"), [true, true, true]);
}

#[test]
fn the_anomalies_have_names() {
    assert_eq!(transactions("1:wx1wx2 2:{rx1}"), ["G1b"]);
    assert_eq!(transactions("1:wx1wy1! 2:{rx1}"), ["G1a"]);
    assert_eq!(transactions("1:wx1wy1 2:{rx7}"), ["garbage-read"]);
    assert_eq!(transactions("1:rx2wy1 2:ry1wx2"), ["G1c"]);
    assert_eq!(transactions("1:{rx2} 1:{wy1} 2:ry1wx2"), ["G1c-process"]);
    assert_eq!(transactions("1:wx1rx_"), ["internal"]);
    assert_eq!(transactions("1:rx1wx1"), ["future-read"]);
    assert_eq!(transactions("1:wx1wy1 1:wx2wy2 2:rx1ry2"), ["fractured-read", "not-causal"]);
}

/// Published tools err here: what one of them rejects, or lets pass, the axioms decide.
mod where_published_tools_err {
    use super::*;

    /// Read atomic looks at what is read from directly and at the session, not at chains of these.
    #[test]
    fn read_atomic_does_not_follow_chains() {
        // Transaction 3 saw x only through transaction 2, which had read it.
        assert_eq!(levels("1:wx1wz1 2:rx1wy2 3:ry2rx_"), [true, true, false]);
        assert_eq!(levels("1:{wx1} 2:{wx2} 3:rx1wy1 3:{rx2} 4:ry1wz1 5:rz1rx2 6:{rx1} 6:{rx2}"), [true, true, true]);
    }

    /// Reads that go back contradict read committed in the sense of the commit order.
    #[test]
    fn read_committed_knows_reads_that_go_back() {
        assert_eq!(levels("1:wx1wy1 2:rx1wx2wy2 3:ry2rx1"), [false, false, false]);
        assert_eq!(levels("1:wx1wy1 2:rx1wx2wy2 3:rx1ry2"), [true, false, false]);
    }

    /// A transaction's own writes are versions to others.
    #[test]
    fn own_writes_are_part_of_the_commit_order() {
        assert_eq!(levels("1:wx1wy1 2:ry1wx2wy2 3:ry2rx1 4:{rx2}"), [false, false, false]);
    }

    #[test]
    fn whoever_reads_its_own_intermediate_write_does_right() {
        assert_eq!(levels("1:wx1rx1wx2rx2 2:{rx2}"), [true, true, true]);
        assert_eq!(transactions("1:wx1wx2rx1"), ["internal"]);
    }

    /// After an own write another value is wrong, and not merely not repeatable.
    #[test]
    fn a_read_after_an_own_write_is_internal() {
        assert_eq!(transactions("1:{wx1} 2:wx2rx1"), ["internal"]);
        assert_eq!(levels("1:{wx1} 1:{wx3} 2:rx1rx3"), [true, false, false]);
    }

    /// One anti-dependency closes the cycle, and no order of versions is recorded that a search for G-single could use:
    /// Elle finds nothing under causal-cerone or parallel snapshot isolation.
    #[test]
    fn a_causal_violation_with_a_single_anti_dependency() {
        let text = "1:{wx1} 2:rx1wy1 3:ry1rx_";
        assert_eq!(levels(text), [true, true, false]);
        assert_eq!(causal(text), ["WriteCOInitRead"]);
    }
}

#[test]
fn values_written_twice_are_a_doubt_and_no_verdict() {
    let history = notation::history("1:wx1 2:wx1 3:rx1 3:rx_");
    let found = sessions::levels(&history, Levels::ALL, None, &Meter::new(&Budget::default()));
    assert_eq!(names(&found), NOTHING);
    assert_eq!(found.doubts.len(), 1);
    assert!(found.doubts[0].starts_with("Of 1 of the keys"), "{:?}", found.doubts);
    let unread = notation::history("1:wx1 2:wx1 2:wx2 3:rx2");
    let found = sessions::levels(&unread, Levels::ALL, None, &Meter::new(&Budget::default()));
    assert_eq!((names(&found), found.doubts), (vec![], vec![]));
}

#[test]
fn the_initial_value_can_be_given() {
    let history = notation::history("1:rx0 1:wx1 2:rx1 2:rx0");
    let zero = Scalar::Int(0);
    let found = |initial| {
        let levels = Levels { causal: true, ..Levels::NONE };
        sessions::levels(&history, levels, initial, &Meter::new(&Budget::default()))
    };
    assert_eq!(names(&found(None)), ["ThinAirRead"]);
    assert_eq!(names(&found(Some(&zero))), ["WriteCOInitRead"]);
}

#[test]
fn a_question_says_what_to_look_for() {
    let ask = |models: &[Model]| {
        let question = Question { models: models.to_vec(), anomalies: Vec::new(), assume: Assumptions::default() };
        names(&sessions::check(&notation::history("1:wx1 2:wx2 1:rx2 2:rx1"), &question, &Budget::default()))
    };
    assert_eq!(ask(&[Model::Causal]), NOTHING);
    assert_eq!(ask(&[Model::CausalConvergence]), ["CyclicCF"]);
    assert_eq!(ask(&[Model::ReadYourWrites]), ["not-read-your-writes"]);
    assert_eq!(ask(&[]), ["CyclicCF", "not-read-your-writes"]);
}

#[test]
fn an_explanation_tells_the_whole_argument() {
    let history = notation::history("1:wx1 2:rx1 2:wx2 3:rx2 3:rx1");
    let levels = Levels { causal: true, ..Levels::NONE };
    let found = sessions::levels(&history, levels, None, &Meter::new(&Budget::default()));
    let case = &found.groups.values().next().expect("one group").cases[0];
    assert_eq!(case.operations, [0, 2, 4, 6, 8]);
    assert_eq!(
        case.explanation,
        "process 3 read 1 from x (#8) as #0 had written it, but #4 (write x ← 2) had replaced that, and comes before #8 in \
         the causal order: #2 read what #0 wrote to x; process 2 did #2 before #4; #6 read what #4 wrote to x; \
         process 3 did #6 before #8; #8 read what #0 wrote: a contradiction."
    );
}

#[test]
fn what_happened_twice() {
    let once = |text: &str| names(&exactly_once::check(&notation::history(text)));
    assert_eq!(once("1:ax1 2:rx11"), ["duplicate-elements"]);
    assert_eq!(once("1:ix3 2:r(\"x\")(6)"), ["out-of-bounds"]);
    assert_eq!(once("1:ix3 2:r(\"x\")(3)"), NOTHING);
    assert_eq!(once("1:ix3? 1:ix3 2:r(\"x\")(6)"), NOTHING, "the first one may have happened");
}

#[test]
fn a_budget_that_is_used_up_is_a_doubt() {
    let history = notation::history("1:wx1 2:wx2 1:rx2 2:rx1");
    let budget = Budget { steps: 1, ..Budget::default() };
    let found = sessions::levels(&history, Levels::ALL, None, &Meter::new(&budget));
    assert_eq!(found.doubts, ["Not everything was looked at: the budget of search steps was used up."]);
}

/// Events of every kind in any order: nothing panics.
#[test]
fn no_history_is_too_odd() {
    let mut state = 7u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let texts = [
        "wx1",
        "rx1",
        "rx_",
        "rx12",
        "rx[]",
        "ax1",
        "ax2",
        "rx(2.5)",
        "wx_",
        "cx1>2",
        "+x1",
        "ix3",
        "hx1=",
        "ex1",
        "dx1",
        "ax1rx1",
        "wx1ry_wx2",
        "{}",
        "{nx1kx}",
        "{q(8)[[\"x\",1]]}",
        "~dump[1]",
        "ry11",
        "ay1ay1",
        "ry[1,1,3]",
        "wy1",
    ];
    let operations: Vec<Operation> = texts
        .iter()
        .map(|text| notation::parse(&format!("{text} +q9 wz9 az8")).expect("notation")[1].operation.clone())
        .collect();
    for _ in 0..3_000 {
        let mut events = Vec::new();
        for time in 0..below(24) {
            let kind = [Kind::Invoke, Kind::Invoke, Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info][below(6) as usize];
            let operation = operations[below(operations.len() as u64) as usize].clone();
            let operation = if kind == Kind::Invoke && below(2) == 0 { operation.question() } else { operation };
            let process = if below(20) == 0 { Process::NEMESIS } else { Process(below(4) as u32) };
            let session = (below(3) == 0).then(|| below(3) as u32);
            events.push(Event { time, process, kind, operation, node: None, session, error: None });
        }
        let history = History::from_events(&events);
        let meter = Meter::new(&Budget::default());
        sessions::levels(&history, Levels::ALL, None, &meter);
        transactional::check(&history, Level::ALL, None, &meter);
        prefix::check(&history, None, &meter);
        prefix::transactional(&history, None, &meter);
        staleness::measure(&history, None);
        exactly_once::check(&history);
    }
}

//! Nothing is certified of what nobody looked at.

use checkers::analysis::{Answer, Question, Workload, analyse};
use checkers::{AnomalyType, Budget, Model};
use histories::{History, notation};

fn answer(history: &History, workload: Workload, question: &Question) -> (Answer, String) {
    let analysis = analyse(history, workload, question, &Budget::default());
    (analysis.answer, format!("{}; {:?}; {:?}", analysis.reason, analysis.checked, analysis.doubts))
}

/// One history of each kind, flawless, with the workloads that may certify it.
const KINDS: &[(&str, &[&str])] = &[
    ("ax1ry_ rx1ry_", &["list-append", "sessions"]),
    ("ax1 rx1", &["list-append", "append-log", "kv", "sessions"]),
    ("wx1ry_ rx1wy2", &["rw-register", "multi-register", "predicate", "sessions"]),
    ("wx1 rx1 cx1>2 rx2", &["register", "cas-register", "multi-register", "kv", "rw-register", "sessions"]),
    ("wx1 rx1 rx1", &["register", "predicate", "cas-register", "multi-register", "kv", "rw-register", "sessions"]),
    (r#"~init{"x":1} {q(["=",1])[["x",1]]}"#, &["predicate"]),
    ("+x1 +x2 rx12", &["set", "membership-set"]),
    ("+x1 hx1= -x1 hx1/", &["membership-set"]),
    ("ix3 rx(3)", &["counter"]),
    ("ex1 dx1", &["fifo-queue", "priority-queue", "queue"]),
    ("px1 ox1", &["stack"]),
    ("lx ux", &["lock"]),
    (r#"~transfer{"from":1,"to":2,"amount":5} r()({"1":5,"2":15}) r()({"1":5,"2":15})"#, &["bank"]),
    ("wx1 wy1 rx1ry_ rx1ry1", &["long-fork", "rw-register", "multi-register", "predicate", "sessions"]),
    ("~generate=1 ~generate=2", &["unique-ids"]),
    ("~dump[1]", &[]),
];

#[test]
fn a_history_of_another_kind_is_never_valid() {
    let mut wrong = Vec::new();
    for (text, own) in KINDS {
        let history = notation::history(text);
        for workload in Workload::ALL.iter().filter(|w| !own.contains(&w.name())) {
            let models = Model::ALL.iter().map(|m| Question { models: vec![*m], ..Question::usual(*workload) });
            for question in models.chain([Question::usual(*workload)]) {
                let (answer, said) = answer(&history, *workload, &question);
                if answer == Answer::Valid {
                    wrong.push(format!("{text} as {workload}, asked {:?}: {said}", question.models));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every operation of these failed, or nobody knows what became of it.
#[test]
fn a_history_in_which_nothing_succeeded_is_never_valid() {
    for (text, own) in KINDS {
        for ended in ["!", "?"] {
            let without: Vec<String> = text.split(' ').map(|token| format!("{token}{ended}")).collect();
            let history = notation::history(&without.join(" "));
            for name in *own {
                let workload = name.parse().expect("a workload");
                let (answer, said) = answer(&history, workload, &Question::usual(workload));
                assert_eq!(answer, Answer::Unknown, "{text} as {name}, each {ended}: {said}");
            }
        }
    }
}

/// And the table above is no empty promise: each of them is certified as what it is.
#[test]
fn a_history_of_its_own_kind_is_valid() {
    for (text, own) in KINDS {
        let workload: Option<Workload> = own.first().map(|name| name.parse().expect("a workload"));
        if let Some(workload) = workload {
            let (answer, said) = answer(&notation::history(text), workload, &Question::usual(workload));
            assert_eq!(answer, Answer::Valid, "{text} as {workload}: {said}");
        }
    }
}

#[test]
fn steps_of_another_kind_are_named() {
    let history = notation::history("ax1ry_ rx1ry_ +s1 rs1");
    let (answer, said) = answer(&history, Workload::ListAppend, &Question::usual(Workload::ListAppend));
    assert_eq!(answer, Answer::Unknown, "{said}");
    let history = notation::history("ax1ry_ rx1ry_ ez1 dz1");
    let (answer, said) = self::answer(&history, Workload::ListAppend, &Question::usual(Workload::ListAppend));
    assert_eq!(answer, Answer::Unknown);
    assert!(said.contains("2 operations are none of a list-append history") && said.contains("#4"), "{said}");
}

#[test]
fn an_anomaly_that_nobody_looks_for_is_not_absent() {
    let of = |kind: AnomalyType, workload: Workload, text: &str| {
        let question = Question { models: vec![], anomalies: vec![kind], assume: Default::default() };
        answer(&notation::history(text), workload, &question)
    };
    for (kind, workload, text) in [
        (AnomalyType::LostUpdate, Workload::Register, "wx1 rx1"),
        (AnomalyType::Nonlinearizable, Workload::Set, "+x1 rx1"),
        (AnomalyType::CyclicCo, Workload::ListAppend, "ax1ry_ rx1ry_"),
        (AnomalyType::StaleRead, Workload::RwRegister, "wx1ry_ rx1wy2"),
    ] {
        let (answer, said) = of(kind, workload, text);
        assert_eq!(answer, Answer::Unknown, "{kind} of {workload}: {said}");
        assert!(said.contains(&format!("looks for {kind}")), "{said}");
    }
    for (kind, workload, text) in [
        (AnomalyType::LostUpdate, Workload::ListAppend, "ax1ry_ rx1ry_"),
        (AnomalyType::G1, Workload::ListAppend, "ax1ry_ rx1ry_"),
        (AnomalyType::GUpdate, Workload::ListAppend, "ax1ry_ rx1ry_"),
    ] {
        let (answer, said) = of(kind, workload, text);
        assert_eq!(answer, Answer::Valid, "{kind} of {workload}: {said}");
    }
}

/// Two writers that each missed the other: no order of the writers explains it. Elle looks for no `G-update`, and finds
/// such a history update serializable.
#[test]
fn a_cycle_that_may_be_of_a_kind_that_is_not_told_apart_is_a_doubt() {
    let history = notation::history("0<ax1ry 1<ay1rx 0>ax1ry_ 1>ay1rx_ rx1ry1");
    let ask = |model| {
        answer(
            &history,
            Workload::ListAppend,
            &Question { models: vec![model], ..Question::usual(Workload::ListAppend) },
        )
    };
    let (update, said) = ask(Model::UpdateSerializable);
    assert_eq!(update, Answer::Unknown, "{said}");
    assert!(said.contains("G-update") && said.contains("G2-item"), "{said}");
    assert_eq!(ask(Model::Serializable).0, Answer::Invalid);
    let (snapshot, said) = ask(Model::SnapshotIsolation);
    assert_eq!(snapshot, Answer::Valid, "write skew is what snapshot isolation allows: {said}");
    assert_eq!(ask(Model::ReadCommitted).0, Answer::Valid);
}

#[test]
fn what_nobody_wrote_is_in_no_prefix() {
    let history = notation::history("wx1 rx2");
    let question = Question { models: vec![Model::ConsistentPrefix], ..Question::usual(Workload::Register) };
    assert_eq!(answer(&history, Workload::Register, &question).0, Answer::Invalid);
}

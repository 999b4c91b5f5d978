//! What is assumed of registers, and what is said of lists that contradict each other, changes exactly the verdicts that rest
//! on it.

use checkers::analysis::{Answer, Question, Workload, analyse};
use checkers::linearizability::sequential;
use checkers::{AnomalyType, Assumptions, Budget, Model};
use histories::notation;

fn ask(text: &str, workload: Workload, model: Model, assume: Assumptions) -> (Answer, Vec<AnomalyType>) {
    let question = Question { models: vec![model], anomalies: Vec::new(), assume };
    let analysis = analyse(&notation::history(text), workload, &question, &Budget::default());
    (analysis.answer, analysis.groups.iter().map(|group| group.kind).collect())
}

/// Two transactions that each read what the other one wrote before they wrote over it: a `G1c` whatever is assumed, a `G0` only if
/// writes follow reads, too.
#[test]
fn writes_follow_reads_below_read_committed_if_it_is_assumed() {
    let text = "0<rx2wx1 1<rx1wx2 0>rx2wx1 1>rx1wx2";
    let across = "0<rx2wx1wy1 1<ry1wy2wx2 0>rx2wx1wy1 1>ry1wy2wx2";
    for assumed in [false, true] {
        let assume = || Assumptions { writes_follow_reads_keys: assumed, ..Assumptions::default() };
        for text in [text, across] {
            let expected = if assumed { Answer::Invalid } else { Answer::Valid };
            let (answer, kinds) = ask(text, Workload::RwRegister, Model::ReadUncommitted, assume());
            assert_eq!(answer, expected, "{text} {assumed} {kinds:?}");
            let (answer, kinds) = ask(text, Workload::RwRegister, Model::ReadCommitted, assume());
            assert_eq!(answer, Answer::Invalid, "{text} {assumed} {kinds:?}");
        }
    }
}

/// A list whose elements are in another order is torn; nobody saw a version between two appends of one transaction.
#[test]
fn a_torn_list_is_no_intermediate_read() {
    let ask = |text| ask(text, Workload::ListAppend, Model::ReadCommitted, Assumptions::default());
    let (answer, kinds) = ask("0:ax1ax2 1:rx[1,2,3] 3:ax3 2:rx[2,1]");
    assert_eq!(answer, Answer::Invalid);
    assert!(kinds.contains(&AnomalyType::IncompatibleOrder) && !kinds.contains(&AnomalyType::G1b), "{kinds:?}");
    let (_, kinds) = ask("0:ax1ax2 1:rx[3,1,2] 3:ax3 2:rx[1]");
    assert!(kinds.contains(&AnomalyType::IncompatibleOrder) && kinds.contains(&AnomalyType::G1b), "{kinds:?}");
}

/// Every relation is between operations that are part of the evidence.
#[test]
fn evidence_names_the_operations_that_its_relations_name() {
    let history = notation::history("0:wx1 0:wx2 1:rx2 1:rx1 2:rx1 2:rx2");
    let found = sequential::check(&history, &Question::usual(Workload::Register), &Budget::default());
    let case = &found.groups[&AnomalyType::Nonsequential].cases[0];
    assert!(!case.relations.is_empty());
    for relation in &case.relations {
        assert!(case.operations.contains(&relation.from) && case.operations.contains(&relation.to), "{case:?}");
    }
}

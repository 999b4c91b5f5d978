//! The tables of models and anomalies are Elle's where Elle speaks, and say the right thing where it is silent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use checkers::models::table::{self, Scope};
use checkers::models::{
    Boundary, CYCLE_SPECS, Needs, VersionOrder, boundary, boundary_under, classify, cycle_spec, needs, prohibited,
    prohibited_under, worst_first,
};
use checkers::{AnomalyType, Model};

use AnomalyType::*;

fn corpus(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/elle-tests").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The rows of a table of Elle's, by column.
fn rows(name: &str) -> Vec<BTreeMap<String, String>> {
    let text = corpus(name);
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let head = lines.next().expect("a table has a head");
    lines.map(|cells| head.iter().cloned().zip(cells).collect()).collect()
}

fn model(name: &str) -> Model {
    name.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn kind(name: &str) -> AnomalyType {
    name.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn kinds(cell: &str) -> BTreeSet<AnomalyType> {
    cell.split_whitespace().map(kind).collect()
}

fn names(models: &[Model]) -> Vec<&'static str> {
    models.iter().map(|m| m.name()).collect()
}

fn words(cell: &str) -> Vec<&str> {
    cell.split_whitespace().collect()
}

#[test]
fn every_model_and_every_anomaly_has_one_row() {
    let models: Vec<Model> = table::models().map(|row| row.model).collect();
    assert_eq!(models.len(), Model::ALL.len());
    assert_eq!(BTreeSet::from_iter(models), BTreeSet::from_iter(Model::ALL.iter().copied()));
    let kinds: Vec<AnomalyType> = table::anomalies().map(|row| row.kind).collect();
    assert_eq!(kinds.len(), AnomalyType::ALL.len());
    assert_eq!(BTreeSet::from_iter(kinds), BTreeSet::from_iter(AnomalyType::ALL.iter().copied()));
}

#[test]
fn no_two_things_have_the_same_name() {
    let names = Model::ALL.iter().flat_map(|m| m.aliases().iter().copied().chain([m.name()]));
    let names: Vec<String> = names.chain(AnomalyType::ALL.iter().map(|k| k.name())).map(str::to_lowercase).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    for m in Model::ALL {
        for alias in m.aliases() {
            assert_eq!(model(alias), *m);
        }
        assert_eq!(model(&m.name().to_uppercase()), *m);
    }
}

#[test]
fn the_models_are_those_of_elle() {
    let elle = rows("models.tsv");
    let ours: Vec<&str> = Model::ALL.iter().filter(|m| m.about().in_elle).map(|m| m.name()).collect();
    let theirs: BTreeSet<&str> = elle.iter().map(|row| row["model"].as_str()).collect();
    assert_eq!(BTreeSet::from_iter(ours), theirs);
    for row in &elle {
        let about = model(&row["model"]).about();
        let implies: BTreeSet<&str> = about.implies.iter().map(|m| m.name()).collect();
        assert_eq!(implies, BTreeSet::from_iter(words(&row["implies"])), "{}", about.model);
        assert_eq!(BTreeSet::from_iter(about.prohibits.iter().copied()), kinds(&row["prohibits"]), "{}", about.model);
    }
}

#[test]
fn models_prohibit_of_elles_anomalies_what_they_prohibit_in_elle() {
    for row in rows("models.tsv") {
        let asked = model(&row["model"]);
        let in_elle = kinds(&row["prohibits-all"]);
        let ours: BTreeSet<_> = prohibited(&[asked], &[]).into_iter().filter(|k| k.in_elle()).collect();
        match in_elle.is_empty() {
            false => assert_eq!(ours, in_elle, "{asked}"),
            // Asked for these, Elle calls every history valid.
            true => assert_eq!(silent_in_elle(asked), ours, "{asked}"),
        }
    }
}

/// What the models that prohibit nothing in Elle prohibit here of the anomalies that Elle knows.
fn silent_in_elle(model: Model) -> BTreeSet<AnomalyType> {
    let of = |model| prohibited(&[model], &[]);
    match model {
        // Everything that says that no serial order explains the reads; but not what the order in which transactions
        // started would have to say, which no reads show.
        Model::ViewSerializable | Model::OneCopySerializable => {
            &of(Model::Serializable) - &BTreeSet::from([GMsr, GSi, GSiB])
        }
        Model::SessionSerializable => &of(Model::StrongSessionSerializable) - &BTreeSet::from([GMsr, GSi, GSiB]),
        Model::Pram | Model::Causal => BTreeSet::from([FutureRead, G1a, DirtyUpdate, DuplicateElements]),
        Model::Sequential => BTreeSet::from([FutureRead, G1a, DirtyUpdate, DuplicateElements, IncompatibleOrder]),
        Model::Linearizable => {
            BTreeSet::from([FutureRead, G1a, DirtyUpdate, DuplicateElements, IncompatibleOrder, CyclicVersions])
        }
        _ => BTreeSet::new(),
    }
    .into_iter()
    .filter(|k| k.in_elle())
    .collect()
}

#[test]
fn the_anomalies_are_those_of_elle() {
    let elle = rows("anomalies.tsv");
    let ours: BTreeSet<&str> = AnomalyType::ALL.iter().filter(|k| k.in_elle()).map(|k| k.name()).collect();
    assert_eq!(ours, elle.iter().map(|row| row["anomaly"].as_str()).collect());
    for row in &elle {
        let kind = kind(&row["anomaly"]);
        let direct = BTreeSet::from_iter(kind.about().implies.iter().copied());
        assert_eq!(direct, kinds(&row["implies"]), "{kind}");
        assert_eq!(BTreeSet::from_iter(kind.implies()), kinds(&row["implies-all"]), "{kind}");
        assert_eq!(kind.depth().to_string(), row["depth"], "{kind}");
    }
    let order: Vec<&str> = elle.iter().map(|row| row["anomaly"].as_str()).collect();
    let ours: Vec<&str> = worst_first(ours.into_iter().map(kind)).into_iter().map(|k| k.name()).collect();
    assert_eq!(ours, order);
}

#[test]
fn each_of_elles_anomalies_rules_out_what_it_rules_out_in_elle() {
    for row in rows("anomalies.tsv") {
        let Boundary { not, also_not, besides } = boundary(&[kind(&row["anomaly"])]);
        assert_eq!(names(&not), words(&row["not"]), "{}", row["anomaly"]);
        let all: BTreeSet<Model> = not.into_iter().chain(also_not).collect();
        assert_eq!(all, words(&row["ruled-out"]).into_iter().map(model).collect(), "{}", row["anomaly"]);
        assert!(besides.iter().all(|m| !all.contains(m)));
    }
}

/// The kinds that Elle found. It reckons the boundary from all of them, and names in `anomaly-types` only those that it
/// was asked for; what the others were is in the name of the test.
fn found_by_elle(case: &serde_json::Value) -> Vec<AnomalyType> {
    let strings = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect()
    };
    let types = strings(&case["result"]["anomaly-types"]);
    let mut found: Vec<AnomalyType> = types.iter().filter_map(|name| by_our_name(name)).collect();
    for name in strings(&case["context"]) {
        if !types.is_empty() && ["G1a", "G1b"].contains(&name.as_str()) {
            found.push(kind(&name));
        }
    }
    found
}

fn by_our_name(name: &str) -> Option<AnomalyType> {
    match name {
        // Elle says nothing about the history by these.
        "empty-transaction-graph" | "cycle-search-timeout" => None,
        // Elle knows that there is a cycle and not which; it is one with one anti-dependency, closed by real time.
        "strong-snapshot-isolation-cycle-exists" => Some(GSingleRealtime),
        name => Some(kind(name)),
    }
}

#[test]
fn the_boundary_is_that_of_elle_in_every_one_of_its_tests() {
    let text = corpus("elle-tests.jsonl");
    let cases: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let cases: Vec<_> = cases.into_iter().filter(|case| case["result"].is_object()).collect();
    let mut ruled_out = 0;
    for case in &cases {
        let list = |name: &str| -> Vec<&str> {
            case["result"][name].as_array().into_iter().flatten().filter_map(|m| m.as_str()).collect()
        };
        let found = found_by_elle(case);
        let boundary = boundary(&found);
        assert_eq!(names(&boundary.not), list("not"), "{} {} {found:?}", case["var"], case["context"]);
        assert_eq!(names(&boundary.also_not), list("also-not"), "{} {} {found:?}", case["var"], case["context"]);
        ruled_out += usize::from(!list("not").is_empty());
    }
    assert_eq!((cases.len(), ruled_out), (46, 30));
}

#[test]
fn a_stronger_model_prohibits_at_least_as_much() {
    for row in table::models() {
        for weaker in row.implies.iter().chain(row.also_implies) {
            let (mine, theirs) = (prohibited(&[row.model], &[]), prohibited(&[*weaker], &[]));
            let missing: Vec<_> = theirs.difference(&mine).collect();
            let excepted = table::ELLE_READS_OTHERWISE.contains(&(row.model, *weaker));
            assert!(missing.is_empty() || excepted, "{} does not prohibit {missing:?} as {weaker} does", row.model);
            assert!(row.model.implies().contains(weaker) && weaker.implied_by().contains(&row.model));
        }
        assert!(!row.model.implies().contains(&row.model), "{} implies itself by others", row.model);
    }
}

#[test]
fn the_steps_of_elle_that_are_read_otherwise_carry_elles_anomalies_all_the_same() {
    for (stronger, weaker) in table::ELLE_READS_OTHERWISE {
        assert!(stronger.about().implies.contains(weaker));
        let elles = |m: Model| -> BTreeSet<_> { prohibited(&[m], &[]).into_iter().filter(|k| k.in_elle()).collect() };
        assert!(elles(*weaker).is_subset(&elles(*stronger)), "{stronger} {weaker}");
        let ours = |m: Model| prohibited(&[m], &[]).into_iter().filter(|k| !k.in_elle()).collect::<BTreeSet<_>>();
        assert!(!ours(*weaker).is_subset(&ours(*stronger)), "{stronger} and {weaker} need no exception");
    }
}

#[test]
fn no_row_says_twice_what_follows_anyway() {
    for row in table::models() {
        for weaker in row.also_implies {
            assert!(!row.implies.contains(weaker), "{} {weaker}", row.model);
        }
        for kind in row.also_prohibits {
            assert!(!row.prohibits.contains(kind), "{} {kind}", row.model);
            let below = row.implies.iter().filter(|m| !table::ELLE_READS_OTHERWISE.contains(&(row.model, **m)));
            for weaker in below.chain(row.also_implies).filter(|m| m.about().scope == row.scope) {
                let said = weaker.about().also_prohibits.contains(kind) || weaker.about().prohibits.contains(kind);
                assert!(!said, "{} prohibits {kind} because {weaker} does", row.model);
            }
        }
    }
}

/// Of a kind that Elle does not know: the weakest models that it rules out, and some that it leaves.
#[test]
fn each_of_our_anomalies_rules_out_its_models_and_no_others() {
    use Model::*;
    let expected: &[(AnomalyType, &[Model], &[Model])] = &[
        (AnomalyType::Nonlinearizable, &[Linearizable], &[Model::Sequential, StrongSessionSerializable]),
        (Nonsequential, &[SessionSerializable, Model::Sequential], &[CausalMemory, CausalConvergence, Serializable]),
        (CyclicCo, &[Causal], &[Pram, ReadYourWrites]),
        (WriteCoInitRead, &[Causal], &[Pram]),
        (WriteCoRead, &[Causal], &[Pram]),
        (CyclicCf, &[CausalConvergence], &[Causal, CausalMemory]),
        (WriteHbInitRead, &[CausalMemory], &[Causal, CausalConvergence]),
        (CyclicHb, &[CausalMemory], &[Causal, CausalConvergence]),
        (NonMonotonicRead, &[MonotonicReads], &[Causal, CausalMemory, Pram, MonotonicWrites]),
        (AnomalyType::NotReadYourWrites, &[ReadYourWrites], &[Pram, CausalMemory, SnapshotIsolation, Serializable]),
        (NonMonotonicWrites, &[MonotonicWrites], &[MonotonicReads, Pram, CausalMemory]),
        (NotWritesFollowReads, &[WritesFollowReads], &[Pram, Causal, CausalMemory]),
        (Nonpram, &[Pram], &[Causal, CausalConvergence, MonotonicReads]),
        (NotPrefix, &[ConsistentPrefix], &[SnapshotIsolation, Serializable, Causal, Prefix, Model::Sequential]),
        (NotPrefixProcess, &[Prefix], &[SnapshotIsolation, Serializable, Causal, CausalCerone]),
        (FracturedRead, &[ReadAtomic], &[MonotonicAtomicView, SnapshotIsolation, Serializable]),
        (GMonotonicProcess, &[CausalCerone], &[MonotonicView, ReadAtomic, SnapshotIsolation, Serializable]),
        (NotCausal, &[CausalCerone], &[ReadAtomic, UpdateAtomic, SnapshotIsolation, Serializable]),
        (LongFork, &[OneCopySerializable, Prefix, RepeatableRead, ViewSerializable], &[ParallelSnapshotIsolation]),
        (LostAppend, &[StrongReadUncommitted], &[StrongSessionSerializable, SnapshotIsolation]),
        (StaleRead, &[Linearizable, StrongSnapshotIsolation], &[Model::Sequential]),
        (OutOfBounds, &[Linearizable, StrongSnapshotIsolation], &[Model::Sequential]),
        (DoubleAcquire, &[Linearizable], &[Model::Sequential]),
    ];
    for (kind, weakest, left) in expected {
        let Boundary { not, also_not, besides } = boundary(&[*kind]);
        let sorted = |models: &[Model]| models.iter().copied().collect::<BTreeSet<_>>();
        if *kind == Nonsequential {
            // Session serializability is above sequential consistency.
            assert_eq!(not, [Model::Sequential]);
        } else {
            assert_eq!(sorted(&not), sorted(weakest), "{kind}");
        }
        for model in *left {
            let named = [&not, &also_not, &besides].into_iter().any(|list| list.contains(model));
            assert!(!named, "{kind} rules out {model}");
            assert!(!prohibited(&[*model], &[]).contains(kind), "{model} prohibits {kind}");
        }
        assert!([&not, &also_not, &besides].into_iter().any(|l| l.contains(&StrongSerializable)), "{kind}");
    }
}

#[test]
fn what_nobody_wrote_rules_out_every_model() {
    for kind in [GarbageRead, ThinAirRead, UnexpectedElement] {
        for model in Model::ALL {
            assert!(prohibited(&[*model], &[]).contains(&kind), "{model} allows {kind}");
        }
    }
    let Boundary { not, also_not, besides } = boundary(&[GarbageRead]);
    assert!(not.contains(&Model::ReadUncommitted) && also_not.contains(&Model::Serializable));
    assert!(besides.contains(&Model::Linearizable));
    assert_eq!(not.len() + also_not.len() + besides.len(), Model::ALL.len());
}

#[test]
fn a_wrong_total_rules_out_what_shows_transfers_whole_and_loses_none() {
    use Model::*;
    for kind in [WrongTotal, NegativeBalance] {
        let out = boundary(&[kind]);
        for model in [ConsistentView, RepeatableRead, ParallelSnapshotIsolation, SnapshotIsolation, Serializable] {
            assert!(out.not.contains(&model) || out.also_not.contains(&model), "{kind} {model}");
        }
        for model in [ReadCommitted, CursorStability, ReadAtomic, UpdateAtomic, CausalCerone, Prefix] {
            assert!(!prohibited(&[model], &[]).contains(&kind), "{kind} {model}");
        }
    }
}

#[test]
fn models_on_which_elle_is_silent_stand_apart_from_its_lists() {
    let out = boundary(&[G0]);
    assert_eq!(names(&out.not), ["read-uncommitted"]);
    assert_eq!(names(&out.besides), ["1SR", "session-serializable", "transactional-causal", "view-serializable"]);
    let out = boundary(&[DuplicateElements]);
    assert!(out.besides.contains(&Model::Linearizable) && out.besides.contains(&Model::Causal));
    assert!(!out.besides.contains(&Model::MonotonicReads));
    assert_eq!(boundary(&[]), Boundary::default());
}

#[test]
fn a_cycle_on_assumed_versions_proves_nothing_where_versions_are_left_open() {
    for model in [Model::OneCopySerializable, Model::ViewSerializable, Model::SessionSerializable] {
        assert!(model.leaves_versions_open());
        assert!(prohibited(&[model], &[]).contains(&G0));
        let assumed = prohibited_under(VersionOrder::Assumed, &[model], &[]);
        assert!(CYCLE_SPECS.iter().all(|spec| !assumed.contains(&spec.kind)), "{model}");
        assert!(assumed.contains(&G1a) && assumed.contains(&LostUpdate) && assumed.contains(&FutureRead), "{model}");
        assert!(!boundary_under(VersionOrder::Assumed, &[G0]).besides.contains(&model));
    }
    let serializable = prohibited_under(VersionOrder::Assumed, &[Model::Serializable], &[]);
    assert_eq!(serializable, prohibited(&[Model::Serializable], &[]));
}

#[test]
fn anomalies_that_are_asked_for_are_prohibited_with_what_implies_them() {
    let asked = prohibited(&[], &[G1]);
    let expected = [G0, G1, G1a, G1b, G1c, FutureRead, DirtyUpdate, IncompatibleOrder];
    assert_eq!(asked, BTreeSet::from(expected));
    assert!(prohibited(&[], &[G2]).contains(&LongFork), "ours imply Elle's");
}

#[test]
fn the_order_that_is_needed_is_the_stronger_one_that_is_asked_for() {
    use Model::*;
    assert_eq!(needs(&[Serializable, Linearizable], &[]), (false, false));
    assert_eq!(needs(&[StrongSessionSerializable], &[]), (true, false));
    assert_eq!(needs(&[SessionSerializable], &[]), (true, false));
    assert_eq!(needs(&[StrongSessionSerializable, StrongReadUncommitted], &[]), (false, true));
    assert_eq!(needs(&[], &[G2Process]), (true, false));
    for model in table::models().filter(|row| row.scope == Scope::Transactions && row.model != TransactionalCausal) {
        let expected = match model.needs {
            Needs::Data => (false, false),
            Needs::Process => (true, false),
            Needs::Realtime => (false, true),
        };
        assert_eq!(needs(&[model.model], &[]), expected, "{}", model.model);
    }
}

#[test]
fn the_specifications_of_cycles_are_in_elles_order_of_search() {
    let kinds: Vec<AnomalyType> = CYCLE_SPECS.iter().map(|spec| spec.kind).collect();
    assert_eq!(kinds, worst_first(kinds.iter().copied()));
    assert_eq!(kinds.len(), 24);
}

/// Every sequence of up to four steps: what [`classify`] calls it is what the row of that name describes.
#[test]
fn every_cycle_is_what_its_specification_says() {
    let relations = checkers::graphs::Relations(0).0..8;
    let relations: Vec<_> = relations.map(|bit| checkers::graphs::Relations(1 << bit)).collect();
    let mut seen = BTreeSet::new();
    for length in 1..=4u32 {
        for number in 0..8usize.pow(length) {
            let step = |i: u32| relations[number / 8usize.pow(i) % 8];
            let steps: Vec<_> = (0..length).map(step).collect();
            let anti = |r: &checkers::graphs::Relations| r.0 & 0b10_0100 != 0;
            let of_data = steps.iter().any(|r| r.0 < 64);
            if !of_data || steps.iter().any(|r| r.0 == 64) && steps.iter().any(|r| r.0 == 128) {
                continue;
            }
            let kind = classify(&steps);
            let spec = cycle_spec(kind).expect("a cycle has a specification");
            let count = |of: checkers::graphs::Relations| steps.iter().filter(|r| r.meets(of)).count();
            assert!(steps.iter().all(|r| r.meets(spec.usable())), "{steps:?} {kind}");
            assert!(spec.single.0 == 0 || count(spec.single) == 1, "{steps:?} {kind}");
            assert!(spec.multiple.0 == 0 || count(spec.multiple) >= 2, "{steps:?} {kind}");
            let in_a_row = (0..steps.len()).any(|i| anti(&steps[i]) && anti(&steps[(i + 1) % steps.len()]));
            assert!(spec.nonadjacent.0 == 0 || !in_a_row, "{steps:?} {kind}");
            assert!(spec.required.iter().all(|of| count(*of) > 0), "{steps:?} {kind}");
            seen.insert(kind);
        }
    }
    assert_eq!(seen.len(), CYCLE_SPECS.len());
}

#[test]
fn the_words_of_the_tables_are_sentences() {
    let sentence = |text: &str| {
        assert!(text.ends_with('.') || text.ends_with('?') || text.ends_with(')'), "{text}");
        assert!(!text.contains("  ") && !text.contains('\n'), "{text}");
    };
    for row in table::models() {
        [row.definition, row.source, row.checked].into_iter().for_each(sentence);
        assert!(row.definition.split(' ').count() >= 12, "{}", row.definition);
    }
    for row in table::anomalies() {
        [row.meaning, row.source].into_iter().for_each(sentence);
        assert!(row.meaning.split(' ').count() >= 8, "{}", row.meaning);
        if let Some(example) = row.example {
            sentence(example.reading);
            let parsed = histories::notation::parse(example.history);
            assert!(parsed.is_ok_and(|events| !events.is_empty()), "{}", example.history);
        }
    }
}

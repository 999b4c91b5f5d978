//! `docs/reference/models.md` and `docs/reference/anomalies.md` are what the tables of models and anomalies say.
//!
//! With `SPLITBRAIN_GOLDEN=write` in the environment they are written instead of compared.

use std::collections::BTreeSet;
use std::path::Path;

use checkers::models::table::{self, ELLE_READS_OTHERWISE};
use checkers::models::{Boundary, Scope, boundary, prohibited, worst_first};
use checkers::{AnomalyType, Model};

fn up_to_date(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    if std::env::var_os("SPLITBRAIN_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&path, page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{} is out of date: run this test with SPLITBRAIN_GOLDEN=write", path.display());
}

#[test]
fn the_page_of_models_is_up_to_date() {
    up_to_date("models.md", &models());
}

#[test]
fn the_page_of_anomalies_is_up_to_date() {
    up_to_date("anomalies.md", &anomalies());
}

const TRANSACTIONS: &str = r"
                          strong-serializable
                       ┌───────────┴────────────┐
                 serializable             linearizable
        ┌──────────────┴────────────┐           :
        │                  snapshot-isolation
        │             ┌─────────────┼──────────────────────┐
 repeatable-read  consistent-view   │                   prefix
        │             │   parallel-snapshot-isolation      │
        └──────┬──────┘             └──────────┬───────────┘
        cursor-stability                 causal-cerone
               │                          read-atomic
               └───────────────┬───────────────┘
                        read-committed
                       read-uncommitted
";

/// The lines of the drawing, from the stronger to the next weaker model.
const DRAWN: &[(Model, Model)] = &[
    (Model::StrongSerializable, Model::Serializable),
    (Model::StrongSerializable, Model::Linearizable),
    (Model::Serializable, Model::RepeatableRead),
    (Model::Serializable, Model::SnapshotIsolation),
    (Model::SnapshotIsolation, Model::ConsistentView),
    (Model::SnapshotIsolation, Model::ParallelSnapshotIsolation),
    (Model::SnapshotIsolation, Model::Prefix),
    (Model::RepeatableRead, Model::CursorStability),
    (Model::ConsistentView, Model::CursorStability),
    (Model::ParallelSnapshotIsolation, Model::CausalCerone),
    (Model::Prefix, Model::CausalCerone),
    (Model::CausalCerone, Model::ReadAtomic),
    (Model::CursorStability, Model::ReadCommitted),
    (Model::ReadAtomic, Model::ReadCommitted),
    (Model::ReadCommitted, Model::ReadUncommitted),
];

const OBJECTS: &str = r"
                    linearizable
                     sequential
              ┌───────────┴─────────────┐
        causal-memory          causal-convergence
         │        └───────┬─────────┘   ├─ writes-follow-reads
       PRAM            causal           ├─ read-your-writes
                                        ├─ monotonic-writes
                                        └─ monotonic-reads
";

const DRAWN_OBJECTS: &[(Model, Model)] = &[
    (Model::Linearizable, Model::Sequential),
    (Model::Sequential, Model::CausalMemory),
    (Model::Sequential, Model::CausalConvergence),
    (Model::CausalMemory, Model::Pram),
    (Model::CausalMemory, Model::Causal),
    (Model::CausalConvergence, Model::Causal),
    (Model::CausalConvergence, Model::WritesFollowReads),
    (Model::CausalConvergence, Model::ReadYourWrites),
    (Model::CausalConvergence, Model::MonotonicWrites),
    (Model::CausalConvergence, Model::MonotonicReads),
];

/// All that a model implies, step by step.
fn below(model: Model, next: impl Fn(Model) -> Vec<Model>) -> BTreeSet<Model> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![model]);
    while let Some(model) = open.pop() {
        open.extend(next(model).into_iter().filter(|weaker| reached.insert(*weaker)));
    }
    reached
}

/// The next weaker models, in Elle for transactions, and as the models are read here for single objects.
fn weaker(model: Model) -> Vec<Model> {
    let row = model.about();
    let here =
        |weaker: &&Model| row.scope == Scope::Transactions || !ELLE_READS_OTHERWISE.contains(&(row.model, **weaker));
    row.implies.iter().chain(row.also_implies).filter(here).copied().collect()
}

/// Each line of a drawing is an implication, and every implication between two models of a drawing is a way along its
/// lines.
#[test]
fn the_drawings_show_the_lattice() {
    for (drawing, lines) in [(TRANSACTIONS, DRAWN), (OBJECTS, DRAWN_OBJECTS)] {
        let drawn: BTreeSet<Model> = lines.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let words = drawing.split(|c: char| c.is_whitespace() || !c.is_ascii()).filter(|w| w.len() > 1);
        assert_eq!(words.collect::<BTreeSet<&str>>(), drawn.iter().map(|m| m.name()).collect());
        for from in &drawn {
            let along = |model: Model| lines.iter().filter(|(a, _)| *a == model).map(|(_, b)| *b).collect();
            let implied: BTreeSet<Model> = below(*from, weaker).intersection(&drawn).copied().collect();
            assert_eq!(below(*from, along), implied, "{from}");
        }
    }
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("`{}`", item.to_string())).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

fn links<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let link = |name: String| format!("[{name}](#{})", anchor(&name));
    let items: Vec<String> = items.into_iter().map(|item| link(item.to_string())).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// What a heading is called in a link.
fn anchor(name: &str) -> String {
    name.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}

fn models() -> String {
    let mut page = String::from(
        "# Consistency models\n\n\
         A consistency model is a set of allowed histories. `splitbrain check --model M` asks whether a history is one of \
         them, and `splitbrain explain M` prints what stands here. This page is generated from the table of models in \
         `checkers/src/models/table`; the anomalies are on [their own page](anomalies.md).\n\n\
         The names, their aliases and what implies what are those of Elle 0.2.7 (`elle.consistency-model`), as far as Elle \
         goes. Elle forbids nothing for eleven of its models, so that every history satisfies them there; here they forbid \
         what they should. Where a history is compared with Elle's answer: for anomalies that Elle knows, `not` and \
         `also_not` are exactly Elle's, and what they rule out besides stands apart.\n\n\
         ## Transactions\n\nStronger models are above weaker ones; whoever satisfies one satisfies those below it.\n\n```text",
    );
    page += TRANSACTIONS;
    page += "```\n\nEach of these levels is also there with the order of sessions, and with that of real time:\n\n\
             | by data alone | with sessions | with real time |\n| --- | --- | --- |\n";
    for level in ["read-uncommitted", "read-committed", "snapshot-isolation", "serializable"] {
        let session = format!("strong-session-{level}");
        page += &format!("| {} | {} | {} |\n", links([level]), links([session]), links([format!("strong-{level}")]));
    }
    page += "\n## Single objects\n\n```text";
    page += OBJECTS;
    page += "```\n\n";
    page += "Some implications of Elle are true as Elle reads its models, with one order of versions for everybody and without \
             sessions in snapshot isolation. Here they are read otherwise, and an anomaly that Elle does not know counts \
             against the weaker model only:\n\n";
    for (stronger, weaker) in ELLE_READS_OTHERWISE {
        page += &format!("- {} over {}\n", links([stronger]), links([weaker]));
    }
    page += "\n## All models\n\n| model | also called | implies directly |\n| --- | --- | --- |\n";
    for row in table::models() {
        let aliases = if row.model.aliases().is_empty() { String::new() } else { list(row.model.aliases()) };
        let implies = links(row.implies.iter().chain(row.also_implies));
        page += &format!("| {} | {aliases} | {implies} |\n", links([row.model]));
    }
    Model::ALL.iter().for_each(|model| page += &model_section(*model));
    page
}

fn model_section(model: Model) -> String {
    let row = model.about();
    let direct = row.prohibits.iter().chain(row.also_prohibits);
    let kind = match row.scope {
        Scope::Transactions => "transactions",
        Scope::Objects => "single objects",
    };
    let mut out = format!("\n### {model}\n\n{}\n\n", row.definition);
    out += &format!("- **Speaks of** {kind}.\n- **Source.** {}\n", row.source);
    out += &format!("- **Forbids,** over what weaker models forbid: {}.\n", list(direct));
    out += &format!("- **Forbids in all:** {}.\n", list(worst_first(prohibited(&[model], &[]))));
    out += &format!("- **Implies** {}.\n- **Implied by** {}.\n", links(model.implies()), links(model.implied_by()));
    out += &format!("- **Checked.** {}\n", row.checked);
    if !model.notes().is_empty() {
        out += &format!("- **Beside Elle.** {}\n", model.notes().join(" "));
    }
    out
}

fn anomalies() -> String {
    let kinds = worst_first(AnomalyType::ALL.iter().copied());
    let mut page = String::from(
        "# Anomalies\n\n\
         An anomaly is one way in which a history contradicts a consistency model. Verdicts name them, the worst first, \
         with the operations that prove each; `splitbrain explain A` prints what stands here. This page is generated from the \
         table of anomalies in `checkers/src/models/table`; the models are on [their own page](models.md).\n\n\
         Examples are in the notation of `histories::notation`: `0:ax1` is an append of 1 to `x` by process 0, `rx12` a read \
         of `x` that finds 1 and 2, `rx_` one that finds nothing, `wx1` a write, `ax1ry_` one transaction, `{ax1}` one of a \
         single step; `0<` and `0>` are the two ends of an operation; `!` is one that failed.\n\n\
         | anomaly | rules out | known to Elle |\n| --- | --- | --- |\n",
    );
    for kind in &kinds {
        let elle = if kind.in_elle() { "yes" } else { "no" };
        page += &format!("| {} | {} | {elle} |\n", links([kind]), list(boundary(&[*kind]).not));
    }
    kinds.iter().for_each(|kind| page += &anomaly_section(*kind));
    page
}

fn anomaly_section(kind: AnomalyType) -> String {
    let row = kind.about();
    let Boundary { not, also_not, besides } = boundary(&[kind]);
    let mut out = format!("\n## {kind}\n\n{}\n\n", row.meaning);
    if let Some(example) = row.example {
        out += &format!("```text\n{}\n```\n\n{}\n\n", example.history, example.reading);
    }
    out += &format!("- **Rules out** {}; with them {}.\n", list(not), list(also_not));
    if !besides.is_empty() {
        out += &format!("- **Rules out besides** {}.\n", list(besides));
    }
    if !kind.implies().is_empty() {
        out += &format!("- **Wherever it is** there are also {}.\n", links(kind.implies()));
    }
    out += &format!("- **Source.** {}\n", row.source);
    out
}

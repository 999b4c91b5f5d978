//! Everything that follows from the two tables.
//!
//! # From a question to what is prohibited
//!
//! A model prohibits what its row says, what the rows of all weaker models say, and every anomaly that implies one of
//! these: a history with lost updates has a cycle of anti-dependencies, so who prohibits those prohibits these.
//!
//! ```text
//!   asked:  serializable ──► repeatable-read ──► cursor-stability ──► read-committed ──► read-uncommitted
//!                │                 │                   │                   │                   │
//!             G1, G2            G2-item           lost-update              G1                  G0
//!                                                                           ▲
//!                                            dirty-update ──► G1a ──────────┘   prohibited as well
//! ```
//!
//! # From what was found to what is ruled out
//!
//! The same table read backwards. What was found implies other anomalies; a model that prohibits one of them is ruled out,
//! and with it every stronger model. [`Boundary::not`] names the weakest of these and [`Boundary::also_not`] the rest,
//! as Elle's `:not` and `:also-not` do.
//!
//! # Where Elle is silent
//!
//! Eleven models of Elle prohibit nothing there, so that every history satisfies them, and some kinds of anomalies are
//! not known to it. Here they prohibit what they should, and the lists stay comparable by one rule: **for anomalies
//! that Elle knows, `not` and `also_not` are exactly Elle's**, and what those rule out besides is in
//! [`Boundary::besides`]. Of an anomaly that Elle does not know, the lists name all models that it rules out, except
//! that a contradiction between transactions puts models of single objects into `besides`.
//!
//! A few steps of Elle's lattice hold only as Elle reads its models; see [`ELLE_READS_OTHERWISE`] and [`ELLE_INFERS`]. What
//! was added to the tables does not pass them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::cycles::CYCLE_SPECS;
use super::table::{self, AnomalyAbout, ELLE_INFERS, ELLE_READS_OTHERWISE, ModelAbout, Scope, WORSE};
use super::{AnomalyType, Model};

/// What a set of anomalies rules out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boundary {
    /// The weakest models that are ruled out, by name.
    pub not: Vec<Model>,
    /// The stronger ones, by name, which are ruled out with them.
    pub also_not: Vec<Model>,
    /// What is ruled out too and does not stand in Elle's lists, by name.
    pub besides: Vec<Model>,
}

/// Where the order of the versions comes from on which cycles are built.
///
/// Three models ask for a serial order of transactions and leave open in which order the versions of an object came
/// ([`Model::leaves_versions_open`]). A cycle proves that there is none only if the order of versions could not have
/// been another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionOrder {
    /// From what was read; no other order explains the reads.
    #[default]
    Read,
    /// In part from what was assumed of the keys, such as that each is linearizable.
    Assumed,
}

/// All anomalies that a history with these models and without these anomalies does not have: those that the models
/// forbid, these, and what implies any of them.
pub fn prohibited(models: &[Model], anomalies: &[AnomalyType]) -> BTreeSet<AnomalyType> {
    prohibited_under(VersionOrder::Read, models, anomalies)
}

/// As [`prohibited`], for cycles on an order of versions that comes from there.
pub fn prohibited_under(order: VersionOrder, models: &[Model], anomalies: &[AnomalyType]) -> BTreeSet<AnomalyType> {
    let by_models = models.iter().map(|m| LATTICE.forbids(*m, order)).fold(0, |all, of| all | of);
    let asked = anomalies.iter().fold(0, |all, kind| all | of_kind(*kind));
    let with = |kind: &AnomalyType| by_models & of_kind(*kind) != 0 || LATTICE.kinds[at(*kind)].elle & asked != 0;
    AnomalyType::ALL.iter().copied().filter(with).collect()
}

/// What these anomalies rule out. See the [module](self).
pub fn boundary(found: &[AnomalyType]) -> Boundary {
    boundary_under(VersionOrder::Read, found)
}

/// As [`boundary`], for cycles on an order of versions that comes from there.
pub fn boundary_under(order: VersionOrder, found: &[AnomalyType]) -> Boundary {
    let listed = found.iter().fold(0, |all, kind| all | LATTICE.listed(*kind));
    let found = found.iter().fold(0, |all, kind| all | of_kind(*kind));
    let ruled_out = |m: &Model| LATTICE.forbids(*m, order) & found != 0;
    let is_weakest = |m: &Model| LATTICE.weaker(*m) & listed == 0;
    let (listed, besides): (Vec<Model>, Vec<Model>) =
        by_name().filter(|m| listed & of_model(*m) != 0 || ruled_out(m)).partition(|m| listed & of_model(*m) != 0);
    let (not, also_not) = listed.into_iter().partition(is_weakest);
    Boundary { not, also_not, besides }
}

/// These kinds, each once, the worst first: Elle's order of search, by depth and then by name.
pub fn worst_first(kinds: impl IntoIterator<Item = AnomalyType>) -> Vec<AnomalyType> {
    let mut kinds: Vec<AnomalyType> = kinds.into_iter().collect();
    kinds.sort_by_key(|kind| kind.order());
    kinds.dedup();
    kinds
}

/// Which order of transactions has to be looked at beyond their data: of processes, of real time. Never both, since
/// real time holds that of each process.
pub fn needs(models: &[Model], anomalies: &[AnomalyType]) -> (bool, bool) {
    let prohibited = prohibited(models, anomalies);
    let any = |ending: &str| prohibited.iter().any(|kind| kind.in_elle() && kind.name().ends_with(ending));
    let realtime = any("-realtime");
    (!realtime && any("-process"), realtime)
}

impl Model {
    /// Its row.
    pub fn about(self) -> &'static ModelAbout {
        LATTICE.models[self as usize].row
    }

    /// All weaker models, by name: what satisfies this one satisfies them.
    pub fn implies(self) -> Vec<Model> {
        by_name().filter(|m| LATTICE.weaker(self) & of_model(*m) != 0).collect()
    }

    /// All stronger models, by name: what does not satisfy this one does not satisfy them.
    pub fn implied_by(self) -> Vec<Model> {
        by_name().filter(|m| LATTICE.weaker(*m) & of_model(self) != 0).collect()
    }

    /// Whether Elle has it and forbids nothing for it.
    pub fn is_silent_in_elle(self) -> bool {
        let node = &LATTICE.models[self as usize];
        node.row.in_elle && node.forbids_in_elle == 0
    }

    /// Whether some order of the versions will do, whichever it really was.
    pub fn leaves_versions_open(self) -> bool {
        matches!(self, Model::ViewSerializable | Model::OneCopySerializable | Model::SessionSerializable)
    }
}

impl AnomalyType {
    /// Its row.
    pub fn about(self) -> &'static AnomalyAbout {
        LATTICE.kinds[at(self)].row
    }

    /// All anomalies that are present wherever this one is, the worst first.
    pub fn implies(self) -> Vec<AnomalyType> {
        let implied = LATTICE.kinds[at(self)].elle;
        let others = AnomalyType::ALL.iter().copied().filter(|kind| *kind != self && implied & of_kind(*kind) != 0);
        worst_first(others)
    }

    /// How bad it is: 0 for the worst. Elle's depth: the length of the longest chain of worse anomalies above it.
    pub fn depth(self) -> u8 {
        LATTICE.depths[at(self)]
    }

    /// By what anomalies are ordered: depth, then name.
    pub fn order(self) -> (u8, &'static str) {
        (self.depth(), self.name())
    }

    /// Whether Elle knows it.
    pub fn in_elle(self) -> bool {
        self.about().depth.is_none()
    }
}

/// Sets of anomalies and of models, one bit each.
type Kinds = u128;
type Models = u64;

const fn at(kind: AnomalyType) -> usize {
    kind as usize
}

const fn of_kind(kind: AnomalyType) -> Kinds {
    1 << kind as u32
}

const fn of_model(model: Model) -> Models {
    1 << model as u32
}

const _: () = assert!(AnomalyType::ALL.len() <= Kinds::BITS as usize && Model::ALL.len() <= Models::BITS as usize);

fn by_name() -> impl Iterator<Item = Model> {
    LATTICE.by_name.iter().copied()
}

/// One model: what it implies and prohibits as Elle has it, and as it is added to here. A model implies itself.
struct ModelNode {
    row: &'static ModelAbout,
    elle: Models,
    here: Models,
    forbids_in_elle: Kinds,
    forbids_here: Kinds,
}

/// One anomaly: what it implies as Elle has it, and as it is added to here. An anomaly implies itself.
struct KindNode {
    row: &'static AnomalyAbout,
    elle: Kinds,
    here: Kinds,
}

/// All closures.
struct Lattice {
    models: Vec<ModelNode>,
    kinds: Vec<KindNode>,
    depths: Vec<u8>,
    by_name: Vec<Model>,
    cycles: Kinds,
}

static LATTICE: LazyLock<Lattice> = LazyLock::new(Lattice::new);

impl Lattice {
    fn new() -> Lattice {
        let kinds = kind_nodes();
        let mut by_name = Model::ALL.to_vec();
        by_name.sort_by_key(|m| m.name());
        Lattice {
            models: model_nodes(&kinds),
            depths: depths(&kinds),
            kinds,
            by_name,
            cycles: CYCLE_SPECS.iter().fold(0, |all, spec| all | of_kind(spec.kind)),
        }
    }

    /// What a model prohibits, in Elle and here.
    fn forbids(&self, model: Model, order: VersionOrder) -> Kinds {
        let node = &self.models[model as usize];
        let open = order == VersionOrder::Assumed && model.leaves_versions_open();
        let unproven = if open { self.cycles | of_kind(AnomalyType::CyclicVersions) } else { 0 };
        (node.forbids_in_elle | node.forbids_here) & !unproven
    }

    /// The models that `not` and `also_not` name because of one anomaly.
    fn listed(&self, kind: AnomalyType) -> Models {
        let row = self.kinds[at(kind)].row;
        let lists = |node: &&ModelNode| match (row.depth, row.scope) {
            (None, _) => node.forbids_in_elle & of_kind(kind) != 0,
            (Some(_), Scope::Objects) => node.forbids_here & of_kind(kind) != 0,
            (Some(_), Scope::Transactions) => {
                node.forbids_here & of_kind(kind) != 0 && node.row.scope == Scope::Transactions
            }
        };
        self.models.iter().filter(lists).fold(0, |all, node| all | of_model(node.row.model))
    }

    /// The models weaker than this one, without itself.
    fn weaker(&self, model: Model) -> Models {
        let node = &self.models[model as usize];
        (node.elle | node.here) & !of_model(model)
    }
}

fn kind_nodes() -> Vec<KindNode> {
    let row = |kind: &AnomalyType| table::anomalies().find(|row| row.kind == *kind).expect("every anomaly has a row");
    let rows: Vec<&AnomalyAbout> = AnomalyType::ALL.iter().map(row).collect();
    let set = |of: &dyn Fn(AnomalyType, AnomalyType) -> bool| {
        let direct = rows.iter().map(|row| {
            let all = row.implies.iter().chain(row.also_implies);
            all.filter(|to| of(row.kind, **to)).fold(of_kind(row.kind), |set, to| set | of_kind(*to))
        });
        closed(direct.collect())
    };
    let (elle, here) = (set(&|_, _| true), set(&|from, to| !ELLE_INFERS.contains(&(from, to))));
    rows.iter().zip(elle.into_iter().zip(here)).map(|(row, (elle, here))| KindNode { row, elle, here }).collect()
}

fn model_nodes(kinds: &[KindNode]) -> Vec<ModelNode> {
    let row = |model: &Model| table::models().find(|row| row.model == *model).expect("every model has a row");
    let rows: Vec<&ModelAbout> = Model::ALL.iter().map(row).collect();
    let set = |models: &[Model]| models.iter().fold(0, |set: Kinds, m| set | Kinds::from(of_model(*m)));
    let itself = |row: &ModelAbout| Kinds::from(of_model(row.model));
    let otherwise = |row: &ModelAbout| {
        let away = ELLE_READS_OTHERWISE.iter().filter(|(from, _)| *from == row.model).map(|(_, to)| *to);
        set(&away.collect::<Vec<_>>())
    };
    let elle = closed(rows.iter().map(|row| itself(row) | set(row.implies)).collect());
    let here = rows.iter().map(|row| itself(row) | set(row.also_implies) | set(row.implies) & !otherwise(row));
    let here = closed(here.collect());
    let forbids = |weaker: Kinds, of: &dyn Fn(&ModelAbout) -> Kinds| {
        rows.iter().filter(|row| weaker & itself(row) != 0).fold(0, |all, row| all | of(row))
    };
    let of = |kinds: &[AnomalyType]| kinds.iter().fold(0, |all, kind| all | of_kind(*kind));
    let node = |(row, (elle, here)): (&&'static ModelAbout, (Kinds, Kinds))| {
        let in_elle = forbids(elle, &|row| of(row.prohibits));
        let added = forbids(here, &|row| of(row.prohibits) | of(row.also_prohibits));
        ModelNode {
            row,
            elle: elle as Models,
            here: here as Models,
            forbids_in_elle: backwards(kinds, in_elle, |kind| kind.elle),
            forbids_here: backwards(kinds, added, |kind| kind.here),
        }
    };
    let mut nodes: Vec<ModelNode> = rows.iter().zip(elle.into_iter().zip(here)).map(node).collect();
    // What a weaker model prohibits in Elle is prohibited, by whichever steps it is weaker.
    for at in 0..nodes.len() {
        let weaker = nodes.iter().filter(|weaker| nodes[at].here & of_model(weaker.row.model) != 0);
        let inherited = weaker.fold(0, |all, weaker| all | weaker.forbids_in_elle);
        nodes[at].forbids_here |= inherited;
    }
    nodes
}

/// All anomalies that imply one of these.
fn backwards(kinds: &[KindNode], these: Kinds, implied: impl Fn(&KindNode) -> Kinds) -> Kinds {
    kinds.iter().filter(|kind| implied(kind) & these != 0).fold(0, |all, kind| all | of_kind(kind.row.kind))
}

/// The transitive closure of a relation, given for each number as the set of numbers related to it.
fn closed(mut sets: Vec<u128>) -> Vec<u128> {
    for via in 0..sets.len() {
        let reached = sets[via];
        for set in &mut sets {
            if *set >> via & 1 == 1 {
                *set |= reached;
            }
        }
    }
    sets
}

/// Longest path from the top of Elle's implications and severities; an anomaly that Elle does not know says itself.
fn depths(kinds: &[KindNode]) -> Vec<u8> {
    let implications = kinds.iter().filter(|kind| kind.row.depth.is_none());
    let implications = implications.flat_map(|kind| kind.row.implies.iter().map(|to| (kind.row.kind, *to)));
    let edges: Vec<_> = implications.chain(WORSE.iter().copied()).collect();
    let mut depths: Vec<u8> = kinds.iter().map(|kind| kind.row.depth.unwrap_or(0)).collect();
    for _ in 0..kinds.len() {
        for (worse, better) in &edges {
            depths[at(*better)] = depths[at(*better)].max(depths[at(*worse)].saturating_add(1));
        }
    }
    depths
}

//! The shape of the two tables: one row for each consistency model, one for each kind of anomaly.
//!
//! Rows hold facts only, each with its source; everything else is computed from them by [`super::lattice`]. Two voices
//! are kept apart in every row. `implies` and `prohibits` are those of Elle, letter by letter; `also_implies` and
//! `also_prohibits` are what is added here. So a verdict about anomalies that Elle knows can be exactly Elle's, and
//! what goes beyond it can be told from it.

mod cycles;
mod levels;
mod objects;
mod single;
mod strong;
mod versions;
mod workloads;

use super::{AnomalyType, Model};

/// What a model or an anomaly speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Transactions of several steps.
    Transactions,
    /// Single operations on single objects.
    Objects,
}

/// The order of operations that a model looks at beyond their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Needs {
    /// None.
    Data,
    /// That of each process or session.
    Process,
    /// That of real time.
    Realtime,
}

/// One row of the table of models.
#[derive(Clone, Copy, Debug)]
pub struct ModelAbout {
    /// Which.
    pub model: Model,
    /// What it allows, in two or three sentences.
    pub definition: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// How this crate decides it.
    pub checked: &'static str,
    /// What it speaks of.
    pub scope: Scope,
    /// The order that it needs.
    pub needs: Needs,
    /// Whether Elle has it.
    pub in_elle: bool,
    /// The next weaker models, in Elle.
    pub implies: &'static [Model],
    /// Further weaker models. They are as true of our anomalies as `implies`, with the exceptions in
    /// [`ELLE_READS_OTHERWISE`].
    pub also_implies: &'static [Model],
    /// What it forbids over its weaker models, in Elle.
    pub prohibits: &'static [AnomalyType],
    /// What it forbids besides.
    pub also_prohibits: &'static [AnomalyType],
}

/// A history in notation, and what is to be seen in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The history, in the notation of [`histories::notation`].
    pub history: &'static str,
    /// How to read it.
    pub reading: &'static str,
}

/// One row of the table of anomalies.
#[derive(Clone, Copy, Debug)]
pub struct AnomalyAbout {
    /// Which.
    pub kind: AnomalyType,
    /// What has happened, in plain words.
    pub meaning: &'static str,
    /// The smallest history that shows it.
    pub example: Option<Example>,
    /// Where it is defined.
    pub source: &'static str,
    /// What it speaks of.
    pub scope: Scope,
    /// What is present wherever it is, in Elle.
    pub implies: &'static [AnomalyType],
    /// What else is present wherever it is.
    pub also_implies: &'static [AnomalyType],
    /// Of an anomaly that Elle does not know: how bad it is, on the scale of the depth that Elle gives its own: 0 for
    /// the worst.
    pub depth: Option<u8>,
}

/// Steps of Elle's lattice that hold as Elle reads the stronger or the weaker model, and not as it is read here. No
/// anomaly that Elle knows comes across them; ours do not pass them.
///
/// - *causal → PRAM.* Elle's source for causal consistency (Viotti and Vukolić 2016) has one order of writes for
///   everybody. Causal consistency here is that of Bouajjani et al. 2017, which the bad patterns decide, and it is
///   weaker: a session may read 1, 2 and 1 again if 1 and 2 were written independently, which PRAM and monotonic reads
///   forbid; and a store in which the last writer wins is causal without being PRAM, because a write that arrives late
///   may lose to one that was seen before. Causal memory is above PRAM.
/// - *PRAM → monotonic reads, monotonic writes, read your writes; causal → writes follow reads.* Elle's source has one order of
///   the versions of an object for everybody, and so have the checkers of the four guarantees: a guarantee is violated
///   if no such order agrees with what it demands. PRAM, causal consistency and causal memory leave each process its own
///   order. Two processes that write one object and then each read the other's value contradict the first, and not the
///   others. Causal convergence has one order, and is above all four guarantees.
/// - *snapshot-isolation → parallel-snapshot-isolation, prefix.* Adya's snapshot isolation says nothing of sessions:
///   a transaction may run on a snapshot that lacks what its own session has written. Our checkers of causal and
///   prefix consistency for transactions follow sessions, as Cerone, Gotsman and Yang 2017 do. What they find
///   contradicts strong session snapshot isolation, and snapshot isolation itself only where it says so.
pub const ELLE_READS_OTHERWISE: &[(Model, Model)] = &[
    (Model::Causal, Model::Pram),
    (Model::Causal, Model::WritesFollowReads),
    (Model::Pram, Model::MonotonicReads),
    (Model::Pram, Model::MonotonicWrites),
    (Model::Pram, Model::ReadYourWrites),
    (Model::SnapshotIsolation, Model::ParallelSnapshotIsolation),
    (Model::SnapshotIsolation, Model::Prefix),
];

/// Implications between anomalies that hold among the transactional models of Elle alone.
///
/// Two reads that disagree on the order of a list mean, to Elle, that one of them saw what was never committed. A store
/// without a single order of writes shows the same with nothing aborted.
pub const ELLE_INFERS: &[(AnomalyType, AnomalyType)] = &[(AnomalyType::IncompatibleOrder, AnomalyType::G1a)];

/// Pairs of kinds of which the first is reported before the second though it does not imply it: Elle's severity edges.
pub(super) const WORSE: &[(AnomalyType, AnomalyType)] = {
    use AnomalyType::*;
    &[
        (G0, G1c),
        (G0Process, G1cProcess),
        (G0Realtime, G1cRealtime),
        (G1c, GSingle),
        (G1c, G2Item),
        (G1cProcess, GSingleProcess),
        (G1cProcess, G2ItemProcess),
        (G1cRealtime, GSingleRealtime),
        (G1cRealtime, G2ItemRealtime),
        (G2, G0Process),
        (G2Process, G0Realtime),
    ]
};

/// The row of each model, weaker ones before stronger ones within each group.
pub fn models() -> impl Iterator<Item = &'static ModelAbout> {
    [levels::ROWS, strong::ROWS, objects::ROWS].into_iter().flatten()
}

/// The row of each anomaly, by group.
pub fn anomalies() -> impl Iterator<Item = &'static AnomalyAbout> {
    [cycles::ROWS, versions::ROWS, single::ROWS, workloads::ROWS].into_iter().flatten()
}

impl ModelAbout {
    /// A row that implies and prohibits nothing yet.
    const fn new(model: Model, scope: Scope, definition: &'static str, source: &'static str) -> Self {
        let checked = match scope {
            Scope::Transactions => BY_CYCLES,
            Scope::Objects => "",
        };
        ModelAbout {
            model,
            definition,
            source,
            checked,
            scope,
            needs: Needs::Data,
            in_elle: true,
            implies: &[],
            also_implies: &[],
            prohibits: &[],
            also_prohibits: &[],
        }
    }

    const fn implies(mut self, models: &'static [Model]) -> Self {
        self.implies = models;
        self
    }

    const fn also_implies(mut self, models: &'static [Model]) -> Self {
        self.also_implies = models;
        self
    }

    const fn prohibits(mut self, kinds: &'static [AnomalyType]) -> Self {
        self.prohibits = kinds;
        self
    }

    const fn also_prohibits(mut self, kinds: &'static [AnomalyType]) -> Self {
        self.also_prohibits = kinds;
        self
    }

    const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    const fn checked(mut self, how: &'static str) -> Self {
        self.checked = how;
        self
    }

    const fn not_in_elle(mut self) -> Self {
        self.in_elle = false;
        self
    }
}

impl AnomalyAbout {
    /// A row of a kind that Elle knows, and that implies nothing yet.
    const fn new(kind: AnomalyType, meaning: &'static str, source: &'static str) -> Self {
        AnomalyAbout {
            kind,
            meaning,
            example: None,
            source,
            scope: Scope::Transactions,
            implies: &[],
            also_implies: &[],
            depth: None,
        }
    }

    /// A row of a kind that Elle does not know.
    const fn ours(kind: AnomalyType, scope: Scope, depth: u8, meaning: &'static str, source: &'static str) -> Self {
        let mut row = AnomalyAbout::new(kind, meaning, source);
        row.scope = scope;
        row.depth = Some(depth);
        row
    }

    const fn example(mut self, history: &'static str, reading: &'static str) -> Self {
        self.example = Some(Example { history, reading });
        self
    }

    const fn implies(mut self, kinds: &'static [AnomalyType]) -> Self {
        self.implies = kinds;
        self
    }

    const fn also_implies(mut self, kinds: &'static [AnomalyType]) -> Self {
        self.also_implies = kinds;
        self
    }
}

const BY_CYCLES: &str = "In histories of transactions (list-append, rw-register, predicate): the order of versions is \
                         recovered from what was read, transactions are joined by their dependencies, and cycles are \
                         searched among them; aborted, intermediate and impossible reads are looked up directly.";

//! Why a register has no linearization, in words.

use histories::{History, KeyId, Scalar};

use super::front::{self, Front};
use super::operations::{Does, NEVER, Op};
use super::zones::{NONE, Violation};
use crate::budget::Meter;
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words::{count, numbered, told};
use crate::linearizability::words;

/// The end of the longest part that has a linearization.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stuck {
    /// The operation that cannot follow.
    pub op: usize,
    /// What it could have found instead, of the values written last.
    pub values: Vec<u32>,
}

/// Finds the earliest end after which there is no linearization. The search knows the future, and may have given up before or
/// after it; looking at prefixes only, it does not.
pub(super) fn stuck(ops: &[Op], initial: u32, ended: usize, meter: &Meter<'_>) -> Stuck {
    let mut ends: Vec<(u32, usize)> =
        ops.iter().enumerate().filter(|(_, op)| op.is_certain()).map(|(i, op)| (op.end, i)).collect();
    ends.sort_unstable();
    let at = ends.partition_point(|(end, _)| *end < ops[ended].end);
    let fails = |i: usize| matches!(front::search(&prefix(ops, ends[i].0), initial, meter), Front::Not { .. });
    let op = ends[earliest(at, ends.len(), fails)].1;
    Stuck { op, values: instead(ops, initial, op, meter) }
}

/// The values that the operation could have found: those with which the prefix has a linearization.
fn instead(ops: &[Op], initial: u32, stuck: usize, meter: &Meter<'_>) -> Vec<u32> {
    const TRIED: usize = 8;
    if ops[stuck].needs().is_none() {
        return Vec::new();
    }
    let before = ops.iter().filter(|op| op.start < ops[stuck].end);
    let mut values: Vec<u32> = Vec::new();
    for value in before.rev().filter_map(Op::writes).chain([initial]) {
        if values.len() < TRIED && !values.contains(&value) {
            values.push(value);
        }
    }
    let mut known = prefix(ops, ops[stuck].end);
    let place = known.partition_point(|op| op.start < ops[stuck].start);
    values.retain(|value| {
        known[place].does = Does::Read(*value);
        matches!(front::search(&known, initial, meter), Front::Linearizable)
    });
    values.sort_unstable();
    values
}

/// The least `i` below `len` that fails, where all after it do; a good guess helps.
pub(in crate::linearizability) fn earliest(guess: usize, len: usize, fails: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len - 1);
    let mut stride = 1;
    if fails(guess) {
        high = guess;
        while high > low && stride <= high - low && fails(high - stride) {
            high -= stride;
            stride *= 2;
        }
        low = (high + 1).saturating_sub(stride).max(low);
    } else {
        low = guess + 1;
        while low < high && low + stride - 1 < high && !fails(low + stride - 1) {
            low += stride;
            stride *= 2;
        }
        high = high.min(low + stride - 1);
    }
    while low < high {
        let middle = (low + high) / 2;
        if fails(middle) { high = middle } else { low = middle + 1 }
    }
    high
}

/// What was known when this end came.
fn prefix(ops: &[Op], until: u32) -> Vec<Op> {
    let known = ops.iter().filter(|op| op.start < until).filter_map(|op| match op.does {
        _ if op.end <= until => Some(*op),
        Does::Read(_) | Does::Not(_) => None,
        Does::Write(_) | Does::Cas(..) => Some(Op { end: NEVER, ..*op }),
    });
    known.collect()
}

/// What an explanation speaks about.
pub(super) struct Scene<'a> {
    pub history: &'a History,
    pub ops: &'a [Op],
    pub key: KeyId,
    pub initial: Option<&'a Scalar>,
}

impl Scene<'_> {
    fn index(&self, i: u32) -> u32 {
        self.ops[i as usize].index()
    }

    fn did(&self, i: u32) -> String {
        told(self.history, self.index(i))
    }

    fn value(&self, id: u32) -> String {
        words::value(self.history, id, self.initial)
    }

    fn register(&self) -> String {
        format!("the register{}", words::of_key(self.history, self.key))
    }

    fn anomaly(&self, ops: &[u32], relations: Vec<Relation>, explanation: String) -> Anomaly {
        let operations = ops.iter().map(|i| self.index(*i)).collect();
        words::nonlinearizable(words::key_name(self.history, self.key), operations, relations, explanation)
    }

    pub(super) fn zones(&self, violation: &Violation) -> Anomaly {
        match violation {
            Violation::Unwritten(i) => self.unwritten(*i),
            Violation::Twice(a, b) => self.twice(*a, *b),
            Violation::Circle(ops) => self.circle(ops),
            Violation::Backwards(ops) => self.backwards(ops),
            Violation::Crossed(a, b) => self.crossed(a, b),
            Violation::Held { failed, first, last } => self.held(*failed, *first, *last),
        }
    }

    fn unwritten(&self, i: u32) -> Anomaly {
        let value = self.ops[i as usize].needs().map_or_else(String::new, |v| self.value(v));
        let (did, register) = (self.did(i), self.register());
        self.anomaly(&[i], Vec::new(), format!("{did}, but nobody ever wrote {value} to {register}: a contradiction"))
    }

    fn twice(&self, a: u32, b: u32) -> Anomaly {
        let value = self.ops[a as usize].needs().map_or_else(String::new, |v| self.value(v));
        let text = format!(
            "{} and {}; each replaced {value}, which {} held only once: a contradiction",
            self.did(a),
            self.did(b),
            self.register()
        );
        self.anomaly(&[a, b], Vec::new(), text)
    }

    fn circle(&self, ops: &[u32]) -> Anomaly {
        let told: Vec<String> = ops.iter().map(|i| self.did(*i)).collect();
        let relations = ops.iter().zip(ops.iter().cycle().skip(1)).map(|(a, b)| self.reads_from(*a, *b)).collect();
        let text = format!(
            "each of these found what another of them left, around in a circle, so none can have been the first: {}",
            told.join("; ")
        );
        self.anomaly(ops, relations, text)
    }

    /// How the second stands to the first, which comes before it in a chain.
    fn reads_from(&self, a: u32, b: u32) -> Relation {
        let (from, to) = (self.index(a), self.index(b));
        let (earlier, later) = (self.ops[a as usize], self.ops[b as usize]);
        let value = |v: Option<u32>| v.map_or_else(String::new, |v| self.value(v));
        match (earlier.writes(), later.needs()) {
            (Some(w), Some(r)) if w == r => {
                let reason = format!("#{to} found {}, which #{from} wrote", value(Some(r)));
                Relation { from, to, kind: RelationKind::Wr, reason }
            }
            _ => {
                let reason = format!("#{to} replaced {}, which #{from} found", value(later.needs()));
                Relation { from, to, kind: RelationKind::Rw, reason }
            }
        }
    }

    fn chain(&self, ops: &[u32]) -> Vec<Relation> {
        ops.windows(2).map(|pair| self.reads_from(pair[0], pair[1])).collect()
    }

    /// The first must come before the last, but began after it had ended.
    fn backwards(&self, ops: &[u32]) -> Anomaly {
        let (first, last) = (ops[0], ops[ops.len() - 1]);
        let mut relations = self.chain(ops);
        relations.push(words::realtime(self.index(last), self.index(first)));
        let reasons: Vec<&str> = relations.iter().map(|r| r.reason.as_str()).collect();
        let text = format!(
            "{}, and {}; the first has to come before the second, because {}: a contradiction",
            self.did(first),
            self.did(last),
            reasons.join(", but ").replacen(", but ", " and ", reasons.len().saturating_sub(2))
        );
        self.anomaly(ops, relations, text)
    }

    /// Each of two values has to come before the other.
    fn crossed(&self, a: &[u32], b: &[u32]) -> Anomaly {
        let ends = |ops: &[u32]| (ops.first().copied(), ops.last().copied());
        let ((a_first, a_last), (b_first, b_last)) = (ends(a), ends(b));
        let mut relations: Vec<Relation> = self.together(a).into_iter().chain(self.together(b)).collect();
        let before = |x: Option<u32>, y: Option<u32>| match (x, y) {
            (Some(x), Some(y)) if self.ops[x as usize].end < self.ops[y as usize].start => {
                Some(words::realtime(self.index(x), self.index(y)))
            }
            _ => None,
        };
        relations.extend(before(a_first, b_last).into_iter().chain(before(b_first, a_last)));
        let ops = [a, b].concat();
        let text = format!(
            "{} held {} at one time only, and {} at one time only: {}. {} But {}: neither can come first, a contradiction",
            self.register(),
            self.values_of(a),
            self.values_of(b),
            ops.iter().map(|i| self.did(*i)).collect::<Vec<_>>().join("; "),
            self.why_before(a_first, b_last, b),
            self.why_after(b_first, a_last),
        );
        self.anomaly(&ops, relations, text)
    }

    /// The relations between operations of one block.
    fn together(&self, ops: &[u32]) -> Vec<Relation> {
        let linked = |pair: &&[u32]| {
            let (a, b) = (self.ops[pair[0] as usize], self.ops[pair[1] as usize]);
            a.writes().is_some() && a.writes() == b.needs()
        };
        ops.windows(2).filter(linked).map(|pair| self.reads_from(pair[0], pair[1])).collect()
    }

    fn values_of(&self, ops: &[u32]) -> String {
        let mut values: Vec<String> = Vec::new();
        for op in ops.iter().map(|i| self.ops[*i as usize]) {
            let value = match op.does {
                Does::Read(v) | Does::Write(v) | Does::Cas(_, v) | Does::Not(v) => self.value(v),
            };
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values.join(", ")
    }

    fn why_before(&self, first: Option<u32>, last: Option<u32>, later: &[u32]) -> String {
        match (first, last) {
            (Some(x), Some(y)) if self.ops[x as usize].end < self.ops[y as usize].start => format!(
                "#{} was completed before #{} was invoked, so {} came later.",
                self.index(x),
                self.index(y),
                self.values_of(later)
            ),
            _ => format!("The initial value was there before {}.", self.values_of(later)),
        }
    }

    fn why_after(&self, first: Option<u32>, last: Option<u32>) -> String {
        match (first, last) {
            (Some(x), Some(y)) => format!("#{} was completed before #{} was invoked", self.index(x), self.index(y)),
            _ => "the other order is impossible, too".to_owned(),
        }
    }

    fn held(&self, failed: u32, first: u32, last: u32) -> Anomaly {
        let value = match self.ops[failed as usize].does {
            Does::Not(v) => self.value(v),
            _ => String::new(),
        };
        let since = match first {
            NONE => format!("it held {value} from the start"),
            first => format!("{}, before that one began", self.did(first)),
        };
        let text = format!(
            "{} failed because {} held something else than {value}, but {since}, and {} after it had ended: \
             it held {value} all the time, a contradiction",
            numbered(self.history, self.index(failed)),
            self.register(),
            self.did(last),
        );
        let ops: Vec<u32> = [first, failed, last].into_iter().filter(|i| *i != NONE).collect();
        let relations = ops.windows(2).map(|pair| words::realtime(self.index(pair[0]), self.index(pair[1]))).collect();
        self.anomaly(&ops, relations, text)
    }
}

/// What the search gives.
impl Scene<'_> {
    pub(super) fn stuck(&self, stuck: &Stuck) -> Anomaly {
        let op = self.ops[stuck.op];
        let before = self.ops.iter().filter(|o| o.end < op.end).count();
        let mut ops = vec![stuck.op as u32];
        let mut relations = Vec::new();
        let reasons = match op.does {
            Does::Read(v) | Does::Cas(v, _) => self.candidates(stuck.op, v, &mut ops, &mut relations),
            Does::Not(v) => format!("it failed because it found something else than {}", self.value(v)),
            Does::Write(_) => "it was completed".to_owned(),
        };
        let text = format!(
            "{}: the {} on {} completed before it can be put in an order{}; but it cannot follow, for {}",
            self.said(stuck.op as u32),
            count(before as u64, "operation", "operations"),
            self.register(),
            self.values(&stuck.values),
            reasons,
        );
        ops.sort_unstable();
        ops.dedup();
        self.anomaly(&ops, relations, text)
    }

    /// What it did, or that it did not.
    fn said(&self, i: u32) -> String {
        match self.ops[i as usize].does {
            Does::Not(_) => format!("{} failed", numbered(self.history, self.index(i))),
            _ => self.did(i),
        }
    }

    fn values(&self, values: &[u32]) -> String {
        let values: Vec<String> = values.iter().map(|v| self.value(*v)).collect();
        if values.is_empty() { String::new() } else { format!(", in which it finds {}", values.join(" or ")) }
    }

    /// Why each writer of a value that an operation needs cannot be the one.
    fn candidates(&self, i: usize, value: u32, ops: &mut Vec<u32>, relations: &mut Vec<Relation>) -> String {
        const SHOWN: usize = 4;
        let op = self.ops[i];
        let wrote = |o: &&Op| o.writes() == Some(value) && o.start < op.end && o.start != op.start;
        let writers: Vec<u32> = self.ops.iter().filter(wrote).map(Op::index).collect();
        let found = self.value(value);
        if writers.is_empty() {
            return format!("it needs {found}, and nobody else had written {found} before it ended");
        }
        let skip = writers.len().saturating_sub(SHOWN);
        let mut reasons = Vec::new();
        if skip > 0 {
            reasons.push(format!("{} came earlier still", count(skip as u64, "write of it", "writes of it")));
        }
        reasons.extend(writers[skip..].iter().map(|writer| self.not_this(i, *writer, ops, relations)));
        format!("it needs {found}: {}", reasons.join("; "))
    }

    fn not_this(&self, i: usize, writer: u32, ops: &mut Vec<u32>, relations: &mut Vec<Relation>) -> String {
        let index = self.index(i as u32);
        let place = self.ops.partition_point(|o| o.index() < writer);
        ops.push(place as u32);
        let w = self.ops[place];
        let start = self.ops[i].start;
        let between = |o: &&Op| o.start > w.end && o.end < start && o.writes().is_some_and(|v| Some(v) != w.writes());
        match self.ops.iter().filter(|_| w.is_certain()).rfind(between) {
            Some(over) => {
                ops.push(self.ops.partition_point(|o| o.start < over.start) as u32);
                relations.push(words::realtime(writer, over.index()));
                relations.push(words::realtime(over.index(), index));
                format!("what #{writer} wrote, #{} overwrote before #{index} began", over.index())
            }
            None => format!("if #{writer} took effect last before it, those completed meanwhile have no order"),
        }
    }
}

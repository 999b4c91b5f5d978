//! The same models word for word: every choice of what happened, every order, every visibility, every read replayed.
//!
//! Slow, and without a single argument about what may be left out: it judges the reference. Nothing is looked up by
//! value here; a transaction is replayed on the state that it sees, and its answers are compared.

use super::raw::{Raw, Step};

/// The axioms that a pair of `ar` and `vis` satisfies besides INT and EXT.
#[derive(Clone, Copy, Debug)]
pub struct Axioms {
    transitive: bool,
    prefix: bool,
    no_conflict: bool,
    total: bool,
    session: bool,
    realtime: bool,
}

/// A model, and which axioms it asks for.
type Model = (&'static str, fn(&Axioms) -> bool);

#[rustfmt::skip]
const MODELS: [Model; 15] = [
    ("read-atomic", |_| true),
    ("update-atomic", |a| a.no_conflict),
    ("causal-cerone", |a| a.transitive),
    ("transactional-causal", |a| a.transitive && a.session),
    ("parallel-snapshot-isolation", |a| a.transitive && a.no_conflict),
    ("prefix", |a| a.prefix),
    ("session-prefix", |a| a.prefix && a.session),
    ("session-read-atomic", |a| a.session),
    ("session-parallel-snapshot-isolation", |a| a.transitive && a.no_conflict && a.session),
    ("snapshot-isolation", |a| a.prefix && a.no_conflict),
    ("strong-session-snapshot-isolation", |a| a.prefix && a.no_conflict && a.session),
    ("strong-snapshot-isolation", |a| a.prefix && a.no_conflict && a.realtime),
    ("serializable", |a| a.total),
    ("strong-session-serializable", |a| a.total && a.session),
    ("strong-serializable", |a| a.total && a.realtime),
];

/// By model, whether some choice, order and visibility satisfy it.
pub fn verdicts(raw: &Raw) -> Vec<(&'static str, bool)> {
    let mut verdicts = MODELS.map(|(model, _)| (model, false)).to_vec();
    for choice in raw.choices() {
        let all: Vec<usize> = super::search::bits(choice).collect();
        orders(&mut Vec::new(), &all, &mut |ar| {
            visibilities(ar, &mut |vis| {
                if (0..ar.len()).all(|i| answers(raw, ar, i, vis[i])) {
                    let axioms = axioms(raw, ar, vis);
                    for (verdict, (_, holds)) in verdicts.iter_mut().zip(MODELS) {
                        verdict.1 |= holds(&axioms);
                    }
                }
            });
        });
    }
    verdicts
}

fn orders(order: &mut Vec<usize>, all: &[usize], visit: &mut impl FnMut(&[usize])) {
    if order.len() == all.len() {
        return visit(order);
    }
    for t in all {
        if !order.contains(t) {
            order.push(*t);
            orders(order, all, visit);
            order.pop();
        }
    }
}

/// For each position the set of earlier positions that it sees.
fn visibilities(ar: &[usize], visit: &mut impl FnMut(&[u16])) {
    let pairs = ar.len() * ar.len().saturating_sub(1) / 2;
    for choice in 0..1_u32 << pairs {
        let mut rest = choice;
        let vis: Vec<u16> = (0..ar.len())
            .map(|i| {
                let seen = rest & ((1 << i) - 1);
                rest >>= i;
                seen as u16
            })
            .collect();
        visit(&vis);
    }
}

/// INT and EXT: whether the transaction at position `i` would be answered so, seeing these.
fn answers(raw: &Raw, ar: &[usize], i: usize, seen: u16) -> bool {
    let steps = &raw.txns[ar[i]].steps;
    (0..steps.len()).all(|s| match &steps[s] {
        Step::Read(key, Some(value)) => {
            let own = steps[..s].iter().rev().filter_map(Step::written).find(|w| w.0 == *key);
            let state = (0..i).rev().filter(|j| seen >> j & 1 == 1).find_map(|j| last_write(raw, ar[j], *key));
            *value == own.map(|w| w.1).or(state).unwrap_or(0)
        }
        Step::ReadList(key, Some(list)) => {
            let own: Vec<i64> = appended(steps[..s].iter(), *key).collect();
            let last = (0..i).rev().find(|j| seen >> j & 1 == 1 && writes(raw, ar[*j], *key));
            let state = |end: usize| ar[..end].iter().flat_map(|t| appended(raw.txns[*t].steps.iter(), *key));
            let right = |end: usize| state(end).chain(own.iter().copied()).eq(list.iter().copied());
            // Who appended first has made a version of its own, which stands after all earlier ones.
            right(last.map_or(0, |j| j + 1)) && (own.is_empty() || right(i))
        }
        _ => true,
    })
}

fn last_write(raw: &Raw, t: usize, key: u8) -> Option<i64> {
    raw.txns[t].steps.iter().rev().filter_map(Step::written).find(|w| w.0 == key).map(|w| w.1)
}

fn writes(raw: &Raw, t: usize, key: u8) -> bool {
    last_write(raw, t, key).is_some()
}

fn appended<'a>(steps: impl Iterator<Item = &'a Step> + 'a, key: u8) -> impl Iterator<Item = i64> + 'a {
    steps.filter_map(Step::written).filter(move |w| w.0 == key).map(|w| w.1)
}

fn axioms(raw: &Raw, ar: &[usize], vis: &[u16]) -> Axioms {
    let n = ar.len();
    let sees = |i: usize, j: usize| vis[i] >> j & 1 == 1;
    let pairs = || (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let position = |t: usize| ar.iter().position(|a| *a == t);
    let seen_all = |before: &dyn Fn(usize) -> u16| {
        (0..n).all(|i| super::search::bits(before(ar[i])).filter_map(position).all(|j| j < i && sees(i, j)))
    };
    let conflict = |i: usize, j: usize| (0..raw.keys).any(|key| writes(raw, ar[i], key) && writes(raw, ar[j], key));
    Axioms {
        transitive: pairs().all(|(i, j)| !sees(i, j) || vis[j] & !vis[i] == 0),
        prefix: pairs().all(|(i, j)| !sees(i, j) || (0..j).all(|k| sees(i, k))),
        no_conflict: pairs().all(|(i, j)| sees(i, j) || !conflict(i, j)),
        total: pairs().all(|(i, j)| sees(i, j)),
        session: seen_all(&|t| raw.session(t)),
        realtime: seen_all(&|t| raw.realtime(t)),
    }
}

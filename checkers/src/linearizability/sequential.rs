//! Sequential consistency of registers: is there one order of all operations, of all keys, that keeps every session's own?
//!
//! Lamport, *How to Make a Multiprocessor Computer That Correctly Executes Multiprocess Programs*, 1979. Time between
//! sessions does not count, so a session may lag behind, but all lag behind one history:
//!
//! ```text
//! 1: wx1                 sequentially consistent, though not linearizable: rx_ wx1 rx1
//! 2:       rx_  rx1
//! ```
//! Unlike linearizability it cannot be decided key by key: two registers may each have such an order, and both
//! together none. To decide it is NP-complete even where all values are different (Gibbons and Korach 1997), and no cut in time
//! helps. So this is a depth-first search with memory over how far each session has come and what the registers hold, for
//! small histories, and the budget of steps and memory is its only limit. Reads that fit are taken at once: they change
//! nothing, and whoever can take them later can take them now.
//!
//! An operation of unknown outcome may take effect at any later time, also after its session went on, or never.

use std::collections::BTreeMap;

use histories::{History, KeyId};
use rustc_hash::FxHashSet;

use super::registers::operations::{Does, Op, Registers};
use super::words;
use crate::analysis::{Found, Question};
use crate::budget::{Budget, Exhausted, Meter};
use crate::finding::{Anomaly, Relation, RelationKind};
use crate::fold::words::told;
use crate::models::AnomalyType;

/// One operation of a session.
#[derive(Clone, Copy)]
struct Step {
    register: u32,
    op: Op,
}

/// Operations that follow each other. An operation of unknown outcome is a lane of its own, that need not be walked and opens
/// when its session has come so far.
struct Lane {
    steps: Vec<Step>,
    opens: Option<(u32, u32)>,
}

/// How far each lane is, and what the registers hold.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    at: Box<[u32]>,
    registers: Box<[u32]>,
}

/// Judges all registers of a history together. `checked` counts `operations`, `keys` and `sessions`.
pub fn check(history: &History, question: &Question, budget: &Budget<'_>) -> Found {
    let registers = Registers::new(history, question.assume.initial.as_ref());
    let keys: Vec<KeyId> = registers.keys().collect();
    let lanes = lanes(history, &registers, &keys);
    let mut found = Found { doubts: registers.skipped.doubts(history, "a register"), ..Found::default() };
    found.checked.insert("operations", registers.len() as u64);
    found.checked.insert("keys", keys.len() as u64);
    found.checked.insert("sessions", lanes.iter().filter(|lane| lane.opens.is_none()).count() as u64);
    let start = State { at: vec![0; lanes.len()].into(), registers: vec![registers.initial; keys.len()].into() };
    match search(&lanes, start, &Meter::new(budget)) {
        Ok(None) => {}
        Ok(Some(furthest)) => tell(history, question, &lanes, &keys, &furthest, &mut found),
        Err(why) => found.doubts.push(format!("The order of all operations of all sessions: {why}.")),
    }
    found
}

fn lanes(history: &History, registers: &Registers, keys: &[KeyId]) -> Vec<Lane> {
    let mut all: Vec<Step> = Vec::with_capacity(registers.len());
    for (register, key) in keys.iter().enumerate() {
        all.extend(registers.of(*key).iter().map(|op| Step { register: register as u32, op: *op }));
    }
    all.sort_unstable_by_key(|step| step.op.start);
    let mut lanes: Vec<Lane> = Vec::new();
    let mut of_session: BTreeMap<u32, usize> = BTreeMap::new();
    for step in all {
        let session = history.session(histories::EventIndex(step.op.index()));
        let lane = *of_session.entry(session).or_insert_with(|| {
            lanes.push(Lane { steps: Vec::new(), opens: None });
            lanes.len() - 1
        });
        match step.op.is_certain() {
            true => lanes[lane].steps.push(step),
            false => {
                let opens = Some((lane as u32, lanes[lane].steps.len() as u32));
                lanes.push(Lane { steps: vec![step], opens });
            }
        }
    }
    lanes
}

/// `None` where there is an order; else the state that is furthest, of those that nothing can follow.
fn search(lanes: &[Lane], start: State, meter: &Meter<'_>) -> Result<Option<State>, Exhausted> {
    let mut seen: FxHashSet<State> = FxHashSet::default();
    let mut stack = vec![start];
    let mut furthest: Option<(u64, State)> = None;
    while let Some(mut state) = stack.pop() {
        let steps = look(lanes, &mut state);
        if is_finished(lanes, &state) {
            return Ok(None);
        }
        meter.spend(1 + steps)?;
        if !seen.insert(state.clone()) {
            continue;
        }
        let size = (state.at.len() + state.registers.len() + 12) as u64 * 4;
        meter.hold(seen.len() as u64 * size)?;
        let come = state.at.iter().map(|at| u64::from(*at)).sum();
        if furthest.as_ref().is_none_or(|(most, _)| come > *most) {
            furthest = Some((come, state.clone()));
        }
        stack.extend((0..lanes.len()).rev().filter_map(|lane| walk(lanes, &state, lane)));
    }
    Ok(furthest.map(|(_, state)| state))
}

fn is_finished(lanes: &[Lane], state: &State) -> bool {
    lanes.iter().zip(&state.at).all(|(lane, at)| lane.opens.is_some() || *at as usize == lane.steps.len())
}

/// Takes every read that fits.
fn look(lanes: &[Lane], state: &mut State) -> u64 {
    let mut steps = 0;
    for (lane, at) in lanes.iter().zip(&mut state.at) {
        while let Some(step) = lane.steps.get(*at as usize) {
            let held = state.registers[step.register as usize];
            match step.op.does {
                Does::Read(v) if v == held => *at += 1,
                Does::Not(v) if v != held => *at += 1,
                _ => break,
            }
            steps += 1;
        }
    }
    steps
}

/// The state after the next operation of a lane, if it may take effect now.
fn walk(lanes: &[Lane], state: &State, lane: usize) -> Option<State> {
    let step = lanes[lane].steps.get(state.at[lane] as usize)?;
    if lanes[lane].opens.is_some_and(|(other, from)| state.at[other as usize] < from) {
        return None;
    }
    let held = state.registers[step.register as usize];
    let value = match step.op.does {
        Does::Write(v) => v,
        Does::Cas(old, new) if old == held => new,
        _ => return None,
    };
    let mut next = state.clone();
    next.at[lane] += 1;
    next.registers[step.register as usize] = value;
    Some(next)
}

fn tell(history: &History, question: &Question, lanes: &[Lane], keys: &[KeyId], furthest: &State, found: &mut Found) {
    let waiting =
        |(lane, at): (&Lane, &u32)| lane.steps.get(*at as usize).filter(|_| lane.opens.is_none()).map(|s| s.op.index());
    let next: Vec<u32> = lanes.iter().zip(&furthest.at).filter_map(waiting).collect();
    let before = |(lane, at): (&Lane, &u32)| {
        let (next, last) = (lane.steps.get(*at as usize)?, lane.steps.get((*at as usize).checked_sub(1)?)?);
        let (from, to) = (last.op.index(), next.op.index());
        Some(Relation {
            from,
            to,
            kind: RelationKind::Process,
            reason: format!("#{to} follows #{from} in its session"),
        })
    };
    let relations: Vec<Relation> =
        lanes.iter().zip(&furthest.at).filter(|(lane, _)| lane.opens.is_none()).filter_map(before).collect();
    let value = |v: u32| words::value(history, v, question.assume.initial.as_ref());
    let holds = |(key, v): (&KeyId, &u32)| format!("{} = {}", history.key_name(*key), value(*v));
    let holds: Vec<String> = keys.iter().zip(&furthest.registers).map(holds).take(6).collect();
    let told: Vec<String> = next.iter().map(|op| told(history, *op)).collect();
    let placed: u32 = furthest.at.iter().sum();
    let text = format!(
        "no order of all operations keeps that of every session: the one that comes furthest places {placed} of them, \
         which leaves {}, and then none of these can follow: {}",
        holds.join(", "),
        told.join("; ")
    );
    let operations = next.into_iter().chain(relations.iter().map(|relation| relation.from)).collect();
    let kind = AnomalyType::Nonsequential;
    found.add(kind, || Anomaly::new(kind, None, operations, relations, text));
}

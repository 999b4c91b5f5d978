//! References for monotonic reads, read your writes and counter bounds.

use histories::{Kind, Scalar, Value};

use super::{KeyKind, Past, Step, elements, number, version};

/// A read of one key by an operation that ended `ok`.
struct Read<'a> {
    op: usize,
    ret: usize,
    key: &'a Scalar,
    value: &'a Value,
    /// The kind of the key when it was completed.
    kind: KeyKind,
}

fn reads(past: &Past) -> Vec<Read<'_>> {
    let mut reads = Vec::new();
    for (op, it) in past.ops.iter().enumerate() {
        let Some(ret) = past.ok(op) else { continue };
        for (key, value) in &it.answer {
            reads.push(Read { op, ret, key, value, kind: past.kind(key, ret) });
        }
    }
    reads
}

/// Whether some session went back.
pub fn monotonic_reads_violated(past: &Past) -> bool {
    let all = reads(past);
    all.iter().any(|later| {
        let before: Vec<&Read<'_>> =
            all.iter().filter(|r| r.key == later.key && past.session_before(r.op, later.op)).collect();
        match later.kind {
            KeyKind::List | KeyKind::Set => before.iter().any(|earlier| {
                let judged = earlier.kind == later.kind;
                judged && lost_element(past, earlier.value, later)
            }),
            KeyKind::Register => went_back(past, &before, later),
            KeyKind::Counter if !past.shrinks(later.key, later.ret) => before.iter().any(|earlier| {
                let judged = earlier.kind == KeyKind::Counter;
                judged && matches!((number(earlier.value), number(later.value)), (Some(a), Some(b)) if b < a)
            }),
            _ => false,
        }
    })
}

fn lost_element(past: &Past, before: &Value, later: &Read<'_>) -> bool {
    let (Some(before), Some(after)) = (elements(before), elements(later.value)) else { return false };
    before.iter().any(|e| !after.contains(e) && !past.is_removed(later.key, e, later.ret))
}

fn went_back(past: &Past, before: &[&Read<'_>], later: &Read<'_>) -> bool {
    let Some(now) = version(later.value) else { return false };
    let seen: Vec<(&Read<'_>, Scalar)> = before
        .iter()
        .filter(|r| r.kind == KeyKind::Register)
        .filter_map(|r| version(r.value).map(|v| (*r, v)))
        .collect();
    if now == Scalar::Null {
        return !past.shrinks(later.key, later.ret) && seen.iter().any(|(_, v)| *v != Scalar::Null);
    }
    let known = past.known(later.key, &now, later.ret);
    // It had been seen, then another one, and now again.
    let once = !known.ambiguous && known.possible <= 1;
    let again = seen
        .iter()
        .filter(|(_, v)| *v == now)
        .any(|(first, _)| seen.iter().any(|(second, v)| *v != now && past.session_before(first.op, second.op)));
    // One session alone writes the key, and it had been acknowledged this version before it wrote what was seen.
    let writers = |t: usize| {
        let mut sessions: Vec<u32> = past
            .steps_before(t)
            .filter(|(_, s)| s.key() == later.key && matches!(s, Step::Write(..) | Step::Cas(..)))
            .map(|(op, _)| past.ops[op].session)
            .collect();
        sessions.dedup();
        sessions.len()
    };
    let single = writers(later.ret) == 1;
    let older = seen.iter().any(|(earlier, v)| {
        let other = past.known(later.key, v, earlier.ret);
        let call = other.writer.map(|w| past.ops[w].call);
        other.is_certain() && known.is_certain() && matches!((known.acked, call), (Some(a), Some(c)) if a < c)
    });
    (once && again) || (single && older)
}

/// Whether some session missed a write of its own.
pub fn read_your_writes_violated(past: &Past) -> bool {
    reads(past).iter().any(|read| {
        let own: Vec<(usize, &Step)> = past
            .steps_before(read.ret)
            .filter(|(w, step)| step.is_update() && step.key() == read.key && past.ok(*w).is_some())
            .filter(|(w, _)| past.session_before(*w, read.op))
            .collect();
        match read.kind {
            KeyKind::List | KeyKind::Set => misses_element(past, &own, read),
            KeyKind::Register => misses_version(past, &own, read),
            KeyKind::Counter if !past.shrinks(read.key, read.ret) => {
                let by = |step: &Step| if let Step::Increment(_, by) = step { *by } else { 0 };
                let sum: i64 = own.iter().map(|(_, step)| by(step)).sum();
                !own.is_empty() && number(read.value).is_some_and(|shown| shown < sum)
            }
            _ => false,
        }
    })
}

fn misses_element(past: &Past, own: &[(usize, &Step)], read: &Read<'_>) -> bool {
    let Some(shown) = elements(read.value) else { return false };
    own.iter()
        .filter_map(|(_, step)| step.written())
        .any(|(key, value)| !shown.contains(value) && !past.is_removed(key, value, read.ret))
}

fn misses_version(past: &Past, own: &[(usize, &Step)], read: &Read<'_>) -> bool {
    let Some(shown) = version(read.value) else { return false };
    let session = past.ops[read.op].session;
    // The last writes of the session: no other one of its writes follows them before the read.
    let last = own.iter().filter(|(w, _)| !own.iter().any(|(other, _)| past.session_before(*w, *other)));
    let known = past.known(read.key, &shown, read.ret);
    let once = !known.ambiguous && known.possible <= 1;
    last.filter_map(|(w, step)| Some((*w, *step, step.written()?.1))).any(|(w, step, value)| {
        if *value == shown {
            return false;
        }
        if shown == Scalar::Null {
            return !past.shrinks(read.key, read.ret);
        }
        let replaced = matches!(step, Step::Cas(_, old, _) if *old == shown);
        // Before it wrote, the session had written this version, or replaced it, or read it.
        let knew = past.ops.iter().enumerate().any(|(o, op)| {
            let before = op.session == session && past.ok(o).is_some_and(|ret| ret < past.ops[w].call);
            before
                && (op.question.iter().any(|s| match s {
                    Step::Cas(k, old, new) => k == read.key && (*old == shown || *new == shown),
                    Step::Write(k, v) => k == read.key && *v == shown,
                    _ => false,
                }) || op.answer.iter().any(|(k, v)| {
                    k == read.key
                        && past.kind(k, op.ret.unwrap_or(0)) == KeyKind::Register
                        && version(v) == Some(shown.clone())
                }))
        });
        once && (replaced || knew)
    })
}

/// The reads that are out of bounds, by the position of their completion.
pub fn counter_reads_out_of_bounds(past: &Past) -> usize {
    reads(past)
        .iter()
        .filter(|read| read.kind == KeyKind::Counter)
        .filter(|read| {
            let Some(shown) = number(read.value) else { return false };
            let (must, may) = increments(past, read);
            let least: i64 = must.iter().sum::<i64>() + may.iter().filter(|by| **by < 0).sum::<i64>();
            let most: i64 = must.iter().sum::<i64>() + may.iter().filter(|by| **by > 0).sum::<i64>();
            shown < least || shown > most
        })
        .count()
}

/// The full definition: some choice among the increments that may be counted gives the number. Returns how many
/// reads have none.
pub fn counter_reads_inexplicable(past: &Past) -> usize {
    reads(past)
        .iter()
        .filter(|read| read.kind == KeyKind::Counter)
        .filter(|read| {
            let Some(shown) = number(read.value) else { return false };
            let (must, may) = increments(past, read);
            let base: i64 = must.iter().sum();
            !(0..1u32 << may.len()).any(|choice| {
                let chosen = may.iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1);
                base + chosen.map(|(_, by)| by).sum::<i64>() == shown
            })
        })
        .count()
}

/// What must be counted by a read, and what else may be.
fn increments(past: &Past, read: &Read<'_>) -> (Vec<i64>, Vec<i64>) {
    let (mut must, mut may) = (Vec::new(), Vec::new());
    for (op, step) in past.steps_before(read.ret) {
        let Step::Increment(key, by) = step else { continue };
        if key != read.key || past.ops[op].end == Kind::Fail {
            continue;
        }
        match past.ok(op) {
            Some(ret) if ret < past.ops[read.op].call => must.push(*by),
            _ => may.push(*by),
        }
    }
    (must, may)
}

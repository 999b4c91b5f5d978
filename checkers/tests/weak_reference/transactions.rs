//! Transactions, and the axioms of Biswas and Enea (OOPSLA 2019), figure 2, held against every commit order.

use histories::{Event, Kind, Scalar, Value};

use super::orders::{Before, What, closed, has, is_acyclic, some_order, steps};

/// One transaction that happened, or may have.
#[derive(Clone, Debug)]
pub struct Txn {
    pub session: u32,
    pub invoked: usize,
    pub completed: usize,
    pub steps: Vec<(Scalar, What)>,
    pub doubtful: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Axiom {
    ReadCommitted,
    ReadAtomic,
    Causal,
}

/// A read of what another transaction wrote.
#[derive(Clone, Debug)]
struct External {
    reader: usize,
    key: Scalar,
    /// `None` for the initial state.
    from: Option<usize>,
}

/// The transactions of a history; those that failed are not there, nor are reads whose end is not known.
pub fn transactions(events: &[Event]) -> Vec<Txn> {
    let mut txns = Vec::new();
    for (i, event) in events.iter().enumerate().filter(|(_, event)| event.kind == Kind::Invoke) {
        let end = (i + 1..events.len()).find(|j| events[*j].process == event.process);
        let kind = end.map_or(Kind::Info, |end| events[end].kind);
        let (said, completed) = match (kind, end) {
            (Kind::Fail, _) => continue,
            (Kind::Ok, Some(end)) => (&events[end].operation, end),
            _ => (&event.operation, usize::MAX),
        };
        let doubtful = kind != Kind::Ok;
        let known = |step: &(Scalar, What)| !doubtful || !matches!(step.1, What::Read(_));
        let steps = steps(said).into_iter().filter(known).collect();
        let session = event.session.unwrap_or(event.process.0);
        txns.push(Txn { session, invoked: i, completed, steps, doubtful });
    }
    txns
}

/// The last value that a transaction writes to a key.
fn last_write(txn: &Txn, key: &Scalar) -> Option<Scalar> {
    txn.steps.iter().rev().find_map(|(k, what)| match what {
        What::Write(value) if k == key => Some(value.clone()),
        _ => None,
    })
}

/// The external reads in the order of each transaction; `None` if any read is wrong by itself.
fn external(txns: &[Txn]) -> Option<Vec<External>> {
    let mut all = Vec::new();
    for (reader, txn) in txns.iter().enumerate() {
        for (at, (key, what)) in txn.steps.iter().enumerate() {
            let What::Read(Value::Scalar(found)) = what else { continue };
            let own = last_write(&Txn { steps: txn.steps[..at].to_vec(), ..txn.clone() }, key);
            if let Some(own) = own {
                if own != *found {
                    return None;
                }
                continue;
            }
            let from = match found {
                Scalar::Null => None,
                value => {
                    let writes = |t: usize| t != reader && last_write(&txns[t], key).as_ref() == Some(value);
                    Some((0..txns.len()).find(|t| writes(*t))?)
                }
            };
            all.push(External { reader, key: key.clone(), from });
        }
    }
    Some(all)
}

fn satisfied(txns: &[Txn], axiom: Axiom) -> bool {
    let Some(reads) = external(txns) else { return false };
    let n = txns.len();
    let mut direct: Before = vec![0; n];
    for (b, later) in txns.iter().enumerate() {
        for (a, earlier) in txns.iter().enumerate() {
            if a != b && earlier.session == later.session && earlier.completed < later.invoked {
                direct[b] |= 1 << a;
            }
        }
    }
    for read in &reads {
        if let Some(from) = read.from {
            direct[read.reader] |= 1 << from;
        }
    }
    let past = closed(direct.clone());
    if !is_acyclic(&past) {
        return false;
    }
    // For each read the transactions that are φ-before it.
    let phi = |i: usize| -> u32 {
        let read = &reads[i];
        match axiom {
            Axiom::Causal => past[read.reader],
            Axiom::ReadAtomic => direct[read.reader],
            Axiom::ReadCommitted => {
                let before = reads[..i].iter().filter(|other| other.reader == read.reader);
                before.filter_map(|other| other.from).fold(0, |set, from| set | 1 << from)
            }
        }
    };
    let everything = (0..n).fold(0, |set, i| set | 1 << i);
    some_order(everything, &past, &mut |order| {
        let at = |txn: usize| order.iter().position(|t| *t == txn);
        (0..reads.len()).all(|i| {
            let others = (0..n).filter(|t2| {
                has(phi(i), *t2) && Some(*t2) != reads[i].from && last_write(&txns[*t2], &reads[i].key).is_some()
            });
            let from = reads[i].from.and_then(at);
            // The initial state commits before everything.
            others.into_iter().all(|t2| at(t2) < from)
        })
    })
}

/// Whether no choice of the doubtful transactions satisfies an axiom.
pub fn violated(events: &[Event], axiom: Axiom) -> bool {
    let txns = transactions(events);
    let doubtful: Vec<usize> = (0..txns.len()).filter(|i| txns[*i].doubtful).collect();
    !(0..1u32 << doubtful.len()).any(|choice| {
        let absent = |i: &usize| doubtful.iter().position(|d| d == i).is_some_and(|d| !has(choice, d));
        let kept: Vec<Txn> = (0..txns.len()).filter(|i| !absent(i)).map(|i| txns[i].clone()).collect();
        satisfied(&kept, axiom)
    })
}

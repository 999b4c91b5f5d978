//! Prefixes, held against every order of transactions.

use histories::{Event, Scalar, Value};

use super::orders::{Before, What, closed, has, some_order};
use super::transactions::{Txn, transactions};

/// The state of a list after transactions in this order.
fn state(txns: &[Txn], done: &[usize], key: &Scalar) -> Vec<Scalar> {
    let appended = |t: &usize| {
        txns[*t].steps.iter().filter_map(|(k, what)| match what {
            What::Append(value) if k == key => Some(value.clone()),
            _ => None,
        })
    };
    done.iter().flat_map(appended).collect()
}

/// Whether all that a transaction reads is what it finds after these; its own appends at the end are its own business.
fn reads_are_right(txns: &[Txn], t: usize, done: &[usize]) -> bool {
    txns[t].steps.iter().all(|(key, what)| match what {
        What::Read(Value::List(shown)) => {
            let own = state(txns, &[t], key);
            let len = shown.iter().rposition(|element| !own.contains(element)).map_or(0, |at| at + 1);
            shown[..len] == state(txns, done, key)
        }
        _ => true,
    })
}

fn shows(reader: &Txn, writer: &Txn) -> bool {
    reader.steps.iter().any(|(key, what)| match what {
        What::Read(Value::List(shown)) => {
            writer.steps.iter().any(|(k, w)| matches!(w, What::Append(value) if k == key && shown.contains(value)))
        }
        _ => false,
    })
}

fn choices(events: &[Event], good: impl Fn(&[Txn]) -> bool) -> bool {
    let txns = transactions(events);
    let doubtful: Vec<usize> = (0..txns.len()).filter(|i| txns[*i].doubtful).collect();
    (0..1u32 << doubtful.len()).any(|choice| {
        let absent = |i: &usize| doubtful.iter().position(|d| d == i).is_some_and(|d| !has(choice, d));
        let kept: Vec<Txn> = (0..txns.len()).filter(|i| !absent(i)).map(|i| txns[i].clone()).collect();
        good(&kept)
    })
}

/// Whether there is one order of all writes, that agrees with time and with what writers had seen, of which every
/// transaction reads some prefix.
pub fn is_consistent(events: &[Event]) -> bool {
    choices(events, |txns| {
        let n = txns.len();
        let mut before: Before = vec![0; n];
        for b in 0..n {
            for a in (0..n).filter(|a| *a != b) {
                if txns[a].completed < txns[b].invoked {
                    before[b] |= 1 << a;
                    before[b] |= (0..n).filter(|w| shows(&txns[a], &txns[*w])).fold(0, |set, w| set | 1 << w);
                }
                if shows(&txns[b], &txns[a]) {
                    before[b] |= 1 << a;
                }
            }
            before[b] &= !(1 << b);
        }
        some_order((0..n).fold(0, |set, i| set | 1 << i), &closed(before), &mut |order| {
            (0..n).all(|t| {
                let others: Vec<usize> = order.iter().copied().filter(|o| *o != t).collect();
                (0..=n - 1).any(|cut| reads_are_right(txns, t, &others[..cut]))
            })
        })
    })
}

/// Prefix consistency (Burckhardt, Leijen, Yang, Fähndrich, ECOOP 2015): each transaction reads a prefix of one order, a
/// prefix that ends before itself and holds what came before it in its session.
pub fn is_transactional(events: &[Event]) -> bool {
    choices(events, |txns| {
        let n = txns.len();
        let precedes = |a: &Txn, b: &Txn| a.session == b.session && a.completed < b.invoked;
        let so = |b: usize| (0..n).filter(move |a| precedes(&txns[*a], &txns[b]));
        let before: Before = (0..n).map(|b| so(b).fold(0, |set, a| set | 1 << a)).collect();
        some_order((0..n).fold(0, |set, i| set | 1 << i), &before, &mut |order| {
            (0..n).all(|t| {
                let end = order.iter().position(|o| *o == t).unwrap_or(0);
                let least = order.iter().rposition(|o| so(t).any(|a| a == *o)).map_or(0, |at| at + 1);
                (least..=end).any(|cut| reads_are_right(txns, t, &order[..cut]))
            })
        })
    })
}

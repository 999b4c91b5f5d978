//! In long histories of collections that are right nothing is found, and what is planted there is found and named.

mod collections_support;

use checkers::analysis::Analyzer;
use checkers::linearizability::collections::{counter, fifo_queue, list, queue, set};
use checkers::{AnomalyType, Budget, Found};
use collections_support::large::{ALL, Long, steps};
use collections_support::{Answer, Call, Rng, Step, Structure, found, history, question};
use histories::{Event, History, Kind, Scalar};

fn long(structure: Structure, infos: usize, seed: u64) -> Long {
    Long { structure, operations: 4000, clients: 20, infos, seed }
}

#[test]
fn what_is_right_is_valid() {
    for (check, structure) in ALL {
        for infos in [0, 3, 30] {
            let found = found(check, &history(structure, &steps(long(structure, infos, 1 + infos as u64))));
            assert!(found.groups.is_empty(), "{structure:?}\n{:#?}", found.groups);
            assert_eq!(found.doubts, Vec::<String>::new(), "{structure:?} with {infos} ‰ unknown");
        }
    }
}

fn planted(check: Analyzer, structure: Structure, plant: impl Fn(&mut Vec<Step>) -> usize) -> Found {
    let mut steps = steps(long(structure, 0, 5));
    let at = plant(&mut steps);
    let found = found(check, &history(structure, &steps));
    let cases: Vec<_> = found.groups.values().flat_map(|group| &group.cases).collect();
    assert!(!cases.is_empty(), "{structure:?}: nothing was found");
    // The event that was changed ends an operation that is part of some evidence, and evidence is short.
    let process = steps[at].process;
    let begin = (0..at).rev().find(|i| steps[*i].process == process).expect("it was invoked") as u32;
    assert!(cases.iter().any(|case| case.operations.contains(&begin)), "{structure:?}: #{begin} is in no evidence");
    assert!(
        cases.iter().all(|case| case.operations.len() <= 60),
        "{structure:?}: {} operations",
        cases[0].operations.len()
    );
    found
}

/// The place of the `n`th answered take of an item.
fn take(steps: &[Step], n: usize) -> usize {
    let takes = |step: &Step| step.kind == Kind::Ok && matches!(step.answer, Answer::Item(Some(_)));
    (0..steps.len()).filter(|i| takes(&steps[*i])).nth(n).expect("there are many takes")
}

#[test]
fn two_takes_that_exchange_their_items() {
    let exchange = |far: usize| {
        move |steps: &mut Vec<Step>| {
            let (a, b) = (take(steps, 700), take(steps, 700 + far));
            let answer = steps[a].answer.clone();
            steps[a].answer = std::mem::replace(&mut steps[b].answer, answer);
            b
        }
    };
    for (check, structure) in &ALL[..4] {
        if *structure != Structure::Bag {
            planted(*check, *structure, exchange(300));
        }
    }
    // Where there is no order, the items may still come out before they went in.
    planted(queue::check, Structure::Bag, |steps| {
        let (a, b) = (take(steps, 100), take(steps, 1500));
        let answer = steps[a].answer.clone();
        steps[a].answer = std::mem::replace(&mut steps[b].answer, answer);
        a
    });
}

#[test]
fn a_take_that_is_answered_twice() {
    for (check, structure) in &ALL[..4] {
        let found = planted(*check, *structure, |steps| {
            let (a, b) = (take(steps, 500), take(steps, 900));
            steps[b].answer = steps[a].answer.clone();
            b
        });
        assert_eq!(found.groups[&AnomalyType::DoubleDequeue].count, 1, "{structure:?}");
    }
}

#[test]
fn an_item_that_nobody_put_in() {
    for (check, structure) in &ALL[..4] {
        let found = planted(*check, *structure, |steps| {
            let at = take(steps, 900);
            steps[at].answer = Answer::Item(Some(-7));
            at
        });
        assert_eq!(found.groups[&AnomalyType::UnexpectedElement].count, 1, "{structure:?}");
    }
}

#[test]
fn an_empty_answer_of_a_full_collection() {
    for (check, structure) in &ALL[..4] {
        planted(*check, *structure, |steps| {
            let at = take(steps, 1500);
            steps[at].answer = Answer::Item(None);
            at
        });
    }
}

#[test]
fn wrong_answers_about_elements_sums_and_lists() {
    let answered = |steps: &[Step], n: usize, fits: fn(&Answer) -> bool| {
        (0..steps.len()).filter(|i| steps[*i].kind == Kind::Ok && fits(&steps[*i].answer)).nth(n).expect("many")
    };
    planted(set::check, Structure::Members, |steps| {
        // An element whose add was over before the look began, and that is removed after the look.
        let sure = |steps: &[Step], at: usize| {
            let Call::Contains(value) = steps[at].call else { return false };
            let begin = (0..at).rev().find(|i| steps[*i].process == steps[at].process).unwrap_or(0);
            let added = |step: &Step| step.kind == Kind::Ok && step.call == Call::Put(value);
            let removed = |step: &Step| step.call == Call::Remove(value);
            steps[..begin].iter().any(added) && !steps[..at].iter().any(removed) && steps[at].kind == Kind::Ok
        };
        let at = (3000..steps.len()).find(|at| sure(steps, *at)).expect("there is one");
        steps[at].answer = Answer::Found(false);
        at
    });
    planted(set::check, Structure::Growing, |steps| {
        let at = answered(steps, 15, |answer| matches!(answer, Answer::All(_)));
        if let Answer::All(all) = &mut steps[at].answer {
            all.remove(0);
        }
        at
    });
    planted(counter::check, Structure::Counter, |steps| {
        let at = answered(steps, 900, |answer| matches!(answer, Answer::Number(_)));
        if let Answer::Number(n) = &mut steps[at].answer {
            *n -= 40;
        }
        at
    });
    planted(list::check, Structure::List, |steps| {
        let at = answered(steps, 15, |answer| matches!(answer, Answer::All(_)));
        if let Answer::All(all) = &mut steps[at].answer {
            all.swap(1, 40);
        }
        at
    });
}

/// A history over many keys: key `k` is a copy of the structure's history, and every third one is wrong.
fn many_keys() -> History {
    let mut events: Vec<Event> = Vec::new();
    for k in 0..40i64 {
        let mut steps = steps(Long { operations: 300, ..long(Structure::Fifo, 3, k as u64) });
        if k % 3 == 0 {
            let at = take(&steps, 60);
            steps[at].answer = Answer::Item(Some(-1));
        }
        let history = history(Structure::Fifo, &steps);
        events.extend(history.events().map(|e| {
            let mut event = history.event(e);
            event.process.0 += 1000 * k as u32;
            if let histories::Operation::Item { key, .. } = &mut event.operation {
                *key = Some(Scalar::Int(k));
            }
            event
        }));
    }
    let mut rng = Rng(3);
    // Mixes the keys without changing the order within one.
    let mut order: Vec<(u64, usize)> = (0..events.len()).map(|i| (i as u64 + rng.below(3000) as u64, i)).collect();
    order.sort_unstable_by_key(|(at, i)| (events[*i].process.0 / 1000, *at));
    History::from_events(events.iter())
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let history = many_keys();
    let one = fifo_queue::check(&history, &question(), &Budget::default());
    assert_eq!(one.groups[&AnomalyType::UnexpectedElement].count, 14);
    assert_eq!(one.checked["keys"], 40);
    for threads in [2, 3, 8] {
        assert_eq!(one, fifo_queue::check(&history, &question(), &Budget { threads, ..Budget::default() }));
    }
}

#[test]
fn a_budget_that_is_used_up_is_a_doubt() {
    let mut rng = Rng(9);
    let mut steps = steps(Long { operations: 400, ..long(Structure::Fifo, 0, 2) });
    for step in &mut steps {
        if let Call::Put(v) = &mut step.call {
            *v %= 5;
        }
        if let Answer::Item(Some(v)) = &mut step.answer {
            *v = (*v + i64::from(rng.percent(1))) % 5;
        }
    }
    let history = history(Structure::Fifo, &steps);
    let budget = Budget { steps: 3, ..Budget::default() };
    let found = fifo_queue::check(&history, &question(), &budget);
    assert!(found.groups.is_empty() && found.doubts.len() == 1, "{found:#?}");
    let stopped = Budget { stop: &|| true, ..Budget::default() };
    let found = fifo_queue::check(&history, &question(), &stopped);
    assert!(found.groups.is_empty() && !found.doubts.is_empty(), "{found:#?}");
}

/// Garbage of all kinds, under every monitor: an answer, and no panic.
#[test]
fn no_history_is_too_odd() {
    const TOKENS: [&str; 36] = [
        "ex1",
        "dx1",
        "dx",
        "px1",
        "ox1",
        "ox",
        "+x1",
        "-x1",
        "hx1=",
        "hx1/",
        "hx1",
        "ix3",
        "ix-9",
        "ax1",
        "rx1",
        "rx_",
        "rx[1,1]",
        "rx(2.5)",
        "wx1",
        "cx1>2",
        "lx1",
        "ux1",
        "{ax1}",
        "~drain[1,2]",
        "~drain=7",
        r#"~drain("x")[1,"a",[2]]"#,
        "ex_",
        r#"ex"a""#,
        "ex(2.5)",
        "d()1",
        "e()1",
        "ix9223372036854775807",
        "rx9223372036854775807",
        "~dump{}",
        "ox2",
        "px2",
    ];
    let mut rng = Rng(77);
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..1 + rng.below(12) {
            let token = TOKENS[rng.below(TOKENS.len())];
            let end = ["", "", "", "?", "!"][rng.below(5)];
            let half = [":", ":", ":", "<", ">"][rng.below(5)];
            let end = if half == ":" { end } else { "" };
            text += &format!("{}{half}{token}{end} ", rng.below(4));
        }
        let Ok(events) = histories::notation::parse(&text) else { continue };
        let history = History::from_events(&events);
        for (check, _) in ALL {
            let found = found(check, &history);
            for case in found.groups.values().flat_map(|group| &group.cases) {
                assert!(case.operations.iter().all(|op| (*op as usize) < history.len()), "{text}\n{case:#?}");
            }
        }
    }
}

//! One claim a test: what a history in memory says about the events that were pushed.

use std::mem::size_of;

use histories::notation::{history, parse};
use histories::views::Views;
use histories::{
    Event, EventIndex, Function, History, HistoryError, Irregularity, Kind, Operation, Payload, Process, Scalar, Value,
    ValueId,
};
use serde_json::json;

fn pairs(text: &str) -> Vec<Option<u32>> {
    let h = history(text);
    h.events().map(|e| h.pair_of(e).map(|p| p.0)).collect()
}

fn irregularities(text: &str) -> Vec<(u32, Irregularity)> {
    history(text).irregularities().iter().map(|(e, what)| (e.0, *what)).collect()
}

fn indices(events: &[EventIndex]) -> Vec<u32> {
    events.iter().map(|e| e.0).collect()
}

fn pushed(operation: Operation, kind: Kind) -> (History, EventIndex) {
    let mut history = History::new();
    let (time, process) = (0, Process(0));
    let event = Event { time, process, kind, operation, node: None, session: None, error: None };
    let index = history.push(&event);
    (history, index)
}

/// The operation as it comes back.
fn back(operation: Operation, kind: Kind) -> Operation {
    let (history, event) = pushed(operation, kind);
    history.operation(event)
}

fn read(key: Option<Scalar>, value: Option<Value>) -> Operation {
    Operation::Read { key, value }
}

#[test]
fn a_completion_belongs_to_what_its_process_has_open() {
    assert_eq!(pairs("0<wx1 1<rx 0>wx1 1>rx1 2<wx2"), [Some(2), Some(3), Some(0), Some(1), None]);
    assert_eq!(irregularities("0<wx1 1<rx 0>wx1 1>rx1 2<wx2"), []);
}

#[test]
fn an_operation_that_is_open_has_ended_info() {
    let h = history("0<wx1 1:wx2! 2:wx3");
    let outcomes: Vec<_> = h.operations().map(|pair| pair.outcome).collect();
    assert_eq!(outcomes, [Kind::Info, Kind::Fail, Kind::Ok]);
    assert_eq!(h.open_invocation(Process(0)), Some(EventIndex(0)));
    assert_eq!(h.open_invocation(Process(1)), None);
}

#[test]
fn a_second_invocation_leaves_the_first_one_open() {
    assert_eq!(pairs("0<wx1 0<wx2 0>wx2"), [None, Some(2), Some(1)]);
    assert_eq!(irregularities("0<wx1 0<wx2 0>wx2"), [(1, Irregularity::InvokedWhileOpen)]);
}

#[test]
fn a_completion_without_an_invocation_has_no_pair() {
    assert_eq!(pairs("0>wx1 0:wx2"), [None, Some(2), Some(1)]);
    assert_eq!(
        irregularities("0>wx1 0:wx2 0>wx2"),
        [(0, Irregularity::CompletedWithoutInvocation), (3, Irregularity::CompletedWithoutInvocation)]
    );
    assert_eq!(history("0>wx1 0:wx2").operations().count(), 1);
}

#[test]
fn a_process_that_goes_on_after_info_is_on_record() {
    assert_eq!(irregularities("0:wx1? 1:wx2 0:wx3 0:wx4"), [(4, Irregularity::InvokedAfterInfo)]);
}

#[test]
fn a_completion_of_something_else_is_on_record() {
    assert_eq!(pairs("0<wx1 0>rx1"), [Some(1), Some(0)]);
    assert_eq!(irregularities("0<wx1 0>rx1"), [(1, Irregularity::CompletedOtherwise)]);
    assert_eq!(irregularities("0<wx1 0>wy1"), [(1, Irregularity::CompletedOtherwise)]);
    assert_eq!(irregularities("0<rx 0>rx12 0<ax1ry 0>ax1ry1"), []);
}

#[test]
fn the_nemesis_has_no_pairs_and_no_rules() {
    assert_eq!(pairs("*<~cut *<~cut *>~cut? !heal"), [None; 4]);
    assert_eq!(irregularities("*<~cut *<~cut *>~cut? !heal"), []);
}

#[test]
fn null_is_no_answer_except_where_an_answer_is_due() {
    let nil = || Some(Value::Scalar(Scalar::Null));
    let x = || Some(Scalar::from("x"));
    for kind in [Kind::Invoke, Kind::Fail, Kind::Info] {
        let (history, event) = pushed(read(x(), nil()), kind);
        assert_eq!(history.payload(event), Payload::Unknown);
        assert_eq!(history.operation(event), read(x(), None));
    }
    let (history, event) = pushed(read(x(), None), Kind::Ok);
    assert_eq!(history.payload(event), Payload::Value(ValueId::NULL));
    assert_eq!(history.operation(event), read(x(), nil()));
    assert_eq!(back(read(x(), Some(Value::List(vec![]))), Kind::Ok), read(x(), Some(Value::List(vec![]))));
}

#[test]
fn a_key_null_is_no_key() {
    let answer = || Some(Value::Scalar(7.into()));
    assert_eq!(back(read(Some(Scalar::Null), answer()), Kind::Ok), read(None, answer()));
    let (history, event) = pushed(read(None, answer()), Kind::Ok);
    assert_eq!(history.key(event).map(|k| history.key_name(k)), Some(&Scalar::Null));
    // A custom operation works on no object, not on the unnamed one.
    let custom = |key| Operation::Custom { f: "dump".into(), key, value: json!(1) };
    for key in [None, Some(Scalar::Null)] {
        let (history, event) = pushed(custom(key), Kind::Ok);
        assert_eq!((history.key(event), history.operation(event)), (None, custom(None)));
    }
}

#[test]
fn custom_values_come_back_as_they_are() {
    for value in [json!(null), json!("null"), json!(0), json!([1, [2]]), json!({"b": 1.5, "a": null})] {
        let operation = Operation::Custom { f: "dump".into(), key: Some("x".into()), value };
        assert_eq!(back(operation.clone(), Kind::Ok), operation);
    }
}

#[test]
fn equal_values_have_one_id() {
    let h = history(r#"ax1 rx[1,"1",1] wy1 cy1>_ w(1)(true)"#);
    let values: Vec<_> = (0..h.value_count() as u32).map(|i| h.value(ValueId(i)).clone()).collect();
    assert_eq!(values, [Scalar::Null, 1.into(), "1".into(), true.into()]);
    let keys: Vec<_> = h.events().filter_map(|e| h.key(e)).map(|k| k.0).collect();
    assert_eq!(keys, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    assert_eq!(h.find_key(&"y".into()).map(|k| k.0), Some(1));
    assert_eq!(h.find_value(&"1".into()), Some(ValueId(2)));
    assert_eq!(h.find_value(&2.into()), None);
    let read = h.events().nth(3).unwrap();
    assert_eq!(h.list(h.payload(read)), [ValueId(1), ValueId(2), ValueId(1)]);
}

#[test]
fn a_session_is_the_process_where_none_was_recorded() {
    let h = history("3:ax1 3/s9:ax2");
    assert_eq!(h.events().map(|e| h.session(e)).collect::<Vec<_>>(), [3, 3, 9, 9]);
}

#[test]
fn functions_have_their_names_on_disk() {
    let h = history("rx_ wx1 cx1>2 ay1 +z1 -z1 ic1 {} ~odd");
    let names: Vec<_> = h.operations().map(|pair| h.function_name(h.function(pair.invocation)).to_owned()).collect();
    assert_eq!(names, ["read", "write", "cas", "append", "add", "remove", "increment", "txn", "odd"]);
    assert!(names.iter().all(|name| Operation::is_known(name) == (name != "odd")));
    assert_eq!(h.function(EventIndex(16)), Function::Custom(0));
}

#[test]
fn too_much_is_an_error_and_leaves_the_history_as_it_was() {
    let mut h = History::new();
    let mut event = parse("ax1").unwrap().remove(0);
    for i in 0..u16::MAX {
        event.node = Some(format!("n{i}").into());
        h.push(&event);
    }
    event.node = Some("one more".into());
    event.operation = parse("ay2").unwrap().remove(0).operation;
    let full = HistoryError::Full { what: "nodes", limit: 65535 };
    assert_eq!(full.to_string(), "a history holds at most 65535 nodes");
    assert_eq!(h.try_push(&event), Err(full));
    assert_eq!((h.len(), h.key_count(), h.value_count()), (65535, 1, 2));
    event.node = None;
    assert!(h.try_push(&event).is_ok());
    event.session = Some(u32::MAX);
    assert_eq!(h.try_push(&event), Err(HistoryError::ReservedSession));
}

#[test]
fn too_many_names_of_functions_are_an_error() {
    let mut h = History::new();
    let mut event = parse("~f").unwrap().remove(0);
    let mut named = |name: String| {
        event.operation = Operation::Custom { f: name.into(), key: None, value: json!(null) };
        h.try_push(&event)
    };
    for i in 0..u16::MAX {
        assert!(named(format!("f{i}")).is_ok());
    }
    assert_eq!(named("more".into()), Err(HistoryError::Full { what: "names of functions", limit: 65535 }));
}

#[test]
fn views_group_events_in_the_order_of_the_history() {
    let h = history("0/s1<ax1@n1 1/s1<ay1rx@n2 !cut@n1 0/s1>@n1 1/s1>ay1rx1@n2 2/s2:ax2ax3@n1");
    let views = Views::new(&h);
    assert_eq!(views.processes().collect::<Vec<_>>(), [Process(0), Process(1), Process(2), Process::NEMESIS]);
    assert_eq!(indices(views.process(Process(1))), [1, 4]);
    assert_eq!(indices(views.process(Process::NEMESIS)), [2]);
    assert!(views.process(Process(7)).is_empty());
    assert_eq!(views.sessions().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(indices(views.session(1)), [0, 1, 3, 4]);
    let key = |name: &str| indices(views.key(h.find_key(&name.into()).unwrap()));
    assert_eq!((key("x"), key("y")), (vec![0, 1, 3, 4, 5, 6], vec![1, 4]));
    let nodes: Vec<_> = h.nodes().map(|(id, name)| (name, indices(views.node(id)))).collect();
    assert_eq!(nodes, [("n1", vec![0, 2, 3, 5, 6]), ("n2", vec![1, 4])]);
}

#[test]
fn one_pass_tells_clients_from_the_nemesis() {
    let h = history("0<ax1 !cut 0>ax1 1<ax2 !heal");
    assert_eq!(indices(&h.client_events().collect::<Vec<_>>()), [0, 2, 3]);
    assert_eq!(indices(&h.nemesis_events().collect::<Vec<_>>()), [1, 4]);
    let pairs: Vec<_> = h.operations().map(|p| (p.invocation.0, p.completion.map(|c| c.0), p.outcome)).collect();
    assert_eq!(pairs, [(0, Some(2), Kind::Ok), (3, None, Kind::Info)]);
}

#[test]
fn an_event_is_as_small_as_its_documentation_says() {
    assert_eq!(size_of::<Payload>(), 16);
    assert_eq!(size_of::<Function>(), 4);
}

//! One claim a test: what the notation says, and that printing is its inverse.

mod arbitrary;

use histories::notation::{history, parse, print};
use histories::{Event, Function, Kind, Micro, Operation, Payload, Process, Scalar, Value};
use proptest::prelude::*;

/// The completions of a text in words, one a line: `process kind operation`.
fn said(text: &str) -> Vec<String> {
    events(text).iter().filter(|e| e.kind != Kind::Invoke).map(in_words).collect()
}

fn in_words(event: &Event) -> String {
    format!("{} {} {}", event.process, event.kind.name(), event.operation)
}

fn events(text: &str) -> Vec<Event> {
    parse(text).unwrap_or_else(|e| panic!("{e}\n  {text}"))
}

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn a_token_is_a_whole_operation_by_process_0() {
    let events = events("wx1");
    assert_eq!(events.len(), 2);
    assert_eq!(
        events.iter().map(|e| (e.kind, e.process)).collect::<Vec<_>>(),
        [(Kind::Invoke, Process(0)), (Kind::Ok, Process(0))]
    );
    assert_eq!(events.iter().map(|e| e.time).collect::<Vec<_>>(), [0, 1_000_000]);
}

#[test]
fn each_letter_is_an_operation() {
    assert_eq!(said("rx_ wx1 cx1>2"), ["0 ok read x → nil", "0 ok write x ← 1", "0 ok cas x 1 → 2"]);
    assert_eq!(
        said("ax1 +y2 -y2 iz3 iz-3"),
        ["0 ok append x ← 1", "0 ok add y ← 2", "0 ok remove y ← 2", "0 ok increment z by 3", "0 ok increment z by -3"]
    );
}

#[test]
fn digits_are_elements_where_the_key_is_a_list_or_a_set() {
    assert_eq!(said("rx12 ax1")[0], "0 ok read x → [1 2]");
    assert_eq!(said("rx1 ax1")[0], "0 ok read x → [1]");
    assert_eq!(said("+x1 rx1")[1], "0 ok read x → [1]");
    assert_eq!(said("{ax1} rx123456789123456789123")[1], "0 ok read x → [1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3]");
}

#[test]
fn digits_are_a_number_where_the_key_is_a_register_or_a_counter() {
    assert_eq!(said("wx1 rx12")[1], "0 ok read x → 12");
    assert_eq!(said("cx1>2 rx12")[1], "0 ok read x → 12");
    assert_eq!(said("ix1 rx12 rx-12")[1..], ["0 ok read x → 12", "0 ok read x → -12"]);
}

#[test]
fn a_key_that_is_only_read_holds_lists_where_two_digits_or_brackets_say_so() {
    assert_eq!(said("rx1 ry12 rz[1]"), ["0 ok read x → 1", "0 ok read y → [1 2]", "0 ok read z → [1]"]);
    assert_eq!(said("rx1 rx12")[0], "0 ok read x → [1]");
    assert_eq!(said("rx(12) rx1"), ["0 ok read x → 12", "0 ok read x → 1"]);
}

#[test]
fn long_elements_stand_in_brackets() {
    assert_eq!(said("ax10 rx[10,11]")[1], "0 ok read x → [10 11]");
    assert_eq!(said("ax10 rx[]")[1], "0 ok read x → []");
    assert_eq!(said(r#"rx["a b",null,[1]]"#)[0], "0 ok read x → [a b nil [1]]");
}

#[test]
fn steps_without_space_are_one_transaction() {
    assert_eq!(
        said("ax1ry12 {ax1} {}"),
        ["0 ok txn [append x ← 1, read y → [1 2]]", "0 ok txn [append x ← 1]", "0 ok txn []"]
    );
    let events = events("ax1rx1");
    let Operation::Txn(question) = &events[0].operation else { panic!("a transaction") };
    assert_eq!(question[1], Micro::Read { key: "x".into(), value: None });
}

#[test]
fn an_answered_read_has_an_answer() {
    let events = events("rx rx! {ry}");
    let nil = Some(Value::Scalar(Scalar::Null));
    let x = || Some(Scalar::from("x"));
    assert_eq!(events[0].operation, Operation::Read { key: x(), value: None });
    assert_eq!(events[1].operation, Operation::Read { key: x(), value: nil.clone() });
    assert_eq!(events[3].operation, Operation::Read { key: x(), value: None });
    assert_eq!(events[5].operation, Operation::Txn(vec![Micro::Read { key: "y".into(), value: nil }]));
}

#[test]
fn keys_and_values_can_be_any_json() {
    assert_eq!(
        said(r#"a(8)17 w("user 7")"blue sky" w()(2.5) wx(true) wx_ wx({"a":[1]})"#),
        [
            "0 ok append 8 ← 17",
            "0 ok write user 7 ← blue sky",
            "0 ok write ← 2.5",
            "0 ok write x ← true",
            "0 ok write x ← nil",
            r#"0 ok write x ← {"a":[1]}"#
        ]
    );
}

#[test]
fn prefixes_say_who_and_overlap() {
    let events = events("1<ax1 2/s7<rx 1>ax1 2/s7>rx1 /s3:ax2");
    let who: Vec<_> = events.iter().map(|e| (e.process.0, e.session, e.kind)).collect();
    assert_eq!(
        who,
        [
            (1, None, Kind::Invoke),
            (2, Some(7), Kind::Invoke),
            (1, None, Kind::Ok),
            (2, Some(7), Kind::Ok),
            (0, Some(3), Kind::Invoke),
            (0, Some(3), Kind::Ok)
        ]
    );
}

#[test]
fn a_bare_completion_repeats_the_invocation() {
    assert_eq!(said("1<ax1 2<cx1>2 1> 2>?"), ["1 ok append x ← 1", "2 info cas x 1 → 2"]);
    assert_eq!(said("1<rx 1>"), ["1 ok read x → nil"]);
    assert_eq!(error("1>"), "column 3: expected an operation: this process has none open, found the end");
    assert_eq!(error("1:ax1 1>!"), "column 9: expected an operation: this process has none open, found '!'");
}

#[test]
fn suffixes_say_how_it_ended_where_and_why() {
    let events = events(r#"ax1@n2!"no quorum" ax2? 1>ax1?"timeout"@n3 wy1@"10.0.0.1""#);
    let ends: Vec<_> = events.iter().map(|e| (e.kind, e.node.as_deref(), e.error.as_deref())).collect();
    assert_eq!(
        ends,
        [
            (Kind::Invoke, Some("n2"), None),
            (Kind::Fail, Some("n2"), Some("no quorum")),
            (Kind::Invoke, None, None),
            (Kind::Info, None, None),
            (Kind::Info, Some("n3"), Some("timeout")),
            (Kind::Invoke, Some("10.0.0.1"), None),
            (Kind::Ok, Some("10.0.0.1"), None)
        ]
    );
}

#[test]
fn the_nemesis_and_custom_operations_carry_json() {
    let events = events(r#"!cut["n1","n2"] !kill@n1 !heal ~dump@n1{"x":[1, 2]} ~"odd name"("x")=12 *<~heal"#);
    let cut = &events[0];
    assert_eq!((cut.process, cut.kind), (Process::NEMESIS, Kind::Info));
    assert_eq!(cut.operation, custom("cut", None, serde_json::json!(["n1", "n2"])));
    assert_eq!(events[1].node.as_deref(), Some("n1"));
    assert_eq!(events[3].operation, custom("dump", None, serde_json::Value::Null));
    assert_eq!(events[4].operation, custom("dump", None, serde_json::json!({"x": [1, 2]})));
    assert_eq!(events[4].node.as_deref(), Some("n1"));
    assert_eq!(events[6].operation, custom("odd name", Some("x".into()), serde_json::json!(12)));
    assert_eq!((events[7].process, events[7].kind), (Process::NEMESIS, Kind::Invoke));
}

fn custom(f: &str, key: Option<Scalar>, value: serde_json::Value) -> Operation {
    Operation::Custom { f: f.into(), key, value }
}

#[test]
fn time_goes_on_by_a_millisecond_unless_it_is_set() {
    let times: Vec<_> = events("wx1 t=500 !cut t=1500.25 !heal wx2").iter().map(|e| e.time).collect();
    assert_eq!(times, [0, 1_000_000, 500_000_000, 1_500_250_000, 1_501_250_000, 1_502_250_000]);
    assert_eq!(
        error("t=1.0000001"),
        "column 3: expected a time below 2^64 ns with at most six decimals, found '1.0000001'"
    );
}

#[test]
fn errors_name_the_column_and_what_was_expected() {
    assert_eq!(
        error("ax1 b"),
        "column 5: expected an operation (one of r w a c + - i h e d p o l u { ~ !) or t=, found 'b'"
    );
    assert_eq!(error("a9"), "column 2: expected a key (a letter, or JSON in parentheses), found '9'");
    assert_eq!(
        error("ax"),
        "column 3: expected a value (a number, _, a JSON string, or JSON in parentheses), found the end"
    );
    assert_eq!(error("cx1"), "column 4: expected '>' and the new value, found the end");
    assert_eq!(error("ax1+x2"), "column 4: expected white space, found '+x2'");
    assert_eq!(error("cx1>2rx"), "column 1: expected a step of a transaction (one of r w a), found 'cx1>2rx'");
    assert_eq!(error("{ax1 rx}"), "column 5: expected a step of a transaction (one of r w a n k q), found white space");
    assert_eq!(error("wx99999999999999999999"), "column 3: expected a whole number of 64 bits, found '999999999999'");
    assert_eq!(error("1ax1"), "column 2: expected ':', '<' or '>' after the process, found 'ax1'");
    assert_eq!(error("4294967296:ax1"), "column 1: expected a process number, found '4294967296:a'");
    assert_eq!(error("r(1"), "column 4: expected ')', found the end");
    assert_eq!(error("r(x)"), "column 2: expected JSON in parentheses, found '(x)'");
}

#[test]
fn a_history_pairs_what_overlaps() {
    let h = history("0<wx1 1<rx 0>wx1 1>rx1 2<wx2");
    let pairs: Vec<_> = h.events().map(|e| h.pair_of(e).map(|p| p.0)).collect();
    assert_eq!(pairs, [Some(2), Some(3), Some(0), Some(1), None]);
    assert_eq!(h.function(h.events().next().unwrap()), Function::Write);
    assert!(matches!(h.payload(h.events().nth(1).unwrap()), Payload::Unknown));
}

#[test]
fn printing_is_short() {
    for text in [
        "ax1 ax1ry12 {ax1} {} rx_ rx[]",
        "wx1 rx12 rx-3 cx1>2 iy3 +z1 -z1",
        "0<wx1 1<rx 0>wx1 1>rx1 2/s7:wx2? 3:wx3!\"no\"",
        "rx12 rx[1] rx(3) ry(12) ry7",
        "!cut[\"n1\",\"n2\"] !kill@n1 t=500 !heal t=900.5 ~dump@n1{\"x\":[1,2]} ~done=(true) *<~odd",
        "a(8)17 w(\"user 7\")\"blue sky\" w()(2.5)",
    ] {
        assert_eq!(print(&events(text)), text);
    }
}

#[test]
#[should_panic(expected = "column 1: expected an operation")]
fn a_bad_text_stops_a_test() {
    history("zx1");
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn whatever_is_printed_is_read_back(events in arbitrary::events(0..20)) {
        let text = print(&events);
        prop_assert_eq!(parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n  {text}")))?, events, "{}", text);
    }

    #[test]
    fn whatever_is_read_is_printed_and_read_back(text in "[rwac+i{}~!x()1_\\[\\],<>:/s@.?\" t=-]{0,12}") {
        if let Ok(events) = parse(&text) {
            prop_assert_eq!(parse(&print(&events)), Ok(events));
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = parse(&text);
    }
}

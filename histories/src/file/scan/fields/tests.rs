//! Both readers make the same of another tool's lines, or the fast one gives up.

use proptest::prelude::*;

use crate::file::decode::{self, Dialect, Foreign};
use crate::history::History;
use crate::{arbitrary, foreign};

/// Reads lines with the tolerant reader, and each also with the fast one, which must agree or give up. Returns how
/// many it did not give up on.
fn agree(lines: &[String]) -> Result<usize, TestCaseError> {
    let (mut history, mut known) = (History::new(), Foreign::default());
    let mut fast_count = 0;
    for line in lines {
        let (mut fast, mut remembered) = (history.clone(), known.clone());
        let scanned = crate::file::scan::foreign(line, &mut remembered, &mut fast).filter(|len| *len == line.len());
        let undone = decode::contradicts_tuples(line, &history, &known);
        if undone {
            prop_assert_eq!(scanned, None, "{}", line);
            history = crate::file::tuples::undone(&history, &known.bare);
            known.bare.clear();
            known.tuples.give_up();
        }
        let mut dialect = Dialect::Foreign(known.clone());
        match decode::event(line, &history, &mut dialect) {
            Err(_) => prop_assert_eq!(scanned, None, "{}", line),
            Ok(event) => {
                history.push(&event);
                let Dialect::Foreign(now) = dialect else { unreachable!("it stays foreign") };
                known = now;
                if scanned.is_some() {
                    fast_count += 1;
                    let last = fast.events().last().map(|last| fast.event(last));
                    prop_assert_eq!(last.as_ref(), Some(&event), "{}", line);
                    prop_assert_eq!(&remembered, &known, "{}", line);
                    prop_assert_eq!(fast.irregularities(), history.irregularities(), "{}", line);
                    prop_assert_eq!(
                        (fast.key_count(), fast.value_count()),
                        (history.key_count(), history.value_count())
                    );
                }
            }
        }
    }
    Ok(fast_count)
}

/// A field, if it is there, with white space around its parts now and then.
fn field(name: &'static str, values: &'static [&'static str]) -> BoxedStrategy<Option<String>> {
    let space = prop::sample::select(&["", "", "", " ", "\t "][..]);
    let value = prop::sample::select(values);
    (space, value)
        .prop_map(move |(space, value)| {
            (!value.is_empty()).then(|| format!("{space}\"{name}\"{space}:{space}{value}{space}"))
        })
        .boxed()
}

fn line() -> BoxedStrategy<String> {
    let f = &[
        "\"read\"",
        "\"read\"",
        "\":write\"",
        "\"cas\"",
        "\"append\"",
        "\"add\"",
        "\"dequeue\"",
        "\"enqueue\"",
        "\"txn\"",
        "\":txn\"",
        "\"get\"",
        "\":put\"",
        "\"dump\"",
        "\"contains\"",
        "\"increment\"",
        "",
        "null",
    ];
    let value = &[
        "",
        "null",
        "5",
        "-5",
        "\"x\"",
        "[7,null]",
        "[7,null]",
        "[7,1]",
        "[7,[1,2]]",
        "[\"k\",null]",
        "[\"k\",2]",
        "[1,2,3]",
        "[]",
        "[[\"r\",1,null]]",
        "[[\":append\",1,2],[\"r\",\"x\",[1,2]]]",
        "[[\"read\",1,4]]",
        "{\"b\":\"x\",\"a\":-1}",
        "{\"a\":1,\"a\":2}",
        "{ }",
        "{ \"é\" : null }",
        "{\"a\":[1]}",
        "{\"a\":01}",
        "{\"a\":1}",
        "[[1,2],3]",
        "1.5",
        "[ 7 , 1 ]",
        "[null,1]",
        "true",
        "[5,true]",
        "007",
        "\"a\\n\"",
    ];
    (
        field("type", &["\"invoke\"", "\"invoke\"", "\":ok\"", "\"ok\"", "\"fail\"", "\"info\"", "\"odd\""]),
        field("f", f),
        field("value", value),
        field("process", &["0", "0", "0", "1", "\"0\"", "\":nemesis\"", "\"c\"", "-1", "4294967295"]),
        field("time", &["", "5", "7", "1.5", "null"]),
        field("index", &["", "", "", "3", "4", "99999999999"]),
        field("key", &["", "", "", "", "1", "\"x\"", "null"]),
        field("more", &["", "", "\"op-index\"", "1", "[1]", "null"]),
        field("error", &["", "", "", "\"e\"", "[1]"]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| [a, b, c, d, e, f, g, h, i])
        .prop_shuffle()
        .prop_map(|fields| format!("{{{}}}", fields.into_iter().flatten().collect::<Vec<_>>().join(",")))
        .boxed()
}

#[test]
fn ordinary_lines_take_the_fast_way() {
    let lines = [
        r#"{"type":":invoke","f":":txn","value":[[":r",1,null],[":append","x",-2]],"process":0,"time":1,"index":0}"#,
        r#"{"value":[["r",1,[3,4]],["append","x",-2]],"process":0,"type":"ok","f":"txn","op-index":4}"#,
        r#"{ "process" : 1 , "type" : "invoke" , "f" : "read" , "value" : null }"#,
        r#"{"process":1,"type":"info","f":"read"}"#,
        r#"{"process":":nemesis","type":"info","f":"start","value":null}"#,
        r#"{"process":2,"type":"ok","value":[["w",1,2]]}"#,
    ];
    assert_eq!(agree(&lines.map(str::to_owned)).expect("they agree"), lines.len() - 1, "the first decides on tuples");
    let tuples = [
        r#"{"process":0,"type":"invoke","f":"write","value":[7,1]}"#,
        r#"{"process":0,"type":"ok","f":"write","value":[7,1]}"#,
        r#"{"process":0,"type":"invoke","f":"read","value":[7,null]}"#,
        r#"{"process":0,"type":"ok","f":"read","value":[7,[1,2]]}"#,
        r#"{"process":0,"type":"invoke","f":"cas","value":[7,[1,2]]}"#,
        r#"{"process":0,"type":"fail","f":"cas"}"#,
    ];
    assert_eq!(agree(&tuples.map(str::to_owned)).expect("they agree"), tuples.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: arbitrary::config().cases.max(2_000), ..arbitrary::config() })]

    #[test]
    fn both_readers_agree_on_lines_of_other_tools(lines in prop::collection::vec(line(), 1..8)) {
        agree(&lines)?;
    }
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn both_readers_agree_on_events_in_other_words(
        events in arbitrary::events(1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9\\[\\]{}\",:null.eE+ -]{0,2}"), 0..3),
    ) {
        let mut lines: Vec<_> = events.iter().enumerate().map(|(i, event)| foreign::json(i, event, ":")).collect();
        for (at, text) in changes {
            let line = at.index(lines.len());
            let mut characters: Vec<char> = lines[line].chars().collect();
            let at = at.index(characters.len());
            characters.splice(at..=at, text.chars());
            lines[line] = characters.into_iter().collect();
        }
        agree(&lines)?;
    }
}

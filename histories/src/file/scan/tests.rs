//! Both readers make the same of our lines, or the fast one gives up.

use proptest::prelude::*;

use super::*;
use crate::arbitrary;
use crate::event::Event;
use crate::file::decode::{self, Dialect};
use crate::file::encode;
use crate::notation;

fn line(index: u32, event: &Event) -> String {
    let mut line = Vec::new();
    encode::event(&mut line, index, event).expect("it can be written");
    assert_eq!(line.pop(), Some(b'\n'));
    String::from_utf8(line).expect("text")
}

/// What the two readers make of a line that comes first.
fn both(line: &str) -> (Option<Event>, Result<Event, decode::LineError>) {
    let mut history = History::new();
    let scanned = own(line, &mut history).filter(|len| *len == line.len());
    let scanned = scanned.map(|_| history.event(history.events().next().expect("one event")));
    (scanned, decode::event(line, &History::new(), &mut Dialect::Own))
}

#[test]
fn ordinary_lines_take_the_fast_way() {
    let text = r#"1<ax1@n1 1>rx_ rx[1,-2,"a"] w("key")(true) cx1>_ +x1? -x1!"no" i()-3 {ax1} w(8)2rx[] !heal"#;
    for event in notation::parse(text).expect("notation") {
        let line = line(0, &event);
        let (scanned, decoded) = both(&line);
        assert_eq!(scanned.as_ref(), Some(&event), "{line}");
        assert_eq!(decoded, Ok(event), "{line}");
    }
}

#[test]
fn other_lines_are_left_to_the_other_reader_without_a_trace() {
    let rest = r#""process":0,"type":"ok","f":"append","key":"x","value"#;
    for line in [
        format!("{{\"index\":1,\"time\":0,{rest}\":7}}"),
        format!("{{\"index\":0,\"time\":00,{rest}\":7}}"),
        format!("{{\"index\":0,\"time\":0,{rest}\":7.5}}"),
        format!("{{\"index\":0,\"time\":0,{rest}\":-0}}"),
        format!("{{\"index\":0,\"time\":0,{rest}\":9223372036854775808}}"),
        format!("{{\"index\":0,\"time\":0,{rest}\":\"\\n\"}}"),
        format!("{{\"index\":0,\"time\":0,{rest}\":7}} "),
        format!("{{\"index\":0,\"time\":0,{rest}\":7,\"more\":1}}"),
        format!("{{\"index\":0,\"time\":0,{rest}\":7"),
    ] {
        let mut history = History::new();
        assert_eq!(own(&line, &mut history), None, "{line}");
        assert_eq!((history.len(), history.key_count(), history.value_count()), (0, 0, 1), "{line}");
    }
}

#[test]
fn numbers_go_to_their_ends() {
    let number = |text: &str| Scanner::<false> { text, at: 0 }.signed();
    assert_eq!(number("9223372036854775807"), Some(i64::MAX));
    assert_eq!(number("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(number("-9223372036854775809"), None);
    assert_eq!(number("99999999999999999999"), None);
    assert_eq!(number("0"), Some(0));
    assert_eq!((number("01"), number("-"), number("")), (None, None, None));
}

#[test]
fn borrowed_scalars_hash_as_owned_ones() {
    use std::hash::BuildHasher;

    use crate::operation::Scalar;
    let hasher = rustc_hash::FxBuildHasher;
    for scalar in [Scalar::Null, true.into(), 7.into(), "seven".into(), Scalar::Json("[7]".into())] as [Scalar; 5] {
        assert_eq!(hasher.hash_one(ScalarRef::from(&scalar)), hasher.hash_one(&scalar));
    }
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn both_readers_agree(events in arbitrary::events(1..4)) {
        for event in events {
            let line = line(0, &event);
            let (scanned, decoded) = both(&line);
            prop_assert_eq!(decoded.as_ref(), Ok(&event), "{}", line);
            prop_assert!(scanned.is_none_or(|scanned| scanned == event), "{}", line);
        }
    }

    #[test]
    fn both_readers_agree_on_lines_that_were_changed(
        events in arbitrary::events(1..2),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9\\[\\]{}\",:null.eE+-]{0,2}"), 1..3),
    ) {
        let mut line: Vec<char> = line(0, &events[0]).chars().collect();
        for (at, text) in changes {
            let at = at.index(line.len());
            line.splice(at..=at, text.chars());
            prop_assume!(!line.is_empty());
        }
        let line: String = line.into_iter().collect();
        if let (Some(scanned), decoded) = both(&line) {
            prop_assert_eq!(decoded, Ok(scanned), "{}", line);
        }
    }
}

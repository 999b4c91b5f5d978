//! The examples of the reference page are what they say they are.

use std::path::Path;

use histories::file::{HistoryWriter, read_from};

fn examples(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/history-format.md");
    let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    page.split(&format!("```{language}\n"))
        .skip(1)
        .filter_map(|block| Some(block.split_once("```")?.0.to_owned()))
        .collect()
}

#[test]
fn the_example_is_a_whole_history_in_the_writers_own_words() {
    let example = &examples("jsonl")[0];
    let loaded = read_from(example.as_bytes()).expect("a history");
    assert_eq!(loaded.damage, None);
    assert_eq!(loaded.history.irregularities(), []);
    assert_eq!(loaded.history.operations().filter(|pair| pair.completion.is_none()).count(), 1);
    let mut writer = HistoryWriter::new(Vec::new(), &loaded.header.expect("a header").about);
    for event in loaded.history.events() {
        writer.append(&loaded.history.event(event)).expect("memory takes everything");
    }
    assert_eq!(String::from_utf8(writer.close().expect("memory takes everything")).as_ref(), Ok(example));
}

#[test]
fn the_example_of_another_tool_is_read() {
    let loaded = read_from(examples("jsonl")[1].as_bytes()).expect("a history");
    assert_eq!((loaded.damage, loaded.header), (None, None));
    let h = loaded.history;
    let lines: Vec<_> = h.events().map(|e| format!("{} {}", h.process(e), h.operation(e))).collect();
    assert_eq!(
        lines,
        [
            "0 txn [read 1]",
            "0 txn [read 1 → [3]]",
            "nemesis start \"cut\"",
            "2147483648 write ← 4",
            "2147483648 write ← 4"
        ]
    );
    assert_eq!(h.events().last().and_then(|e| h.error(e)), Some("[\"timeout\",5]"));
}

/// The events of an example, which are read to its end.
fn lines(example: &str) -> Vec<String> {
    let loaded = read_from(example.as_bytes()).expect("a history");
    assert_eq!((loaded.damage, loaded.header), (None, None));
    let h = loaded.history;
    h.events().map(|e| format!("{} {} {}", h.process(e), h.kind(e).name(), h.operation(e))).collect()
}

#[test]
fn the_example_in_edn_is_read() {
    assert_eq!(
        lines(&examples("edn")[0]),
        [
            "0 invoke txn [append x ← 1, read y]",
            "0 ok txn [append x ← 1, read y → [1 2]]",
            "1 ok read → [1 2]",
            "nemesis info start {\"n1\":[\"n2\"]}"
        ]
    );
}

#[test]
fn the_example_of_a_log_is_read() {
    assert_eq!(lines(&examples("text")[0]), ["0 invoke cas 2 → 4", "0 info cas 2 → 4", "1 fail read"]);
}

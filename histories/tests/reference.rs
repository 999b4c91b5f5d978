//! The examples of the reference page are what they say they are.

use std::path::Path;

use histories::file::{HistoryWriter, read_from};

fn examples() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/history-format.md");
    let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    page.split("```jsonl\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn the_example_is_a_whole_history_in_the_writers_own_words() {
    let example = &examples()[0];
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
    let loaded = read_from(examples()[1].as_bytes()).expect("a history");
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

//! One claim a test: what is written is read back, and nothing that happens to a file goes unnoticed.

mod arbitrary;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use histories::file::{Damage, DamageKind, HistoryWriter, Limits, Loaded, ReadError, Reader, read, read_from, seal};
use histories::notation::{parse, print};
use histories::{Event, History, Operation, Scalar};
use proptest::prelude::*;
use serde_json::{Map, json};

fn about() -> Map<String, serde_json::Value> {
    Map::from_iter([("seed".to_owned(), json!(42))])
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut writer = HistoryWriter::new(Vec::new(), &about());
    for event in events {
        writer.append(event).expect("memory takes everything");
    }
    writer.close().expect("memory takes everything")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn loaded(bytes: &[u8]) -> Loaded {
    read_from(bytes).unwrap_or_else(|e| panic!("{e}\n{}", String::from_utf8_lossy(bytes)))
}

fn events(history: &History) -> Vec<Event> {
    history.events().map(|e| history.event(e)).collect()
}

fn damage(text: &str) -> String {
    loaded(text.as_bytes()).damage.unwrap_or_else(|| panic!("no damage in\n{text}")).to_string()
}

/// What follows the header and two whole events.
fn damage_after_two(rest: &str) -> String {
    let whole = String::from_utf8(written(&parse("ax1").unwrap())).unwrap();
    let body = whole.rsplit_once("{\"end\"").unwrap().0;
    let loaded = loaded(format!("{body}{rest}").as_bytes());
    assert_eq!(loaded.history.len(), 2, "everything before the damage is there");
    loaded.damage.map_or("no damage".to_owned(), |d| d.to_string())
}

/// A directory that goes away.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("splitbrain-histories-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_file_says_what_the_reference_says() {
    let events = parse(r#"1/s7<ax1@n1 !cut["n1"] 1/s7>ax1?"timeout" cx1>2 iy-3 {ax1ry[1,"a"]} w(8)_"#).unwrap();
    let text = String::from_utf8(written(&events)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], r#"{"format":"splitbrain-history","version":1,"seed":42}"#);
    assert_eq!(
        lines[1],
        r#"{"index":0,"time":0,"process":1,"type":"invoke","f":"append","key":"x","value":1,"node":"n1","session":7}"#
    );
    assert_eq!(lines[2], r#"{"index":1,"time":1000000,"process":"nemesis","type":"info","f":"cut","value":["n1"]}"#);
    assert!(lines[3].ends_with(r#""type":"info","f":"append","key":"x","value":1,"session":7,"error":"timeout"}"#));
    assert!(lines[4].ends_with(r#""type":"invoke","f":"cas","key":"x","value":[1,2]}"#));
    assert!(lines[6].ends_with(r#""f":"increment","key":"y","value":-3}"#));
    assert!(lines[8].ends_with(r#""f":"txn","value":[["append","x",1],["r","y",null]]}"#));
    assert!(lines[9].ends_with(r#""f":"txn","value":[["append","x",1],["r","y",[1,"a"]]]}"#));
    assert!(lines[10].ends_with(r#""f":"write","key":8,"value":null}"#));
    assert_eq!(lines.last(), Some(&r#"{"end":"splitbrain-history","events":11}"#));
}

#[test]
fn a_whole_file_has_no_damage() {
    let loaded = loaded(&written(&parse("ax1 rx1").unwrap()));
    assert_eq!(loaded.damage, None);
    let header = loaded.header.expect("a header");
    assert_eq!((header.version, header.about), (1, about()));
    assert_eq!(print(&events(&loaded.history)), "ax1 rx1");
}

#[test]
fn a_recorder_that_was_stopped_leaves_a_prefix() {
    let directory = Directory::new("stopped");
    let path = directory.0.join("history.jsonl");
    let mut writer = HistoryWriter::create(&path, &about()).unwrap();
    let created = read(&path).unwrap();
    assert_eq!((created.history.len(), created.damage.unwrap().kind), (0, DamageKind::NotClosed));
    for event in parse("ax1").unwrap() {
        writer.append(&event).unwrap();
    }
    writer.sync().unwrap();
    let flushed = read(&path).unwrap();
    assert_eq!((flushed.history.len(), flushed.damage.unwrap().kind), (2, DamageKind::NotClosed));
    drop(writer);
    assert!(HistoryWriter::create(&path, &about()).is_err(), "a history is not overwritten");
}

#[test]
fn each_damage_is_named_with_its_place() {
    assert_eq!(damage(""), "line 1 (byte 0): the file is empty");
    assert_eq!(damage("{\"format\":\"spl"), "line 1 (byte 0): the last line is torn; the file was not closed");
    assert_eq!(damage_after_two(""), "line 3 (byte 220): the file was not closed; it ends without its last line");
    assert_eq!(damage_after_two("{\"index\":2"), "line 4 (byte 220): the last line is torn; the file was not closed");
    assert_eq!(damage_after_two("{\"index\":2\n"), "line 4 (byte 220): column 10: EOF while parsing an object");
    assert_eq!(damage_after_two("{\"end\":\"splitbrain-history\",\"events\":2}\n\n"), "no damage");
    assert_eq!(
        damage_after_two("{\"end\":\"splitbrain-history\",\"events\":2}"),
        "line 4 (byte 259): the file was not closed; it ends without its last line"
    );
    assert_eq!(
        damage_after_two("{\"end\":\"splitbrain-history\",\"events\":3}\n"),
        "line 4 (byte 220): the last line counts 3 events, but 2 stand before it"
    );
    assert_eq!(
        damage_after_two("{\"end\":\"splitbrain-history\",\"events\":2}\n{}\n"),
        "line 5 (byte 260): something stands after the last line of the history"
    );
    assert_eq!(
        damage_after_two("{\"index\":3,\"time\":1,\"process\":0,\"type\":\"ok\",\"f\":\"a\"}\n"),
        "line 4 (byte 220): column 10: expected index 2, found 3"
    );
}

#[test]
fn invalid_utf8_is_damage() {
    let mut bytes = written(&parse("ax1").unwrap());
    let end = bytes.len() - 5;
    bytes[end] = 0xff;
    let loaded = loaded(&bytes);
    assert_eq!(loaded.history.len(), 2);
    assert_eq!(loaded.damage.unwrap().kind, DamageKind::InvalidUtf8 { column: 36 });
}

#[test]
fn a_bad_line_says_where_and_what_was_expected() {
    let line = |f: &str, value: &str| {
        damage_after_two(&format!(
            "{{\"index\":2,\"time\":9,\"process\":0,\"type\":\"ok\",\"f\":\"{f}\",\"key\":\"x\",\"value\":{value}}}\n"
        ))
    };
    assert_eq!(line("cas", "[1]"), "line 4 (byte 220): column 73: expected a list [expected, new], found [1]");
    assert_eq!(line("increment", "1.5"), "line 4 (byte 220): column 79: expected a whole number of 64 bits, found 1.5");
    assert_eq!(
        line("txn", "[[\"r\",1,2],[\"remove\",3]]"),
        "line 4 (byte 220): column 85: expected a micro-operation [\"r\", \"w\", \"append\", \"insert\", \"delete\" or \"rp\", key, value], found \"remove\""
    );
    assert_eq!(line("txn", "null"), "line 4 (byte 220): column 49: expected a list of micro-operations, found \"txn\"");
    assert_eq!(line("write", "[1,}"), "line 4 (byte 220): column 78: expected value");
    assert_eq!(
        damage_after_two("{\"index\":2,\"time\":-1,\"process\":0,\"type\":\"ok\",\"f\":\"a\"}\n"),
        "line 4 (byte 220): column 19: expected a time in nanoseconds, from 0, found -1"
    );
    assert_eq!(
        damage_after_two("{\"index\":2,\"time\":1,\"process\":4294967295,\"type\":\"ok\",\"f\":\"a\"}\n"),
        "line 4 (byte 220): column 31: expected a process number below 4294967295, or \"nemesis\", found 4294967295"
    );
    assert_eq!(
        damage_after_two("{\"index\":2,\"time\":1,\"process\":1,\"type\":\"okay\",\"f\":\"a\"}\n"),
        "line 4 (byte 220): column 40: expected \"invoke\", \"ok\", \"fail\" or \"info\", found \"okay\""
    );
    assert_eq!(
        damage_after_two("{\"index\":2,\"time\":1,\"process\":1,\"f\":\"a\"}\n"),
        "line 4 (byte 220): column 1: expected a field \"type\", found none"
    );
}

#[test]
fn what_is_no_history_is_refused() {
    let refused = |bytes: &[u8]| read_from(bytes).expect_err("refused").to_string();
    assert_eq!(refused(b"\x89PNG\r\n\x1a\n"), "is not a history: line 1: expected text, found bytes");
    assert_eq!(
        refused(b"hello\nworld\n"),
        "is not a history: line 1: expected an event or the header of a history; column 1: expected value"
    );
    assert_eq!(
        refused(b"[{\"type\":\"invoke\"},\n"),
        "is not a history: line 1: column 2: expected a field \"process\", found none"
    );
    assert_eq!(
        refused(b"{\"format\":\"splitbrain-history\",\"version\":2}\n"),
        "is of version 2 of the history format; this program reads versions up to 1"
    );
    assert!(matches!(read(Path::new("/nowhere/history.jsonl")), Err(ReadError::Open(_))));
}

#[test]
fn files_of_other_tools_are_read_with_goodwill() {
    let text = concat!(
        "\u{feff}{\"type\":\":invoke\",\"f\":\":write\",\"value\":3,\"op-index\":1,\"process\":\"0\"}\r\n",
        "\n",
        "{\"process\":\":nemesis\",\"type\":\"info\",\"f\":\"start\",\"value\":[\":isolated\",{\"n1\":[\"n2\"]}]}\n",
        "{\"type\":\"fail\",\"f\":\"write\",\"process\":0,\"time\":1500.0,\"error\":[\":timeout\", 5]}\n",
        "{\"value\":[[\"r\", 1], [\":append\",\"k\",2]],\"type\":\"ok\",\"process\":\"client-1\",\"f\":\"txn\"}\n",
        "{\"f\":\"read\",\"type\":\"ok\",\"process\":\"client-2\",\"time\":7000,\"index\":9,\"value\":{\"b\":1,\"a\":0}}\n",
        "{\"f\":\"read\",\"type\":\"ok\",\"process\":\"client-1\",\"value\":123456789012345678901234567890}",
    );
    let loaded = loaded(text.as_bytes());
    assert_eq!((loaded.damage, loaded.header), (None, None));
    let h = loaded.history;
    let lines: Vec<_> = h.events().map(|e| format!("{} {} {}", h.time(e), h.process(e), h.operation(e))).collect();
    assert_eq!(
        lines,
        [
            "0 0 write ← 3",
            "0 nemesis start [\":isolated\",{\"n1\":[\"n2\"]}]",
            "1500 0 write ← 3",
            "1500 2147483648 txn [read 1 → nil, append k ← 2]",
            "7000 2147483649 read → {\"a\":0,\"b\":1}",
            "7000 2147483648 read → 123456789012345678901234567890",
        ]
    );
    assert_eq!(h.error(h.events().nth(2).unwrap()), Some("[\":timeout\", 5]"));
}

#[test]
fn transactions_of_other_tools_need_no_name() {
    let h = loaded(b"{\"type\":\"ok\",\"process\":0,\"value\":[[\"w\",\"x\",1]]}\n").history;
    assert_eq!(print(&events(&h)), "0>{wx1}");
    let other = read_from(&b"{\"type\":\"ok\",\"process\":0,\"value\":1}\n"[..]).expect_err("refused").to_string();
    assert!(other.ends_with("expected a field \"f\", found none"), "{other}");
}

#[test]
fn files_of_other_tools_keep_their_order() {
    let text = "{\"index\":3,\"type\":\"invoke\",\"f\":\"read\",\"process\":0}\n{\"index\":3,\"type\":\"ok\",\"f\":\"read\",\"process\":0}\n";
    assert_eq!(damage(text), "line 2 (byte 51): column 10: expected an index above 3, which came before, found 3");
}

#[test]
fn limits_hold() {
    let limited = |bytes: &[u8], limits| {
        let loaded = Reader::with_limits(limits).read_from(bytes).expect("a history");
        (loaded.history.len(), loaded.damage.expect("damage").to_string())
    };
    let bytes = written(&parse("ax1 ax2").unwrap());
    let defaults = Limits::default();
    assert_eq!(
        limited(&bytes, Limits { line_bytes: 80, ..defaults }),
        (0, "line 2 (byte 54): more than 80 bytes in one line".to_owned())
    );
    assert_eq!(
        limited(&gzip(&bytes), Limits { total_bytes: 300, ..defaults }),
        (2, "line 4 (byte 220): more than 300 bytes".to_owned())
    );
    assert_eq!(
        limited(&bytes, Limits { event_count: 3, ..defaults }),
        (3, "line 5 (byte 308): more than 3 events".to_owned())
    );
}

#[test]
fn deep_nesting_is_damage_and_no_overflow() {
    let line = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("{{\"index\":2,\"time\":9,\"process\":0,\"type\":\"ok\",\"f\":\"dump\",\"value\":{open}{close}}}\n")
    };
    let end = "{\"end\":\"splitbrain-history\",\"events\":3}\n";
    let whole = String::from_utf8(written(&parse("ax1").unwrap())).unwrap();
    let body = whole.rsplit_once("{\"end\"").unwrap().0;
    assert_eq!(loaded(format!("{body}{}{end}", line(127)).as_bytes()).damage, None);
    assert!(damage_after_two(&line(1_000_000)).ends_with("recursion limit exceeded"));
}

#[test]
fn what_would_come_back_as_something_else_is_not_written() {
    let mut writer = HistoryWriter::new(Vec::new(), &about());
    let mut event = parse("~odd").unwrap().remove(0);
    event.operation = Operation::Custom { f: "read".into(), key: None, value: json!(null) };
    assert_eq!(writer.append(&event).expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    event = Event { session: Some(u32::MAX), ..parse("ax1").unwrap().remove(0) };
    assert_eq!(writer.append(&event).expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    assert_eq!(loaded(&writer.close().unwrap()).damage, None);
}

#[test]
fn text_that_is_not_json_cannot_break_a_line() {
    let mut event = parse("wx1").unwrap().remove(0);
    for (text, value) in [("{\n}", Scalar::Json("{}".into())), ("no json", "no json".into()), ("1}\n{", "1}\n{".into())]
    {
        event.operation = Operation::Write { key: None, value: Scalar::Json(text.into()) };
        let read = loaded(&written(&[event.clone()]));
        assert_eq!(read.damage, None);
        assert_eq!(events(&read.history)[0].operation, Operation::Write { key: None, value });
    }
}

/// Takes a few bytes at a time, is interrupted now and then, and is full for a while.
struct FullForAWhile {
    taken: Vec<u8>,
    calls: usize,
}

impl Write for FullForAWhile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls {
            3 | 50 => Err(io::ErrorKind::Interrupted.into()),
            5..20 => Err(io::ErrorKind::StorageFull.into()),
            _ => {
                let n = bytes.len().min(10_000);
                self.taken.extend_from_slice(&bytes[..n]);
                Ok(n)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_accepted() {
    let event = parse("ax1").unwrap().remove(0);
    let mut writer = HistoryWriter::new(FullForAWhile { taken: Vec::new(), calls: 0 }, &about());
    let mut accepted = 0;
    let mut refused = 0;
    while accepted < 5_000 {
        match writer.append(&event) {
            Ok(index) => {
                assert_eq!(index.0, accepted);
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert_eq!(refused, 15);
    let taken = writer.close().expect("room again").taken;
    assert_eq!(loaded(&taken).damage, None);
    assert_eq!(loaded(&taken).history.len(), 5_000);
}

#[test]
fn sealing_replaces_the_plain_file() {
    let directory = Directory::new("seal");
    let path = directory.0.join("history.jsonl");
    let mut writer = HistoryWriter::create(&path, &about()).unwrap();
    let recorded = parse("ax1 rx1").unwrap();
    for event in &recorded {
        writer.append(event).unwrap();
    }
    writer.close().unwrap();
    let sealed = seal(&path).unwrap();
    assert_eq!(directory.names(), ["history.jsonl.gz"]);
    for path in [&sealed, &path] {
        let loaded = read(path).unwrap();
        assert_eq!((loaded.damage, events(&loaded.history)), (None, recorded.clone()));
    }
    assert_eq!(seal(&path).unwrap(), sealed, "sealing twice is sealing");
}

#[test]
fn sealing_goes_on_where_it_was_interrupted() {
    let directory = Directory::new("interrupted");
    let path = directory.0.join("history.jsonl");
    let plain = written(&parse("ax1").unwrap());
    std::fs::write(&path, &plain).unwrap();
    std::fs::write(directory.0.join("history.jsonl.gz.partial"), &gzip(&plain)[..20]).unwrap();
    std::fs::write(directory.0.join("history.jsonl.gz"), gzip(&plain)).unwrap();
    seal(&path).unwrap();
    assert_eq!(directory.names(), ["history.jsonl.gz"]);
    assert_eq!(read(&path).unwrap().history.len(), 2);
    assert!(seal(&directory.0.join("nothing.jsonl")).is_err());
}

#[test]
fn the_end_of_a_sealed_file_is_not_missed() {
    let bytes = gzip(&written(&parse("ax1").unwrap()));
    for cut in 1..bytes.len() {
        let loaded = loaded(&bytes[..cut]);
        assert!(matches!(loaded.damage, Some(Damage { kind: DamageKind::Gzip { .. }, .. })), "cut at {cut}");
    }
    let mut more = bytes.clone();
    more.extend_from_slice(b"more");
    assert!(loaded(&more).damage.is_some());
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn whatever_is_written_is_read_back(recorded in arbitrary::events(0..30), sealed: bool) {
        let bytes = written(&recorded);
        let loaded = loaded(&if sealed { gzip(&bytes) } else { bytes });
        prop_assert_eq!(loaded.damage, None);
        prop_assert_eq!(events(&loaded.history), recorded);
    }

    #[test]
    fn a_history_gives_back_what_was_pushed(recorded in arbitrary::events(0..30)) {
        prop_assert_eq!(events(&History::from_events(&recorded)), recorded);
    }

    #[test]
    fn a_cut_anywhere_is_noticed_and_loses_nothing_before_it(
        recorded in arbitrary::events(0..10),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = written(&recorded);
        let cut = at.index(bytes.len());
        let loaded = loaded(&bytes[..cut]);
        prop_assert!(loaded.damage.is_some());
        // The header and every line that is there but for its end.
        let whole = bytes[..cut + 1].iter().filter(|b| **b == b'\n').count();
        prop_assert_eq!(events(&loaded.history), &recorded[..whole.saturating_sub(1).min(recorded.len())]);
    }

    #[test]
    fn a_cut_of_a_sealed_file_is_noticed_and_leaves_a_prefix(
        recorded in arbitrary::events(0..60),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = gzip(&written(&recorded));
        let cut = at.index(bytes.len());
        let Ok(loaded) = read_from(&bytes[..cut]) else { return Err(TestCaseError::fail("refused")) };
        prop_assert!(loaded.damage.is_some());
        let read = events(&loaded.history);
        prop_assert_eq!(&read, &recorded[..read.len()]);
        prop_assert_eq!(read.len(), whole_events_in(&bytes[..cut]));
    }

    #[test]
    fn flipped_bytes_never_panic_and_leave_a_prefix_of_lines(
        recorded in arbitrary::events(0..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        sealed: bool,
    ) {
        let mut bytes = written(&recorded);
        if sealed {
            bytes = gzip(&bytes);
        }
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(loaded) = read_from(&bytes[..]) {
            prop_assert!(loaded.damage.is_some() || loaded.history.len() == recorded.len());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_from(&bytes[..]);
    }
}

/// How many events a decompressor that gives out a byte at a time can still see.
fn whole_events_in(cut: &[u8]) -> usize {
    let mut decoder = flate2::bufread::GzDecoder::new(cut);
    let mut text = Vec::new();
    let mut byte = [0];
    while let Ok(1) = io::Read::read(&mut decoder, &mut byte) {
        text.push(byte[0]);
    }
    let lines = text.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    lines.filter(|line| line.get("index").is_some()).count()
}

//! One claim a test: files of other tools are read as what they say.

mod arbitrary;
#[path = "../benches/support/list_append.rs"]
mod big;
mod foreign;

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use histories::file::{InputFormat, Limits, Loaded, Reader, read_as, read_from, read_from_as};
use histories::{Event, History, Kind, Operation, Scalar};
use proptest::prelude::*;

const FORMATS: [InputFormat; 4] = [InputFormat::Jsonl, InputFormat::Edn, InputFormat::Json, InputFormat::JepsenLog];

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// A whole file of the corpus, whose format is recognised.
fn recorded(name: &str) -> History {
    let loaded = read_as(&corpus(name), InputFormat::Auto, Limits::default()).unwrap_or_else(|e| panic!("{name} {e}"));
    assert_eq!(loaded.damage, None, "{name}");
    loaded.history
}

fn loaded(text: &str) -> Loaded {
    read_from(text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn history(text: &str) -> History {
    let loaded = loaded(text);
    assert_eq!(loaded.damage, None, "{text}");
    loaded.history
}

fn line(h: &History, event: usize) -> String {
    let e = h.events().nth(event).expect("an event");
    let error = h.error(e).map_or(String::new(), |error| format!(" ({error})"));
    format!("{} {} {}{error}", h.process(e), h.kind(e).name(), h.operation(e))
}

fn lines(h: &History) -> Vec<String> {
    (0..h.len()).map(|event| line(h, event)).collect()
}

fn owned(h: &History) -> Vec<Event> {
    h.events().map(|e| h.event(e)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// How many operations end in each way.
fn outcomes(h: &History) -> [usize; 3] {
    [Kind::Ok, Kind::Fail, Kind::Info].map(|kind| h.operations().filter(|pair| pair.outcome == kind).count())
}

#[test]
fn the_corpora_have_as_many_events_as_their_authors_say() {
    for (name, events) in [
        ("elle-cli/bank.edn", 680),
        ("elle-cli/list-append-gh-30.edn", 10),
        ("elle-cli/paper-example.edn", 8),
        ("elle-cli/rw-register.edn", 6),
        ("elle-cli/bank-negative-balances.json", 4),
        ("elle-cli/counter.json", 574),
        ("elle-cli/set_full.json", 588),
        ("knossos/bad-analysis.edn", 16),
        ("knossos/immediate-failure.edn", 4),
        ("knossos/memstress3-80.edn", 309),
        ("knossos/mongodb-v0-ack-rollback-9.edn", 14),
        ("knossos/multi-register.edn", 250),
        ("knossos/rethink-fail-minimal.edn", 8),
        ("porcupine/c01-bad.txt", 76),
        ("porcupine/etcd_000.log", 170),
        ("porcupine/etcd_002.log", 154),
    ] {
        let h = recorded(name);
        assert_eq!(h.len(), events, "{name}");
        // The one invocation in `bad-analysis` whose process has no completion is a crash, not an irregularity.
        assert_eq!(h.irregularities(), [], "{name}");
    }
}

#[test]
fn transactions_of_elle_are_read() {
    let h = recorded("elle-cli/list-append-gh-30.edn");
    assert_eq!(line(&h, 1), "0 invoke txn [read 2, read 3, append 4 ← 0]");
    assert_eq!(line(&h, 5), "1 ok txn [append 3 ← 1, append 2 ← 4, read 4 → []]");
    let h = recorded("elle-cli/paper-example.edn");
    assert_eq!(line(&h, 3), "1 ok txn [append 255 ← 8, read 253 → [1 3 4]]");
    let h = recorded("elle-cli/rw-register.edn");
    assert_eq!((line(&h, 1), line(&h, 3)), ("0 ok txn [write x ← 2]".into(), "0 ok txn [read x → 3]".into()));
}

#[test]
fn balances_of_a_bank_are_one_object() {
    let h = recorded("elle-cli/bank-negative-balances.json");
    assert_eq!(line(&h, 0), "0 invoke read");
    assert!(line(&h, 3).starts_with("0 ok read → {\"0\":101,\"1\":0,"), "{}", line(&h, 3));
    let h = recorded("elle-cli/bank.edn");
    let balances = "{\"0\":100,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0}";
    assert_eq!(line(&h, 1), format!("0 ok read → {balances}"));
    assert_eq!(line(&h, 6), "0 invoke transfer {\"amount\":1,\"from\":6,\"to\":1}");
    assert_eq!(line(&h, 65), "nemesis info pause \"all\"");
    assert_eq!(line(&h, 68), "nemesis info pause {\"84.23.53.151\":\"\"}");
    let error = h.error(h.events().last().expect("an event")).expect("an error");
    assert!(error.starts_with("indeterminate: 10000ms is exceeded"), "{error}");
}

#[test]
fn additions_are_not_guessed_to_be_increments() {
    let h = recorded("elle-cli/counter.json");
    assert_eq!(line(&h, 0), "0 invoke add ← 1");
    assert!(h.operations().all(|pair| h.key_name(h.key(pair.invocation).expect("a key")) == &Scalar::Null));
}

#[test]
fn a_set_that_is_answered_without_its_key_has_none() {
    let h = recorded("elle-cli/set_full.json");
    assert_eq!((line(&h, 0), line(&h, 3)), ("0 invoke add ← [0,0]".into(), "0 ok add ← [0,1]".into()));
    let reads = (0..h.len()).map(|event| line(&h, event)).filter(|line| line.contains("read"));
    let reads: Vec<_> = reads.collect();
    assert_eq!((&*reads[0], &reads[1][..28]), ("0 invoke read → [0 nil]", "0 ok read → [0 1 2 3 4 5 6"));
}

#[test]
fn registers_of_knossos_are_read() {
    let h = recorded("knossos/bad-analysis.edn");
    assert_eq!((line(&h, 0), line(&h, 2)), ("4 invoke write ← 2".into(), "6 invoke read".into()));
    assert_eq!(line(&h, 5), "14 invoke read → 4");
    let h = recorded("knossos/immediate-failure.edn");
    assert_eq!(line(&h, 2), "101 fail write ← 3 ([\"temporarily-unavailable\",null])");
    let h = recorded("knossos/memstress3-80.edn");
    assert_eq!(line(&h, 4), "688 invoke cas 2 → 0");
    let h = recorded("knossos/multi-register.edn");
    assert_eq!(line(&h, 1), "2 invoke txn [read x, read y]");
    assert_eq!(line(&h, 5), "3 ok txn [read x → 0]");
    assert_eq!(line(&h, 249), "nemesis info stop \"fully connected\"");
    assert_eq!(h.time(h.events().last().expect("an event")), 57_542_441_018);
}

#[test]
fn the_logs_of_porcupine_are_read() {
    let h = recorded("porcupine/etcd_000.log");
    assert_eq!((line(&h, 0), line(&h, 5)), ("0 invoke read".into(), "3 ok read → nil".into()));
    let timed_out: Vec<_> = (0..h.len()).map(|e| line(&h, e)).filter(|line| line.ends_with("(timed-out)")).collect();
    assert_eq!(timed_out[0], "4 info write ← 1 (timed-out)");
    assert!(timed_out.iter().any(|line| line.contains("info cas")));
    // 85 operations, as Porcupine counts them.
    assert_eq!(outcomes(&h).iter().sum::<usize>(), 85);
    let h = recorded("porcupine/c01-bad.txt");
    assert_eq!(line(&h, 0), "0 invoke append 0 ← x 0 0 y");
    assert_eq!((line(&h, 2), line(&h, 3)), ("0 invoke read 7".into(), "0 ok read 7 → ".into()));
    assert_eq!(outcomes(&h), [38, 0, 0]);
}

#[test]
fn a_file_without_processes_is_no_history() {
    let error = read_as(&corpus("elle-cli/comments.edn"), InputFormat::Auto, Limits::default()).expect_err("refused");
    let expected = "is not a history: line 1: column 1: expected a field \"process\", found none";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn every_form_of_edn_has_its_json() {
    let value = |edn: &str| {
        let h = history(&format!("{{:process 0 :type :ok :f :dump :value {edn}}}"));
        match h.operation(h.events().next().expect("an event")) {
            Operation::Custom { value, .. } => value.to_string(),
            other => panic!("{other}"),
        }
    };
    for (edn, json) in [
        ("nil", "null"),
        ("true", "true"),
        ("[1 -2 +3 0]", "[1,-2,3,0]"),
        ("[12N 1.50 1.5M 2.0e3 7M -0.25]", "[12,1.5,1.5,2000.0,7,-0.25]"),
        ("[1/3 -22/7 ##Inf ##NaN]", r###"["1/3","-22/7","##Inf","##NaN"]"###),
        (
            "[:a :b/c :d.e/f-g? sym my.ns/sym + - ->x .5]",
            r#"["a","b/c","d.e/f-g?","sym","my.ns/sym","+","-","->x",".5"]"#,
        ),
        (r#"["" "a\"b\\c\n\t" "é\u00e9\101"]"#, r#"["","a\"b\\c\n\t","ééA"]"#),
        ("[\"two\nlines\"]", r#"["two\nlines"]"#),
        (r"[\a \é \newline \space \u0041 \( \, \\ 1]", r#"["a","é","\n"," ","A","(",",","\\",1]"#),
        ("#{1 2} ", "[1,2]"),
        ("(1 (2 ()) [] #{} {})", "[1,[2,[]],[],[],{}]"),
        ("{:a 1, \"b\" 2, c 3}", r#"{"a":1,"b":2,"c":3}"#),
        ("{0 100, -1 2.5, nil 3, true 4}", r#"{"-1":2.5,"0":100,"null":3,"true":4}"#),
        (r#"{[1 "x"] 1, {:a :b} 2}"#, r#"{"[1,\"x\"]":1,"{\"a\":\"b\"}":2}"#),
        ("[1,,,2;three\n,4]", "[1,2,4]"),
        ("[#_1 2 #_ #_ 3 4 5 #_[6 {7 8}] #_:x]", "[2,5]"),
        ("{#_:a :b #_1 2 #_3}", r#"{"b":2}"#),
        ("#inst \"2026-01-01\"", "\"2026-01-01\""),
        ("#my/tag #other [1 #x 2]", "[1,2]"),
        ("#:ns{:a 1}", r#"{"a":1}"#),
        ("^{:meta true} [^:kw 1 ^String s]", r#"[1,"s"]"#),
        ("#\"re.*\"", "\"re.*\""),
    ] {
        assert_eq!(value(edn), json, "{edn}");
    }
}

#[test]
fn edn_comes_in_many_shapes() {
    let maps = ["{:process 0 :type :invoke :f :write :value 1}", "{:value 1,:f :write,:type :ok,:process 0}"];
    let tagged = maps.map(|map| format!("#jepsen.history.Op{map}"));
    let expected = ["0 invoke write ← 1", "0 ok write ← 1"];
    for text in [
        maps.join("\n"),
        maps.concat(),
        tagged.concat(),
        format!("[{}]", maps.join("\n ")),
        format!("({})", maps.join(",")),
        format!("; head\n\n[ #_ {{:a 1}} {} ; one\n #_:two {} #_3 ] ; end\n#_ [4]", tagged[0], maps[1]),
        format!("\u{feff}{}\r\n{}\r\n", maps[0], maps[1]),
        maps.map(|map| map.replace(' ', "\n\t")).join("\n"),
        maps.map(|map| format!("^:x {map}")).concat(),
    ] {
        assert_eq!(lines(&history(&text)), expected, "{text}");
        let compressed = read_from_as(&*gzip(text.as_bytes()), InputFormat::Edn, Limits::default()).expect("a history");
        assert_eq!((lines(&compressed.history), compressed.damage), (expected.map(str::to_owned).to_vec(), None));
    }
    assert_eq!(lines(&history("[]")), [""; 0]);
    assert_eq!(lines(&history("; nothing but this")), [""; 0]);
}

#[test]
fn json_comes_in_many_shapes() {
    let objects = [
        "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}",
        "{\"type\":\":ok\",\"value\":1,\"process\":\"0\",\"f\":\":write\"}",
    ];
    let expected = ["0 invoke write ← 1", "0 ok write ← 1"];
    for text in [
        format!("[{}]", objects.join(",")),
        format!("[\n{}\n]\n", objects.join(",\n")),
        format!(
            " [ {} ] ",
            objects
                .map(|o| o
                    .replace(',', " ,\r\n\t ")
                    .replace(':', " : ")
                    .replace("\" : w", "\":w")
                    .replace("\" : o", "\":o"))
                .join(" , ")
        ),
        objects.map(|object| object.replace("{", "{\n")).join("\n"),
    ] {
        assert_eq!(lines(&history(&text)), expected, "{text}");
    }
    let concatenated = read_from_as(objects.concat().as_bytes(), InputFormat::Json, Limits::default()).expect("read");
    assert_eq!((lines(&concatenated.history), concatenated.damage), (expected.map(str::to_owned).to_vec(), None));
    assert_eq!(lines(&history("[]")), [""; 0]);
}

#[test]
fn logs_come_in_many_shapes() {
    let text = concat!(
        "Running test\n",
        "2026-01-01 00:00:00,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:write\t3\n",
        "\n",
        "INFO  jepsen.util - :nemesis\t:info\t:start\t\"cut off\" {:n1 #{:n2}}\n",
        "INFO  jepsen.util - 0\t:info\t:write\t:timed-out\r\n",
        "1 :invoke :cas [1 2]\n",
        "1\t:fail\t:cas\t[1 2]\tdid not match\n",
        "INFO jepsen.core - worker 3 :starting\n",
        "5 :invoke :read\n",
        "5 :fail :read :timed-out",
    );
    let expected = [
        "0 invoke write ← 3",
        "nemesis info start \"cut off\" ({:n1 #{:n2}})",
        "0 info write ← 3 (timed-out)",
        "1 invoke cas 1 → 2",
        "1 fail cas 1 → 2 (did not match)",
        "5 invoke read",
        "5 fail read (timed-out)",
    ];
    assert_eq!(lines(&history(text)), expected);
    assert_eq!(lines(&history(&text.replace('\n', "\r\n"))), expected);
}

#[test]
fn the_words_of_other_tools_are_known() {
    for (words, meaning) in [
        ("{:f :get :key 1 :type :ok :value 2}", "0 ok read 1 → 2"),
        ("{:f :put :key \"k\" :type :invoke :value 2}", "0 invoke write k ← 2"),
        ("{:f :enqueue :type :invoke :value 2}", "0 invoke enqueue ← 2"),
        ("{:f :dequeue :type :ok :value 2}", "0 ok dequeue → 2"),
        ("{:f :dequeue :type :invoke}", "0 invoke dequeue"),
        ("{:f :acquire :type :invoke :value nil}", "0 invoke acquire"),
        ("{:f :remove :type :ok :value 2}", "0 ok remove ← 2"),
        ("{:f :generate :type :ok :value 2}", "0 ok generate 2"),
        ("{:f :read :type :ok :value #{3 1 2}}", "0 ok read → [3 1 2]"),
        ("{:f :contains :type :invoke :value 5}", "0 invoke contains 5"),
        (
            "{:f :txn :type :ok :value [[:insert 1 2] [:delete 3] [:rp :true {4 5}]]}",
            "0 ok txn [insert 1 ← 2, delete 3, read where true → {4: 5}]",
        ),
        ("{:f :init :type :ok :value {1 0}}", "0 ok init {\"1\":0}"),
        ("{:f :read :type :invoke :value [[:r 1 nil] [:r 2 nil]]}", "0 invoke txn [read 1, read 2]"),
        ("{:f :write :type :invoke :value [[:w 1 2]]}", "0 invoke txn [write 1 ← 2]"),
        ("{:f :write :type :invoke :value [[\"z\" 1 2]]}", "0 invoke write ← [[\"z\",1,2]]"),
        ("{:type :ok :value [[:read :x 1]]}", "0 ok txn [read x → 1]"),
    ] {
        let text = format!("{{:process 0, {}", &words[1..]);
        assert_eq!(lines(&history(&text)), [meaning], "{text}");
    }
}

#[test]
fn an_answer_by_itself_belongs_to_its_question() {
    let text = "{:process 0 :type :invoke :f :contains :value 5} {:process 0 :type :ok :f :contains :value true}";
    assert_eq!(lines(&history(text)).len(), 2);
    assert_eq!(
        owned(&history(text))[1].operation,
        Operation::Contains { key: None, value: 5.into(), found: Some(true) }
    );
}

#[test]
fn a_word_in_the_place_of_the_value_is_the_reason() {
    let text = concat!(
        "{:process 0 :type :invoke :f :cas :value [1 2]} {:process 0 :type :info :f :cas :value :timed-out}",
        "{:process 1 :type :invoke :f :write :value \"a\"} {:process 1 :type :fail :f :write :value \"a\"}",
        "{:process 2 :type :invoke :f :read} {:process 2 :type :fail :f :read :value :gone :error :closed}",
    );
    let h = lines(&history(text));
    assert_eq!(h[1], "0 info cas 1 → 2 (timed-out)");
    assert_eq!(h[3], "1 fail write ← a");
    assert_eq!(h[5], "2 fail read (closed)");
}

/// What is said of histories with these operations by process 0, the kind of each by its first letter.
fn of(operations: &[&str]) -> Vec<String> {
    let map = |text: &&str| {
        let (kind, rest) = text.split_once(' ').expect("a kind");
        let kind = ["invoke", "ok", "fail", "info"].into_iter().find(|name| name.starts_with(kind)).expect("a kind");
        let (f, value) = rest.split_once(' ').unwrap_or((rest, "nil"));
        let process = if f == "start" { ":nemesis" } else { "0" };
        format!("{{:process {process} :type :{kind} :f :{f} :value {value}}}")
    };
    let edn: Vec<_> = operations.iter().map(map).collect();
    let said = lines(&history(&edn.join("\n")));
    // The same in one object a line, with the value before what it belongs to.
    let json = owned_json(&edn.join("\n"));
    assert_eq!(lines(&history(&json)), said, "{json}");
    said.into_iter().map(|line| line.split_once(' ').expect("a process").1.to_owned()).collect()
}

/// EDN of the simple kind that these tests write, as JSON Lines.
fn owned_json(edn: &str) -> String {
    let json = |line: &str| {
        let value = line.split_once(":value ").expect("a value").1.trim_end_matches('}');
        let value = value.replace("nil", "null").replace(' ', ", ").replace(":timed-out", "\"timed-out\"");
        let field = |name: &str| {
            let rest = line.split_once(&format!(":{name} ")).expect("a field").1;
            rest.split(' ').next().expect("a word").trim_start_matches(':').to_owned()
        };
        let [process, kind, f] = ["process", "type", "f"].map(field);
        format!("{{\"value\": {value}, \"f\":\"{f}\", \"type\" : \"{kind}\",\"process\":\"{process}\"}}")
    };
    edn.lines().map(json).collect::<Vec<_>>().join("\n")
}

#[test]
fn tuples_are_keys_where_all_are_tuples() {
    assert_eq!(
        of(&["inv write [7 1]", "ok write [7 1]", "inv read [7 nil]", "ok read [7 1]"]),
        ["invoke write 7 ← 1", "ok write 7 ← 1", "invoke read 7", "ok read 7 → 1"]
    );
    assert_eq!(of(&["inv cas [7 [1 2]]", "fail cas [7 [1 2]]"]), ["invoke cas 7 1 → 2", "fail cas 7 1 → 2"]);
    assert_eq!(of(&["inv read [\"x\" nil]", "ok read [\"x\" [1 2]]"]), ["invoke read x", "ok read x → [1 2]"]);
    assert_eq!(of(&["inv dequeue [7 nil]", "ok dequeue [7 [1 2]]"]), ["invoke dequeue 7", "ok dequeue 7 → [1,2]"]);
    assert_eq!(of(&["inv dump [7 nil]", "ok dump [7 1]", "inv read [7 nil]"])[1], "ok dump 7 1");
}

#[test]
fn completions_and_the_nemesis_do_not_speak_against_tuples() {
    let said =
        of(&["inv write [7 1]", "info start [1 2]", "info write nil", "inv read [7 nil]", "fail read :timed-out"]);
    assert_eq!(
        said,
        ["invoke write 7 ← 1", "info start [1,2]", "info write 7 ← 1", "invoke read 7", "fail read 7 (timed-out)"]
    );
}

#[test]
fn a_bare_answer_is_no_tuple_and_so_nothing_is() {
    let wrapped = ["inv read [7 nil]", "ok read [7 [1 2]]", "inv write [7 3]", "ok write [7 3]"];
    assert_eq!(of_edn(&wrapped)[1], "ok read 7 → [1 2]");
    for bare in ["ok read [1 2 3]", "ok read [8 9]", "ok read nil", "ok read 5"] {
        let read = of_edn(&[&wrapped[..], &["inv read [7 nil]", bare]].concat());
        assert_eq!(read[..2], ["invoke read → [7 nil]", "ok read → [7 [1,2]]"], "{bare}");
    }
}

#[test]
fn one_invocation_that_is_no_tuple_undoes_them_all() {
    for other in [
        "inv read nil",
        "inv read [8 9]",
        "inv write 3",
        "inv write [1 2 3]",
        "inv write [nil 2]",
        "inv write [[1 2] 3]",
        "inv cas [1 2]",
        "inv cas [1 [2 3 4]]",
        "inv txn [[:r 1 nil]]",
        "inv transfer {1 2}",
    ] {
        let said = of_edn(&["inv write [7 1]", "info write nil", "inv read [7 nil]", "ok read [7 [1 2]]", other]);
        assert_eq!(
            said[..4],
            ["invoke write ← [7,1]", "info write ← [7,1]", "invoke read → [7 nil]", "ok read → [7 [1,2]]"],
            "{other}"
        );
    }
}

/// As [`of`], for values that are not of the simple kind.
fn of_edn(operations: &[&str]) -> Vec<String> {
    let kinds =
        |kind: &str| ["invoke", "ok", "fail", "info"].into_iter().find(|n| n.starts_with(kind)).expect("a kind");
    let map = |text: &&str| {
        let (kind, rest) = text.split_once(' ').expect("a kind");
        let (f, value) = rest.split_once(' ').unwrap_or((rest, "nil"));
        format!("{{:process 0 :type :{} :f :{f} :value {value}}}", kinds(kind))
    };
    let said = lines(&history(&operations.iter().map(map).collect::<String>()));
    said.into_iter().map(|line| line.split_once(' ').expect("a process").1.to_owned()).collect()
}

#[test]
fn what_may_be_something_else_is_no_tuple() {
    assert_eq!(of(&["inv write [7 1]", "ok write [7 1]"]), ["invoke write ← [7,1]", "ok write ← [7,1]"]);
    assert_eq!(of(&["inv cas [1 2]", "ok cas [1 2]"]), ["invoke cas 1 → 2", "ok cas 1 → 2"]);
    assert_eq!(of(&["inv add [0 1]", "inv add [0 2]"]), ["invoke add ← [0,1]", "invoke add ← [0,2]"]);
    let keyed = history("{:process 0 :type :invoke :f :read :key 1 :value [7 nil]}");
    assert_eq!(lines(&keyed), ["0 invoke read 1 → [7 nil]"]);
}

#[test]
fn damage_has_a_line_and_a_column() {
    let good = "{:process 0 :type :invoke :f :write :value 1}";
    let damage = |format: &str, text: String| {
        let loaded = read_from_as(text.as_bytes(), format.parse().expect("a format"), Limits::default())
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(lines(&loaded.history), ["0 invoke write ← 1"], "{text}");
        loaded.damage.unwrap_or_else(|| panic!("no damage in\n{text}")).to_string()
    };
    for (rest, problem) in [
        ("\n\n  x", "line 3 (byte 47): column 3: expected an operation {…}, found x"),
        ("\n{:process 1", "line 2 (byte 46): column 12: expected a key or }, found the end"),
        ("\n{:process\n 1 :type", "line 3 (byte 56): column 9: expected a value, found the end"),
        (
            "\n{:type\n :okay :process 1}",
            "line 3 (byte 53): column 2: expected \"invoke\", \"ok\", \"fail\" or \"info\", found \"okay\"",
        ),
        (
            "\n{:type :ok\n :f :cas\n :value [1\n 2 3] :process 1}",
            "line 4 (byte 66): column 9: expected a list [expected, new], found [1,2,3]",
        ),
        (
            "\n{:type :ok :process 1 :f x :value \"a\\q\"}",
            "line 2 (byte 46): column 37: expected an escape, found \\q\"}",
        ),
        (
            "\n{:type :ok :process 1 :f x :value 08}",
            "line 2 (byte 46): column 35: expected a number without a leading zero, found 08}",
        ),
        ("\n{:type :ok :process 1 :f x :value 1x}", "line 2 (byte 46): column 35: expected a number, found 1x}"),
        ("\n{:type :ok :process 1 :f x :value [1 2)}", "line 2 (byte 46): column 39: expected a value or ], found )}"),
        ("\n{:type :ok :process 1 :f x :value}", "line 2 (byte 46): column 34: expected a value, found }"),
        ("\n{:type :ok :process 1 :f x :value #_}", "line 2 (byte 46): column 37: expected a value, found }"),
        (
            "\n{:type :ok :process 1 :f x :value {{[{1 2}] 3} 4}}",
            "line 2 (byte 46): column 44: expected a simpler key, found 3}",
        ),
        ("\n{:type :ok :process 1 :f x :value #<O>}", "line 2 (byte 46): column 35: expected a value, found #<O>}"),
        ("\n{:type :ok :type :ok :process 1 :f x}", "line 2 (byte 46): column 12: duplicate field `type`"),
        ("\n:type", "line 2 (byte 46): column 1: expected an operation {…}, found :type"),
    ] {
        assert_eq!(damage("edn", format!("{good}{rest}")), problem, "{rest}");
    }
    assert_eq!(
        damage("edn", format!("[{good}\n")),
        "line 2 (byte 47): column 1: expected an operation {…} or ], found the end"
    );
    assert_eq!(
        damage("edn", format!("[{good}] 7")),
        "line 1 (byte 0): column 49: expected the end of the file, found 7"
    );
    assert_eq!(
        damage("edn", format!("[{good}\n7]")),
        "line 2 (byte 47): column 1: expected an operation {…} or ], found 7]"
    );
    let good = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}";
    for (rest, problem) in [
        ("", "line 1 (byte 0): column 53: expected a comma or ], found the end"),
        (",\n", "line 2 (byte 54): column 1: expected an operation {…}, found the end"),
        ("\n{}]", "line 2 (byte 53): column 1: expected a comma or ], found {}]"),
        (
            ",\n{\"type\":\n\"okay\",\"process\":1}]",
            "line 3 (byte 63): column 1: expected \"invoke\", \"ok\", \"fail\" or \"info\", found \"okay\"",
        ),
        (
            ",\n{\"type\":\n\"ok\",\"process\"",
            "line 3 (byte 63): column 15: expected } at the end of the operation, found the end",
        ),
        (
            ",\n{\"type\":\n\"o\nk\"}]",
            "line 3 (byte 63): column 3: expected \" at the end of the string, found the end of the line",
        ),
        (",\n{\"type\":ok}]", "line 2 (byte 54): column 9: expected value"),
        ("]]", "line 1 (byte 0): column 54: expected the end of the file, found ]"),
    ] {
        assert_eq!(damage("json", format!("[{good}{rest}")), problem, "{rest}");
    }
    let good = "x 0 :invoke :write 1\n";
    for (rest, problem) in [
        ("\nx 0 :ok :read [1\n", "line 3 (byte 22): column 17: expected a value or ], found the end"),
        ("x 0 :ok :cas  7\n", "line 2 (byte 21): column 15: expected a list [expected, new], found 7"),
        (
            "7777777777 :ok :read 7",
            "line 2 (byte 21): column 1: expected a process number below 4294967295, or \"nemesis\", found 7777777777",
        ),
    ] {
        assert_eq!(damage("jepsen-log", format!("{good}{rest}")), problem, "{rest}");
    }
}

#[test]
fn what_is_no_history_in_a_format_is_refused() {
    let refused = |format: InputFormat, text: &str| {
        read_from_as(text.as_bytes(), format, Limits::default()).expect_err(text).to_string()
    };
    assert_eq!(
        refused(InputFormat::Edn, "\n\n  (7)"),
        "is not a history: line 3: column 4: expected an operation {…} or ), found 7)"
    );
    assert_eq!(
        refused(InputFormat::Json, "[\n7]"),
        "is not a history: line 2: column 1: expected an operation {…} or ], found 7]"
    );
    assert_eq!(
        refused(InputFormat::Jsonl, "[{\"type\":1},\n"),
        "is not a history: line 1: expected one event a line, found a JSON array"
    );
    assert_eq!(
        refused(InputFormat::JepsenLog, "one\ntwo\n"),
        "is not a history: line 3: column 1: expected a line that tells of an operation, found none in the whole file"
    );
    for format in FORMATS {
        let empty = read_from_as(&b""[..], format, Limits::default()).expect("an empty file");
        assert_eq!(
            empty.damage.expect("damage").to_string(),
            "line 1 (byte 0): the file is empty",
            "{}",
            format.name()
        );
    }
}

#[test]
fn invalid_utf8_has_its_place_in_every_format() {
    for (format, start, end, place) in [
        (
            InputFormat::Edn,
            "[{:process 0 :type :ok :f :read}\n{:f \"",
            "\"}]",
            "line 2 (byte 33): column 5: invalid UTF-8",
        ),
        (
            InputFormat::Json,
            "[{\"process\":0,\"type\":\"ok\",\"f\":\"read\"}\n,{\"f\":\"",
            "\"}]",
            "line 2 (byte 38): column 8: invalid UTF-8",
        ),
        (InputFormat::JepsenLog, "0 :ok :read 1\n0 :ok :read \"", "\"", "line 2 (byte 14): column 13: invalid UTF-8"),
    ] {
        let bytes = [start.as_bytes(), b"\xff", end.as_bytes()].concat();
        let loaded = read_from_as(&*bytes, format, Limits::default()).expect("a history");
        assert_eq!(loaded.history.len(), 1, "{}", format.name());
        assert_eq!(loaded.damage.expect("damage").to_string(), place);
    }
}

#[test]
fn limits_hold_in_every_format() {
    let edn = "{:process 0 :type :ok :f :read}\n".repeat(4);
    let limited = |text: &str, limits| {
        let loaded = read_from_as(text.as_bytes(), InputFormat::Auto, limits).expect("a history");
        (loaded.history.len(), loaded.damage.map(|d| d.to_string()).unwrap_or_default())
    };
    let defaults = Limits::default();
    let big = format!("{edn}{{:process 0 :type :ok :f :read :value [{}]}}", "1 ".repeat(50));
    assert_eq!(
        limited(&big, Limits { line_bytes: 100, ..defaults }),
        (4, "line 5 (byte 128): more than 100 bytes in one operation".to_owned())
    );
    assert_eq!(
        limited(&edn, Limits { event_count: 3, ..defaults }),
        (3, "line 4 (byte 96): more than 3 events".to_owned())
    );
    assert_eq!(
        limited(&edn.repeat(100_000), Limits { total_bytes: 1_000_000, ..defaults }).1,
        "line 31250 (byte 999968): more than 1000000 bytes"
    );
    let memory = limited(&edn.repeat(100_000), Limits { memory_bytes: 3_000_000, ..defaults });
    assert!(memory.1.ends_with("more than 3000000 bytes of memory") && memory.0 < 100_000, "{memory:?}");
}

/// Big enough for two threads.
fn many() -> Vec<Event> {
    big::ListAppend::new(20_000).collect()
}

fn in_words(format: InputFormat, events: &[Event]) -> String {
    match format {
        InputFormat::Edn => events.iter().enumerate().map(|(i, e)| foreign::edn(i, e) + "\n").collect(),
        InputFormat::Json => {
            let objects: Vec<_> = events.iter().enumerate().map(|(i, e)| foreign::json(i, e, "")).collect();
            format!("[{}]", objects.join(",\n"))
        }
        _ => events.iter().enumerate().map(|(i, e)| foreign::json(i, e, ":") + "\n").collect(),
    }
}

#[test]
fn a_long_history_is_the_same_on_two_threads() {
    let events = many();
    for format in [InputFormat::Jsonl, InputFormat::Edn, InputFormat::Json] {
        let text = in_words(format, &events);
        assert!(text.len() > 2 << 20);
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            let loaded = read_from(&*bytes).expect("a history");
            assert_eq!(loaded.damage, None);
            assert_eq!(owned(&loaded.history), events, "{}", format.name());
            assert_eq!(format!("{:?}", loaded.history), format!("{:?}", History::from_events(&events)));
        }
    }
}

#[test]
fn damage_in_a_long_file_is_where_it_is() {
    let events = many();
    for format in [InputFormat::Jsonl, InputFormat::Edn, InputFormat::Json] {
        let text = in_words(format, &events);
        let at = text.lines().take(15_000).map(|line| line.len() + 1).sum::<usize>();
        let damaged = format!("{}{}", &text[..at], text[at..].replacen("ok", "okay", 1));
        let loaded = read_from(damaged.as_bytes()).expect("a history");
        let damage = loaded.damage.expect("damage");
        let line = damaged.lines().position(|line| line.contains("okay")).expect("damage");
        let start = damaged.lines().take(line).map(|line| line.len() + 1).sum::<usize>();
        assert_eq!((damage.line, damage.offset, loaded.history.len()), (line as u64 + 1, start as u64, line));
        assert_eq!(owned(&loaded.history), events[..line]);
    }
}

/// A source that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(self.0.len()).min(into.len());
        into[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

proptest! {
    #![proptest_config(arbitrary::config())]

    #[test]
    fn what_is_said_in_other_words_is_read_back(recorded in arbitrary::events(0..20), zipped: bool) {
        // Without an answer, other tools' completions say what was asked; here they say it themselves.
        let recorded: Vec<Event> = recorded.into_iter().filter(foreign::is_said).collect();
        for format in [InputFormat::Jsonl, InputFormat::Edn, InputFormat::Json] {
            let text = in_words(format, &recorded);
            let bytes = if zipped { gzip(text.as_bytes()) } else { text.clone().into_bytes() };
            let loaded = read_from_as(&*bytes, format, Limits::default()).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            if !recorded.is_empty() {
                prop_assert_eq!(loaded.damage, None, "{}", text);
            }
            prop_assert_eq!(owned(&loaded.history), recorded.clone(), "{}", text);
        }
    }

    #[test]
    fn it_makes_no_difference_in_which_pieces_a_file_comes(recorded in arbitrary::events(1..8), piece in 1..40usize) {
        for format in FORMATS {
            let text = in_words(format, &recorded);
            let read = |source: &mut dyn std::io::BufRead| {
                Reader::default().in_format(format).read_from(source).map(|l| (owned(&l.history), l.damage)).map_err(|e| e.to_string())
            };
            let whole = read(&mut text.as_bytes());
            let pieces = read(&mut std::io::BufReader::with_capacity(piece, Trickle(text.as_bytes(), piece)));
            prop_assert_eq!(whole, pieces, "{}", text);
        }
    }
}

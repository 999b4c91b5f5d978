//! No file makes a reader panic, overflow its stack or take memory out of proportion.
//!
//! The mutated inputs come from a seed, so a failure is found again. To look longer and elsewhere:
//!
//! ```console
//! $ HISTORIES_FUZZ_ROUNDS=5000000 HISTORIES_FUZZ_SEED=7 cargo test --release -p splitbrain-histories --test hostile
//! ```

#[path = "../benches/support/list_append.rs"]
mod big;
mod foreign;

use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use histories::file::{HistoryWriter, InputFormat, Limits, Loaded, ReadError, read_from_as};

/// A file costs at most as many bytes of memory for each of its own, and this much besides.
const MEMORY_PER_BYTE: u64 = 40;
const MEMORY_FLOOR: u64 = 64 * 1024;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// What a syntax may stumble over.
const PIECES: &[&[u8]] = &[
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"\"",
    b"\\",
    b":",
    b",",
    b"\n",
    b" ",
    b"#",
    b"#_",
    b"#{",
    b"^",
    b";",
    b"##Inf",
    b"nil",
    b"null",
    b"true",
    b"-",
    b"+1",
    b"007",
    b"1N",
    b"1/2",
    b"1e999",
    b"-0",
    b"\xff",
    b"\xc3",
    b"\xe2\x82\xac",
    b"\\u12",
    b"\\newline",
    b"\\uD800",
    b"18446744073709551616",
    b"-9223372036854775809",
    b":nemesis",
    b"\"nemesis\"",
    b":timed-out",
    b"[7 nil]",
    b"[7,null]",
    b"[[:r 1 nil]]",
    b"[[\"r\",1,null]]",
    b":f :cas",
    b"\"f\":\"txn\"",
    b"4294967295",
    b":key 1",
    b"{\"end\":\"splitbrain-history\",\"events\":2}\n",
    b"\x1f\x8b",
    b"\xef\xbb\xbf",
    b"'",
    b"@",
    b"0\t:invoke\t:read\tnil\n",
    b":value",
    b"\"value\":",
    b"#jepsen.history.Op",
];

/// Beginnings of files that are histories, of every format.
fn seeds() -> Vec<Vec<u8>> {
    let corpus = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        let mut bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        bytes.truncate(2_000);
        bytes
    };
    let mut seeds: Vec<_> = [
        "elle-cli/bank.edn",
        "elle-cli/counter.json",
        "elle-cli/list-append-gh-30.edn",
        "elle-cli/rw-register.edn",
        "elle-cli/set_full.json",
        "elle-cli/bank-negative-balances.json",
        "knossos/immediate-failure.edn",
        "knossos/multi-register.edn",
        "knossos/rethink-fail-minimal.edn",
        "porcupine/c01-bad.txt",
        "porcupine/etcd_000.log",
    ]
    .map(corpus)
    .into();
    let events: Vec<_> = big::ListAppend::new(12).collect();
    let mut own = HistoryWriter::new(Vec::new(), &serde_json::Map::new());
    for event in &events {
        own.append(event).expect("memory takes everything");
    }
    seeds.push(own.close().expect("memory takes everything"));
    seeds.push(events.iter().enumerate().flat_map(|(i, e)| (foreign::json(i, e, ":") + "\n").into_bytes()).collect());
    seeds.push(b"{:process 0 :type :invoke :f :write :value [7 1]}\n{:process 0 :type :info :f :write :value :x}\n{:process 1 :type :invoke :f :read :value [7 nil]}\n{:process 1 :type :ok :f :read :value [7 #{1 2}]}\n".to_vec());
    seeds
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let end = input.len().min(at + random.below(40));
    match random.below(8) {
        0 if at < input.len() => input[at] = random.below(256) as u8,
        1 => drop(input.drain(at..end)),
        2 => {
            let piece = input[at..end].to_vec();
            let times = 1 + random.below(300);
            input.splice(at..at, piece.repeat(times));
        }
        3 => input.truncate(at),
        4 => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.len());
            let to = other.len().min(from + random.below(200));
            input.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let piece = random.pick(PIECES);
            input.splice(at..end.min(at + random.below(4)), piece.iter().copied());
        }
    }
}

/// Gives a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = 7.min(self.0.len()).min(into.len());
        into[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

fn told(read: &Result<Loaded, ReadError>) -> String {
    match read {
        Ok(loaded) => format!("{:?} {:?}", loaded.history, loaded.damage),
        Err(error) => error.to_string(),
    }
}

#[test]
fn mutated_files_are_read_in_proportion_to_their_size() {
    let seeds = seeds();
    let mut random = Random(number("HISTORIES_FUZZ_SEED").unwrap_or(1));
    let (mut histories, mut damages, mut refused) = (0, 0, 0);
    for round in 0..number("HISTORIES_FUZZ_ROUNDS").unwrap_or(6_000) {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut random, &mut input, &seeds);
        }
        let bytes = if random.below(10) == 0 { zip(&input) } else { input.clone() };
        let format = InputFormat::ALL[random.below(InputFormat::ALL.len())];
        let format = if random.below(3) > 0 { InputFormat::Auto } else { format };
        let read = read_from_as(&*bytes, format, Limits::default());
        match &read {
            Ok(loaded) => {
                let memory = loaded.history.memory_bytes();
                let bound = MEMORY_FLOOR + MEMORY_PER_BYTE * input.len() as u64;
                assert!(memory <= bound, "round {round}: {memory} bytes of memory for {}", input.len());
                if loaded.damage.is_some() {
                    damages += 1
                } else {
                    histories += 1
                }
                // Whatever is in the history can be asked for.
                loaded.history.events().for_each(|event| drop(loaded.history.event(event)));
            }
            Err(_) => refused += 1,
        }
        let again = read_from_as(BufReader::new(Trickle(&bytes)), format, Limits::default());
        assert_eq!(told(&read), told(&again), "round {round}:\n{}", String::from_utf8_lossy(&input));
    }
    assert!([histories, damages, refused].iter().all(|count| *count > 100), "{histories} {damages} {refused}");
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// The same bytes again and again.
struct Repeated {
    piece: Vec<u8>,
    at: usize,
}

impl Read for Repeated {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.piece[self.at..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.at = (self.at + len) % self.piece.len();
        Ok(len)
    }
}

/// A gigabyte that begins with one thing and goes on with another.
fn gigabyte(start: &str, piece: &[u8]) -> impl io::BufRead + use<> {
    let repeated = Repeated { piece: piece.repeat(1 + 65_536 / piece.len()), at: 0 };
    BufReader::with_capacity(1 << 16, Cursor::new(start.to_owned().into_bytes()).chain(repeated.take(1 << 30)))
}

/// The most memory that this process has had, in mebibytes, where the system says it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|size| size.parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[test]
fn a_gigabyte_of_anything_stays_within_the_limits() {
    let limits = Limits { line_bytes: 1 << 20, total_bytes: 2 << 20, memory_bytes: 16 << 20, ..Limits::default() };
    let starts: [(InputFormat, &[&str]); 4] = [
        (
            InputFormat::Jsonl,
            &["", "{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":", "{\"type\":\"ok\",\"x\":\""],
        ),
        (InputFormat::Edn, &["", "{:process 0 :type :ok :f :read :value ", "[{:a \""]),
        (InputFormat::Json, &["", "[{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":", "[{\"a\":\""]),
        (InputFormat::JepsenLog, &["", "0 :ok :read "]),
    ];
    let pieces: &[&[u8]] = &[
        b"[",
        b"{",
        b"(",
        b"\"",
        b"1",
        b" ",
        b";",
        b"#_ ",
        b"\\",
        b"^",
        b",",
        b"[1,",
        b"{\"a\":",
        b"{[",
        b":a",
        b"\xff",
        b"\0",
        b"\n",
        b"#a ",
        b"1 ",
        b"1,",
        b"[]\n",
        b"0 :ok :a 1\n",
        b"{:process 0 :type :ok :f :a}",
        b"{\"process\":0,\"type\":\"ok\",\"f\":\"a\"}\n",
    ];
    for (format, starts) in starts {
        for start in starts {
            for piece in pieces {
                let read = read_from_as(gigabyte(start, piece), format, limits);
                let wrong = !matches!(&read, Ok(loaded) if loaded.damage.is_none());
                assert!(wrong, "{} {start} {}", format.name(), String::from_utf8_lossy(piece));
            }
        }
    }
    assert!(peak() < 300, "{} MiB", peak());
}

#[test]
fn a_small_file_that_unpacks_to_a_large_one_stays_within_the_limits() {
    let event = b"{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}\n";
    let bytes = zip(&event.repeat(400_000));
    assert!(bytes.len() * 20 < 400_000 * event.len());
    let limits = Limits { total_bytes: 1 << 20, ..Limits::default() };
    let loaded = read_from_as(&*bytes, InputFormat::Auto, limits).expect("a history");
    assert_eq!(loaded.history.len(), (1 << 20) / event.len());
    assert!(loaded.damage.expect("damage").to_string().ends_with("more than 1048576 bytes"));
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let loaded = read_from_as(&*bytes, InputFormat::Auto, limits).expect("a history");
    assert!(loaded.history.memory_bytes() < 8 << 20);
    assert!(loaded.damage.expect("damage").to_string().ends_with("more than 1048576 bytes of memory"));
}

#[test]
fn depth_needs_no_stack() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(1_000_000), close.repeat(1_000_000));
    let texts = [
        format!("{{:process 0 :type :ok :f :read}} {{:process 0 :type :ok :f :dump :value {}}}", deep("[", "]")),
        format!(
            "{{:process 0 :type :ok :f :read}} {{:process 0 :type :ok :f :dump :value {}1{}}}",
            "{1 ".repeat(1_000_000),
            "}".repeat(1_000_000)
        ),
        format!("{{:process 0 :type :ok :f :read}} {}", deep("#_ ", "1 ")),
        format!("0 :ok :read 1\n0 :ok :dump {}\n", deep("(", ")")),
        format!(
            "[{{\"process\":0,\"type\":\"ok\",\"f\":\"read\"}},{{\"process\":0,\"type\":\"ok\",\"f\":\"dump\",\"value\":{}}}]",
            deep("[", "]")
        ),
    ];
    let read = move || {
        for text in texts {
            let loaded = read_from_as(text.as_bytes(), InputFormat::Auto, Limits::default()).expect("a history");
            let damage = loaded.damage.unwrap_or_else(|| panic!("no damage in {}", &text[..80])).to_string();
            assert_eq!(loaded.history.len(), 1, "{damage}");
            assert!(damage.contains("nested more than 128 deep") || damage.contains("recursion limit"), "{damage}");
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(read).expect("a thread").join().expect("no overflow");
}

#[test]
fn long_numbers_keep_their_digits() {
    let digits = "7".repeat(1 << 20);
    for text in [format!("{{:process 0 :type :ok :f :write :value {digits}N}}"), format!("0 :ok :write {digits}")] {
        let loaded = read_from_as(text.as_bytes(), InputFormat::Auto, Limits::default()).expect("a history");
        assert_eq!(loaded.damage, None);
        assert_eq!(loaded.history.operation(histories::EventIndex(0)).to_string(), format!("write ← {digits}"));
    }
}

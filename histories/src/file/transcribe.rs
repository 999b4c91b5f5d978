//! Histories in other notations, transcribed into JSON Lines, so that there is one reader of events.
//!
//! ```text
//! {:process 0, :type :ok,      {"process":0,"type":"ok","f":"txn","value":[["r","x",[1,2]]]}
//!  :f :txn                  →
//!  :value [[:r :x [1 2]]]}
//! ```
//! A [`Syntax`] takes one operation after the other out of the bytes that were read so far. It knows where operations
//! begin and end and how a value is said in JSON, and nothing of what operations mean. When the reader of events
//! does not like a line, the operation is transcribed once more, this time with a mark for each piece, and the place in
//! the line becomes the place in the file.
//!
//! No syntax calls itself: nesting is a counter or a stack of its own, at most [`DEPTH`] high. No output is longer than
//! a small multiple of its input.

pub(super) mod edn;
pub(super) mod json;
pub(super) mod log;

use super::InputFormat;

/// How deep maps and lists may be nested; beyond that the reader of values gives up.
const DEPTH: usize = 128;

/// What a syntax finds at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One operation, from `start` to `end`, which was appended to the output as one line without its end.
    Record { start: usize, end: usize },
    /// Nothing of interest up to here.
    Skip(usize),
    /// It cannot be said without more input.
    More,
    /// The end, as it should be.
    End,
    /// Something else.
    Bad(Bad),
}

/// What was found where something else was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub at: usize,
    pub problem: String,
}

impl Bad {
    /// `input` is what there is, so that the end is told from other bytes.
    fn expected(expected: &str, input: &[u8], at: usize) -> Bad {
        let rest = String::from_utf8_lossy(&input[at.min(input.len())..input.len().min(at + 40)]);
        let found = match rest.split_ascii_whitespace().next() {
            Some(word) => word.chars().take(20).collect(),
            None if rest.is_empty() => "the end".to_owned(),
            None => "white space".to_owned(),
        };
        Bad { at, problem: format!("expected {expected}, found {found}") }
    }
}

/// Lines of JSON, and where their pieces come from.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub bytes: Vec<u8>,
    /// Positions in the output and in the input, in order, where they are asked for.
    pub marks: Option<Vec<(usize, usize)>>,
}

impl Out {
    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    fn mark(&mut self, at: usize) {
        if let Some(marks) = &mut self.marks {
            marks.push((self.bytes.len(), at));
        }
    }

    /// A byte of a string of JSON.
    #[inline]
    fn push_escaped(&mut self, byte: u8) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        match byte {
            b'"' | b'\\' => self.extend(&[b'\\', byte]),
            b'\n' => self.extend(b"\\n"),
            b'\t' => self.extend(b"\\t"),
            b'\r' => self.extend(b"\\r"),
            0..0x20 => {
                self.extend(b"\\u00");
                self.push(HEX[usize::from(byte >> 4)]);
                self.push(HEX[usize::from(byte & 15)]);
            }
            _ => self.push(byte),
        }
    }
}

/// One way to write histories, and where in a file it stands.
#[derive(Debug)]
pub(super) enum Syntax {
    Edn(edn::Edn),
    Json(json::Json),
    Log(log::Log),
}

impl Syntax {
    /// The syntax of a format that is transcribed.
    pub fn of(format: InputFormat) -> Option<Syntax> {
        match format {
            InputFormat::Edn => Some(Syntax::Edn(edn::Edn::default())),
            InputFormat::Json => Some(Syntax::Json(json::Json::default())),
            InputFormat::JepsenLog => Some(Syntax::Log(log::Log)),
            InputFormat::Auto | InputFormat::Jsonl => None,
        }
    }

    /// What comes at a place of the input. Nothing comes after the input where it is `whole`.
    pub fn step(&mut self, input: &[u8], at: usize, whole: bool, out: &mut Out) -> Step {
        let before = out.bytes.len();
        let step = match self {
            Syntax::Edn(edn) => edn.step(input, at, whole, out),
            Syntax::Json(json) => json.step(input, at, whole, out),
            Syntax::Log(log) => log.step(input, at, whole, out),
        };
        if !matches!(step, Step::Record { .. }) {
            out.bytes.truncate(before);
        }
        step
    }

    /// Where in the text of one operation the byte `at` of its line comes from.
    pub fn locate(&self, record: &[u8], at: usize) -> usize {
        let mut out = Out { bytes: Vec::new(), marks: Some(Vec::new()) };
        match self {
            Syntax::Edn(_) => drop(edn::Edn::default().step(record, 0, true, &mut out)),
            Syntax::Json(_) => return at,
            Syntax::Log(log) => drop(log.step(record, 0, true, &mut out)),
        }
        let marks = out.marks.unwrap_or_default();
        let after = marks.partition_point(|(line, _)| *line <= at);
        after.checked_sub(1).map_or(0, |i| marks[i].1)
    }
}

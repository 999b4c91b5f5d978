//! In whose words a file is written, and how to find out.

use std::str::FromStr;

use super::transcribe::log;

/// In whose words a history is written. Each may be compressed with gzip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InputFormat {
    /// Whatever the first bytes look like.
    #[default]
    Auto,
    /// One JSON object a line: ours, or another tool's.
    Jsonl,
    /// Clojure's notation, as in Jepsen's `history.edn`: a vector or list of maps, or one map after the other.
    Edn,
    /// One JSON array of objects, as elle-cli and knossos-cli take it, or one object after the other.
    Json,
    /// The lines of Jepsen's logs that tell of operations, as in Porcupine's tests.
    JepsenLog,
}

/// A name that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no format is named '{name}'; there are auto, jsonl, edn, json and jepsen-log")]
pub struct UnknownFormat {
    /// The name.
    pub name: String,
}

impl InputFormat {
    /// All of them.
    pub const ALL: [InputFormat; 5] =
        [InputFormat::Auto, InputFormat::Jsonl, InputFormat::Edn, InputFormat::Json, InputFormat::JepsenLog];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            InputFormat::Auto => "auto",
            InputFormat::Jsonl => "jsonl",
            InputFormat::Edn => "edn",
            InputFormat::Json => "json",
            InputFormat::JepsenLog => "jepsen-log",
        }
    }

    /// The format of a file that begins with these bytes. What looks like nothing is taken for [`InputFormat::Jsonl`],
    /// whose reader says what is missing.
    pub(super) fn detect(start: &[u8]) -> InputFormat {
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let text = start.trim_ascii_start();
        match text {
            [b'{', rest @ ..] => object(rest, text),
            [b'[', rest @ ..] => array(rest, start),
            [b'(' | b'#' | b';' | b'^' | b',', ..] => InputFormat::Edn,
            _ if has_log_line(start) => InputFormat::JepsenLog,
            _ => InputFormat::Jsonl,
        }
    }
}

impl FromStr for InputFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = InputFormat::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

/// Fields of JSON are strings with a colon behind them. Objects on several lines are not JSON Lines.
fn object(rest: &[u8], whole: &[u8]) -> InputFormat {
    match rest.trim_ascii_start() {
        [b'"', name @ ..] if !is_field(name) => InputFormat::Edn,
        [b'"', ..] if is_broken(whole) => InputFormat::Json,
        [b'"' | b'}', ..] | [] => InputFormat::Jsonl,
        _ => InputFormat::Edn,
    }
}

/// A file that ends in the middle of the name counts as a field. A keyword may stand behind a string, too, but not
/// directly behind it.
fn is_field(name: &[u8]) -> bool {
    let Some(quote) = name.iter().position(|b| *b == b'"') else { return true };
    match &name[quote + 1..] {
        [] | [b':', ..] => true,
        rest => match rest.trim_ascii_start() {
            [b':', next, ..] => !next.is_ascii_alphabetic(),
            rest => matches!(rest, [] | [b':']),
        },
    }
}

/// Whether the first line ends in the middle of something.
fn is_broken(text: &[u8]) -> bool {
    let end = text.iter().position(|b| *b == b'\n');
    end.is_some_and(|end| matches!(text[..end].trim_ascii_end().last(), Some(b'{' | b'[' | b',' | b':')))
}

fn array(rest: &[u8], whole: &[u8]) -> InputFormat {
    match rest.trim_ascii_start() {
        [b'{', rest @ ..] => match rest.trim_ascii_start() {
            [b'"', name @ ..] if is_field(name) => InputFormat::Json,
            [b'}', ..] | [] => InputFormat::Json,
            _ => InputFormat::Edn,
        },
        [b'#' | b';' | b'^' | b',', ..] => InputFormat::Edn,
        _ if has_log_line(whole) => InputFormat::JepsenLog,
        _ => InputFormat::Json,
    }
}

fn has_log_line(start: &[u8]) -> bool {
    start.split(|b| *b == b'\n').any(|line| log::Operation::find(line).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for format in InputFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert_eq!("auto".parse(), Ok(InputFormat::default()));
        let error = "xml".parse::<InputFormat>().expect_err("no format").to_string();
        assert_eq!(error, "no format is named 'xml'; there are auto, jsonl, edn, json and jepsen-log");
    }

    #[test]
    fn the_first_bytes_tell_the_format() {
        use InputFormat::{Edn, JepsenLog, Json, Jsonl};
        let cases: &[(InputFormat, &[&str])] = &[
            (Jsonl, &["", "{", "{}", "{\"type\":\"ok\"", "\u{feff}{\"ty", " { \"a\" : 1 }\n", "hello", "7"]),
            (Json, &["[]", "[", "[{\"type\":1", "[\n  {\"ty", "[1]", "{\n  \"type\": \"ok\"", "{\"a\":1,\n\"b\":2}"]),
            (Edn, &["{:type", "{ :type :ok}", "[{:type", "({:a", "[\n;c\n{:a", "; c\n[", "#a.Op{:f", "[#a.Op{:f"]),
            (Edn, &["{\"type\" :ok}", "[{\"type\" \"ok\"}]", "^{} {:a", "{#_ 1 :a 2}"]),
            (
                JepsenLog,
                &["INFO  jepsen.util - 0\t:invoke\t:read\tnil", "x\n:nemesis :info :start nil", "0 :ok :read 3"],
            ),
            (JepsenLog, &["[main] INFO x - 3\t:fail\t:cas\t[1 2]\n"]),
        ];
        for (format, starts) in cases {
            for start in *starts {
                assert_eq!(InputFormat::detect(start.as_bytes()), *format, "{start}");
            }
        }
    }
}

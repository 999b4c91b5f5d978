//! The lines of Jepsen's logs that tell of operations:
//!
//! ```text
//! INFO  jepsen.util - 0   :invoke :cas    [2 4]
//! INFO  jepsen.util - 0   :info   :cas    :timed-out
//! ```
//! Such a line has, anywhere in it, a process (a number or `:nemesis`), a type and a function, one behind the other; what
//! follows is the value in Clojure's notation, and behind that the error, if there is one. All other lines are somebody
//! else's, and skipped.
//!
//! Where an operation failed or has no known outcome, a keyword in the place of the value is the reason: what it was about
//! is known from its invocation. A timed-out read that is logged as `:fail` has read nothing, and says nothing.

use super::{Bad, Out, Step, edn};

const KINDS: [&[u8]; 4] = [b":invoke", b":ok", b":fail", b":info"];

/// It has no place: each line stands for itself.
#[derive(Debug)]
pub(in crate::file) struct Log;

/// The words of one operation, without its value, and where that begins in the line.
#[derive(Debug)]
pub(in crate::file) struct Operation<'a> {
    process: &'a [u8],
    kind: &'a [u8],
    f: &'a [u8],
    /// Where in the line the process stands.
    start: usize,
    value: usize,
}

impl Log {
    pub fn step(&self, input: &[u8], at: usize, whole: bool, out: &mut Out) -> Step {
        let end = match input[at..].iter().position(|b| *b == b'\n') {
            Some(len) => at + len,
            None if !whole => return Step::More,
            None if at == input.len() => return Step::End,
            None => input.len(),
        };
        match Operation::find(&input[at..end]) {
            None => Step::Skip(input.len().min(end + 1)),
            Some(operation) => match operation.transcribe(&input[..end], at, out) {
                Ok(()) => Step::Record { start: at, end },
                Err(bad) => Step::Bad(bad),
            },
        }
    }
}

impl<'a> Operation<'a> {
    /// The operation that a line tells of.
    pub fn find(line: &'a [u8]) -> Option<Self> {
        let mut before: Option<(usize, &[u8])> = None;
        let mut words = words(line);
        while let Some((at, word)) = words.next() {
            if KINDS.contains(&word)
                && let Some((start, process)) = before.filter(|(_, word)| is_process(word))
                && let Some((f_at, f)) = words.clone().next().filter(|(_, f)| f.len() > 1 && f[0] == b':')
            {
                return Some(Operation { process, kind: word, f, start, value: f_at + f.len() });
            }
            before = Some((at, word));
        }
        None
    }

    /// `input` ends where the line ends, which begins at `line`.
    fn transcribe(&self, input: &[u8], line: usize, out: &mut Out) -> Result<(), Bad> {
        out.mark(line + self.start);
        out.extend(b"{\"process\":");
        match self.process {
            [b':', name @ ..] => string(name, out),
            number => out.extend(number),
        }
        out.extend(b",\"type\":");
        string(&self.kind[1..], out);
        out.extend(b",\"f\":");
        string(&self.f[1..], out);
        let at = skip_spaces(input, line + self.value);
        let rest = match input.get(at) {
            Some(b':') if matches!(self.kind, b":fail" | b":info") && self.process != b":nemesis" => at,
            Some(_) => {
                out.mark(at);
                out.extend(b",\"value\":");
                skip_spaces(input, edn::value(input, at, out)?)
            }
            None => at,
        };
        let error = input[rest..].trim_ascii_end();
        if !error.is_empty() {
            out.mark(rest);
            out.extend(b",\"error\":");
            string(error.strip_prefix(b":").unwrap_or(error), out);
        }
        out.push(b'}');
        Ok(())
    }
}

fn string(text: &[u8], out: &mut Out) {
    out.push(b'"');
    text.iter().for_each(|byte| out.push_escaped(*byte));
    out.push(b'"');
}

fn skip_spaces(input: &[u8], at: usize) -> usize {
    at + input[at..].iter().take_while(|b| b.is_ascii_whitespace()).count()
}

fn is_process(word: &[u8]) -> bool {
    word == b":nemesis" || (word.len() <= 10 && word.iter().all(u8::is_ascii_digit))
}

/// The words of a line, with their places.
fn words(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> + Clone {
    let mut at = 0;
    std::iter::from_fn(move || {
        at = skip_spaces(line, at);
        let len = line[at..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
        let word = (at, &line[at..at + len]);
        at += len;
        (len > 0).then_some(word)
    })
}

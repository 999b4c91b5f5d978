//! Clojure's notation (EDN), in which Jepsen keeps its histories: a vector or list of maps, or one map after the other.
//!
//! | EDN                                            | JSON                                                          |
//! | ---------------------------------------------- | ------------------------------------------------------------- |
//! | keyword, symbol, string, character             | a string; of a keyword without its colon                      |
//! | `nil`, `true`, `false`                         | `null`, `true`, `false`                                       |
//! | `12`, `12N`, `1.5`, `1.5M`                     | a number with the same digits                                 |
//! | `1/3`, `##Inf`                                 | a string                                                      |
//! | vector, list, set                              | an array, in the order of the file                            |
//! | map                                            | an object; what is no string as a key becomes one             |
//! | `#tag form`, `^meta form`                      | the form                                                      |
//! | `; comment`, `#_ form`, commas                 | nothing                                                       |
//!
//! A map with a list or a map for a key has its JSON text as the name of the field. Such a key in such a key is
//! refused: each level would double the backslashes.

mod token;

use super::{Bad, DEPTH, Out, Step};

type Result<T> = std::result::Result<T, Halt>;

/// Why a form is not read to its end.
#[derive(Debug)]
enum Halt {
    /// The input ends first, and there may be more of it.
    More,
    Bad(Bad),
}

impl From<Bad> for Halt {
    fn from(bad: Bad) -> Self {
        Halt::Bad(bad)
    }
}

/// Where in the file we are.
#[derive(Debug, Default)]
pub(in crate::file) struct Edn {
    place: Place,
    stack: Vec<Frame>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Start,
    /// Between maps that stand for themselves.
    Stream,
    /// In a vector or list that ends with this.
    Within(u8),
    /// Behind it.
    After,
}

impl Edn {
    pub fn step(&mut self, input: &[u8], at: usize, whole: bool, out: &mut Out) -> Step {
        let Some(start) = skip_blank(input, at, whole) else { return Step::More };
        let Some(byte) = input.get(start) else { return self.end(input, at, start, whole) };
        let place = match (self.place, byte) {
            (Place::Start | Place::Stream | Place::Within(_), b'{' | b'^') | (_, b'#') => {
                return self.operation(input, start, whole, out);
            }
            (Place::Start, b'[') => Place::Within(b']'),
            (Place::Start, b'(') => Place::Within(b')'),
            (Place::Within(close), byte) if close == *byte => Place::After,
            _ => return Step::Bad(Bad::expected(self.expected(), input, start)),
        };
        self.place = place;
        Step::Skip(start + 1)
    }

    fn expected(&self) -> &'static str {
        match self.place {
            Place::Start => "an operation {…}, or a vector or list of operations",
            Place::Stream => "an operation {…}",
            Place::Within(b']') => "an operation {…} or ]",
            Place::Within(_) => "an operation {…} or )",
            Place::After => "the end of the file",
        }
    }

    fn end(&self, input: &[u8], at: usize, start: usize, whole: bool) -> Step {
        match self.place {
            _ if start > at => Step::Skip(start),
            _ if !whole => Step::More,
            Place::Within(_) => Step::Bad(Bad::expected(self.expected(), input, start)),
            _ => Step::End,
        }
    }

    fn operation(&mut self, input: &[u8], start: usize, whole: bool, out: &mut Out) -> Step {
        let line = out.bytes.len();
        self.stack.clear();
        let mut form = Form { input, at: start, whole, out, stack: &mut self.stack, tagged: false };
        match form.run() {
            Err(Halt::More) => Step::More,
            Err(Halt::Bad(bad)) => Step::Bad(bad),
            Ok(false) => Step::Skip(form.at),
            Ok(true) if form.out.bytes[line] != b'{' || matches!(self.place, Place::After) => {
                Step::Bad(Bad::expected(self.expected(), input, start))
            }
            Ok(true) => {
                let end = form.at;
                if matches!(self.place, Place::Start) {
                    self.place = Place::Stream;
                }
                Step::Record { start, end }
            }
        }
    }
}

/// Transcribes one value that ends where the input ends, or before, and returns where.
pub(super) fn value(input: &[u8], at: usize, out: &mut Out) -> std::result::Result<usize, Bad> {
    let mut form = Form { input, at, whole: true, out, stack: &mut Vec::new(), tagged: false };
    match form.run() {
        Ok(true) => Ok(form.at),
        Ok(false) | Err(Halt::More) => Err(Bad::expected("a value", input, form.at)),
        Err(Halt::Bad(bad)) => Err(bad),
    }
}

/// Something that is open.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: FrameKind,
    /// How many forms began in it.
    count: usize,
    /// In the output, where the last key of a map begins, or what is discarded.
    start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameKind {
    Map,
    /// A vector, list or set, which ends with this.
    List(u8),
    /// What stands behind `#_` or `^`.
    Discard,
}

impl Frame {
    fn is_at_key(&self) -> bool {
        self.kind == FrameKind::Map && self.count % 2 == 1
    }
}

/// One form that is being transcribed.
struct Form<'a> {
    input: &'a [u8],
    at: usize,
    whole: bool,
    out: &'a mut Out,
    stack: &'a mut Vec<Frame>,
    /// A tag stands before the next form.
    tagged: bool,
}

impl Form<'_> {
    /// Goes to the end of the form; `false` where there is none, only something that is discarded.
    fn run(&mut self) -> Result<bool> {
        loop {
            self.at = skip_blank(self.input, self.at, self.whole).ok_or(Halt::More)?;
            let Some(byte) = self.input.get(self.at) else { return self.end() };
            let complete = match byte {
                b'{' => self.open(FrameKind::Map, 1)?,
                b'[' => self.vector()?,
                b'(' => self.open(FrameKind::List(b')'), 1)?,
                b'}' | b']' | b')' if self.stack.is_empty() => return self.end(),
                b'}' | b']' | b')' => self.close(*byte)?,
                b'#' => self.dispatch()?,
                b'^' => self.discard(1)?,
                _ => self.atom(*byte)?,
            };
            if complete && self.complete()? {
                return Ok(true);
            }
        }
    }

    /// A form begins: what stands before it in the output.
    #[inline]
    fn begin(&mut self) {
        self.tagged = false;
        if let Some(top) = self.stack.last_mut() {
            match top.kind {
                FrameKind::Discard => {}
                FrameKind::Map if top.count % 2 == 1 => self.out.push(b':'),
                _ if top.count > 0 => self.out.push(b','),
                _ => {}
            }
            top.count += 1;
            if top.is_at_key() {
                top.start = self.out.bytes.len();
            }
        }
        self.out.mark(self.at);
    }

    /// A form is complete: whether that was the outermost.
    #[inline]
    fn complete(&mut self) -> Result<bool> {
        let Some(top) = self.stack.last() else { return Ok(true) };
        match top.kind {
            FrameKind::Discard => self.drop_discarded(),
            _ if top.is_at_key() && self.out.bytes[top.start] != b'"' => self.quote_key()?,
            _ => {}
        }
        Ok(false)
    }

    fn drop_discarded(&mut self) {
        let Some(frame) = self.stack.pop() else { return };
        self.out.bytes.truncate(frame.start);
        if let Some(marks) = &mut self.out.marks {
            while marks.pop_if(|(line, _)| *line >= frame.start).is_some() {}
        }
    }

    /// Makes a string of a key that is none.
    fn quote_key(&mut self) -> Result<()> {
        let Some((top, below)) = self.stack.split_last() else { return Ok(()) };
        let composite = matches!(self.out.bytes[top.start], b'{' | b'[');
        if composite && below.iter().any(Frame::is_at_key) {
            return self.expected("a simpler key");
        }
        let key = self.out.bytes.split_off(top.start);
        self.out.push(b'"');
        key.iter().for_each(|byte| self.out.push_escaped(*byte));
        self.out.push(b'"');
        Ok(())
    }

    fn vector(&mut self) -> Result<bool> {
        self.begin();
        if self.integers() {
            return Ok(true);
        }
        self.open_begun(FrameKind::List(b']'), 1)
    }

    fn open(&mut self, kind: FrameKind, len: usize) -> Result<bool> {
        self.begin();
        self.open_begun(kind, len)
    }

    fn open_begun(&mut self, kind: FrameKind, len: usize) -> Result<bool> {
        self.push_frame(kind)?;
        self.out.push(if kind == FrameKind::Map { b'{' } else { b'[' });
        self.at += len;
        Ok(false)
    }

    fn push_frame(&mut self, kind: FrameKind) -> Result<()> {
        if self.stack.len() == DEPTH {
            return Err(Bad { at: self.at, problem: format!("nested more than {DEPTH} deep") }.into());
        }
        self.stack.push(Frame { kind, count: 0, start: self.out.bytes.len() });
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<bool> {
        let Some(top) = self.stack.last().copied() else { return Ok(false) };
        if self.tagged || top.kind == FrameKind::Discard || top.is_at_key() {
            return self.expected("a value");
        }
        let close = if let FrameKind::List(close) = top.kind { close } else { b'}' };
        if byte != close {
            return self.expected(&format!("a value or {}", char::from(close)));
        }
        self.stack.pop();
        self.out.push(if top.kind == FrameKind::Map { b'}' } else { b']' });
        self.at += 1;
        Ok(true)
    }

    fn discard(&mut self, len: usize) -> Result<bool> {
        self.push_frame(FrameKind::Discard)?;
        self.at += len;
        Ok(false)
    }

    /// Whatever begins with `#`.
    fn dispatch(&mut self) -> Result<bool> {
        let Some(next) = self.input.get(self.at + 1) else {
            return if self.whole { self.expected("a value") } else { Err(Halt::More) };
        };
        match next {
            b'{' => self.open(FrameKind::List(b'}'), 2),
            b'_' | b'^' => self.discard(2),
            b'"' => {
                self.begin();
                self.at += 1;
                self.string()
            }
            b'#' => {
                self.begin();
                self.text_until_delimiter(self.at)
            }
            b':' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.at = self.token_end(self.at + 1)?;
                self.tagged = true;
                Ok(false)
            }
            _ => self.expected("a value"),
        }
    }

    /// The input ends, or what is around this form does.
    fn end(&self) -> Result<bool> {
        match self.stack.last() {
            _ if !self.whole && self.at == self.input.len() => Err(Halt::More),
            None if !self.tagged => Ok(false),
            Some(Frame { kind: FrameKind::List(close), .. }) => {
                self.expected(&format!("a value or {}", char::from(*close)))
            }
            Some(Frame { kind: FrameKind::Map, count, .. }) if count % 2 == 0 => self.expected("a key or }"),
            _ => self.expected("a value"),
        }
    }

    fn expected<T>(&self, expected: &str) -> Result<T> {
        Err(Bad::expected(expected, self.input, self.at).into())
    }
}

/// Goes past white space, commas and comments; `None` within a comment that may go on.
#[inline]
fn skip_blank(input: &[u8], mut at: usize, whole: bool) -> Option<usize> {
    loop {
        match input.get(at) {
            Some(b' ' | b',' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c) => at += 1,
            Some(b';') => match input[at..].iter().position(|b| *b == b'\n') {
                Some(len) => at += len,
                None if whole => return Some(input.len()),
                None => return None,
            },
            _ => return Some(at),
        }
    }
}

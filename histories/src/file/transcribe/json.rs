//! JSON as elle-cli and knossos-cli take it: one array of objects, or one object after the other, with any white space.
//!
//! An object is copied as it is. Only its line feeds become spaces, so that it is one line; within strings JSON has none.

use super::{Bad, Out, Step};

/// Where in the file we are.
#[derive(Debug, Default)]
pub(in crate::file) struct Json {
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing but white space was seen.
    #[default]
    Start,
    /// Between objects that stand for themselves.
    Stream,
    /// Behind the bracket that opens the array, where it may end.
    First,
    /// Behind a comma.
    Next,
    /// Behind an object of the array.
    Behind,
    /// Behind the array.
    After,
}

impl Json {
    pub fn step(&mut self, input: &[u8], at: usize, whole: bool, out: &mut Out) -> Step {
        let start = at + input[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let Some(byte) = input.get(start) else { return self.end(input, at, start, whole) };
        let place = match (self.place, byte) {
            (Place::Start | Place::Stream | Place::First | Place::Next, b'{') => {
                return self.object(input, start, whole, out);
            }
            (Place::Start, b'[') => Place::First,
            (Place::First | Place::Behind, b']') => Place::After,
            (Place::Behind, b',') => Place::Next,
            _ => return Step::Bad(Bad::expected(self.expected(), input, start)),
        };
        self.place = place;
        Step::Skip(start + 1)
    }

    fn expected(&self) -> &'static str {
        match self.place {
            Place::Start => "an array of operations, or an operation {…}",
            Place::Stream | Place::Next => "an operation {…}",
            Place::First => "an operation {…} or ]",
            Place::Behind => "a comma or ]",
            Place::After => "the end of the file",
        }
    }

    fn end(&self, input: &[u8], at: usize, start: usize, whole: bool) -> Step {
        match self.place {
            _ if start > at => Step::Skip(start),
            _ if !whole => Step::More,
            Place::Start | Place::Stream | Place::After => Step::End,
            _ => Step::Bad(Bad::expected(self.expected(), input, start)),
        }
    }

    fn object(&mut self, input: &[u8], start: usize, whole: bool, out: &mut Out) -> Step {
        let end = match copy(input, start, out) {
            Copied::To(end) => end,
            Copied::Open if !whole => return Step::More,
            Copied::Open => return Step::Bad(Bad::expected("} at the end of the operation", input, input.len())),
            Copied::LineFeed(at) => {
                let problem = "expected \" at the end of the string, found the end of the line".to_owned();
                return Step::Bad(Bad { at, problem });
            }
        };
        self.place = match self.place {
            Place::Start | Place::Stream => Place::Stream,
            _ => Place::Behind,
        };
        Step::Record { start, end }
    }
}

/// What became of an object.
enum Copied {
    /// It is whole, and ends here.
    To(usize),
    /// The input ends first.
    Open,
    /// A line feed in a string.
    LineFeed(usize),
}

fn copy(input: &[u8], start: usize, out: &mut Out) -> Copied {
    let mut depth = 0usize;
    let mut at = start;
    let mut copied = start;
    while let Some(byte) = input.get(at) {
        at += 1;
        match byte {
            b'"' => match string_end(input, at) {
                Copied::To(end) => at = end,
                other => return other,
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => {
                out.extend(&input[copied..at]);
                return Copied::To(at);
            }
            b'}' | b']' => depth -= 1,
            b'\n' => {
                out.extend(&input[copied..at - 1]);
                out.push(b' ');
                copied = at;
            }
            _ => {}
        }
    }
    Copied::Open
}

fn string_end(input: &[u8], mut at: usize) -> Copied {
    while let Some(byte) = input.get(at) {
        at += 1;
        match byte {
            b'"' => return Copied::To(at),
            b'\n' => return Copied::LineFeed(at - 1),
            // Whatever is escaped.
            b'\\' if input.get(at) != Some(&b'\n') => at += 1,
            _ => {}
        }
    }
    Copied::Open
}

//! A whole history on one line, for tests.
//!
//! In the manner of the tests of Elle (Kingsbury and Alvaro, VLDB 2020), where `ax1 ry12` is a history: append 1 to
//! `x`, then read `y` and find `[1 2]`. Processes, overlap, outcomes, sessions, nodes and the nemesis are added to it.
//!
//! # Operations
//!
//! Tokens are separated by white space. A token without a prefix is a whole operation, its invocation and its
//! completion side by side, by process 0.
//!
//! | token         | operation                                                                        |
//! | ------------- | -------------------------------------------------------------------------------- |
//! | `rx12`        | read `x` and find the list `[1 2]`, or the number 12 where `x` is a register      |
//! | `rx[10,11]`   | read `x` and find this list, in JSON                                             |
//! | `rx_`, `rx[]` | read `x` and find nothing; find an empty list. `rx` is `rx_` where it is answered |
//! | `wx1`         | write 1 to the register `x`                                                      |
//! | `cx1>2`       | compare-and-set: `x` from 1 to 2                                                 |
//! | `ax1`         | append 1 to the list `x`                                                         |
//! | `+x1`, `-x1`  | add 1 to the set `x`; remove it                                                  |
//! | `ix3`, `ix-3` | add 3 to the counter `x`; take 3 from it                                         |
//! | `hx5=`, `hx5/` | ask whether the set `x` holds 5: yes; no. `hx5` is the question                 |
//! | `ex1`, `dx1`  | enqueue 1; dequeue 1. `dx` is the question, and answered: the queue was empty     |
//! | `px1`, `ox1`  | push 1 onto the stack `x`; pop 1                                                 |
//! | `lx1`, `ux1`  | lock `x` and get the token 1; unlock it. `lx` and `ux` have no token             |
//! | `ax1ry12`     | one transaction of two steps; only `a`, `r`, `w` and the next have a place in one |
//! | `{nx1kyq(8)[["x",1]]}` | insert `x` with 1, delete `y`, read by the predicate 8: found `x`, 1      |
//! | `{ax1}`, `{}` | a transaction of one step, and of none                                           |
//! | `~dump[1]`    | the custom operation `dump`, answered `[1]`                                      |
//!
//! **A key** is one letter, `()` for a store with one object, or any JSON in parentheses: `a(8)17` appends 17 to the
//! key 8, `r("user 7")_` reads a key with a longer name. **A value** is a whole number, `_` for `null`, a JSON string,
//! or any JSON in parentheses: `wx-5`, `wx_`, `wx"blue"`, `wx(2.5)`, `wx({"a":1})`.
//!
//! **List or number?** `rx12` is read according to what the *whole text* does with `x`. Where it appends to it, adds to
//! it or removes from it, digits are the elements, one each. Where it otherwise writes, compares or increments it,
//! they are one number. A key that is only ever read holds lists if it is read with two digits or brackets anywhere,
//! as in `1:rx1 2:rx12`. Parentheses always hold one value: `rx(12)` is the number 12.
//!
//! **A custom operation** is `~`, a name (letters, digits, `-` and `_`; any other as a JSON string), its
//! key in parentheses if it has one, and its value: an array, an object or a string directly, everything else after
//! `=`, as in `~dump{"x":[1,2]}`, `~move("x")["a","b"]`, `~count=12`, `~done=(true)`. As in a read, the value is the
//! answer: the invocation of a whole operation carries none.
//!
//! # Prefixes: who, and which half
//!
//! ```text
//! 1:ax1          a whole operation by process 1
//! 1/s7:ax1       the same on behalf of session 7
//! 1<ax1          process 1 invokes; if nothing follows, the operation stays open
//! 1>ax1          process 1 completes
//! 1>             process 1 completes what it has open, in the words of the invocation
//! *>~heal?       the nemesis; see below
//! ```
//! `<`, `>` and `/s7:` without a number belong to process 0. Overlap is written in the order of the history:
//!
//! ```text
//! 0<wx1  1<rx  0>wx1  1>rx1          process 0  |--wx1--|
//!                                    process 1     |--rx1--|
//! ```
//!
//! # Suffixes: how it ended, and where
//!
//! `ax1!` ends `fail` and `ax1?` ends `info`; either may give the reason as a JSON string: `ax1?"timeout"`. `@n2` names
//! the node, as `ax1@n2!`; names other than letters, digits, `-` and `_` are written as a JSON string: `ax1@"10.0.0.1"`.
//! In a whole operation both halves carry the node, and the completion the end. (`.` is the mark of `ok` completions and
//! of invocations, needed only by the odd one that has an error: `ax1."odd"`.)
//!
//! # Nemesis and time
//!
//! `!heal` is one event of the nemesis, of the kind `info`, written like a custom operation: `!cut["n1","n2"]`, `!kill@n1`.
//! `*` stands for the nemesis where a process stands, for histories in which it invokes and completes.
//!
//! Every event is 1 ms after the one before; the first is at 0. `t=500` sets the time of the next event in
//! milliseconds, with up to six decimals: `!cut t=1500.25 !heal`.
//!
//! # Limits
//!
//! [`print`](print()) and [`parse`] are inverse to each other for every event whose values are in the form that
//! [`Scalar::from_json`](crate::Scalar::from_json) gives, with an answer in every read that is `ok`. The notation does not check that a history makes sense: a process may invoke twice, and an answer may be wrong.

mod parse;
mod print;

use crate::event::Event;
use crate::history::History;

pub use print::print;

/// Where and why a text is not a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}, found {found}")]
pub struct NotationError {
    /// Position of the character, from 1.
    pub column: usize,
    /// What could have stood there.
    pub expected: String,
    /// What stands there: a few characters, or `the end`.
    pub found: String,
}

/// The events of a text in the notation of this [module](self).
///
/// # Errors
/// The first place where the text departs from the notation.
pub fn parse(text: &str) -> Result<Vec<Event>, NotationError> {
    parse::parse(text)
}

/// The history of a text in the notation of this [module](self).
///
/// # Panics
/// With the error and the text, where it is not in the notation: this is for tests.
pub fn history(text: &str) -> History {
    match parse(text) {
        Ok(events) => History::from_events(&events),
        Err(error) => panic!("{error}\n  {text}"),
    }
}

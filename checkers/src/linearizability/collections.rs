//! Queues, stacks, priority queues, sets, counters and lists, in near-linear time where values are unique.
//!
//! Whether a history has a linearization is NP-complete in general. Of collections whose items are all different it is
//! decided almost as fast as it is read, because an item tells which two operations belong together, and because an
//! operation that shows nothing of an item cannot be put wrong because of it. What remains is intervals of time: from
//! the end of the operation that put an item in to the beginning of the one that took it out, the item was certainly
//! inside.
//!
//! | module             | operations                               | decided by                            | time       |
//! | ------------------ | ---------------------------------------- | ------------------------------------- | ---------- |
//! | [`fifo_queue`]     | `enqueue`, `dequeue`, `drain`            | overtaking; moments of emptiness      | O(n)       |
//! | [`queue`]          | the same, in any order                   | moments of emptiness                  | O(n)       |
//! | [`priority_queue`] | `enqueue`, `dequeue`, the largest first  | moments without anything larger       | O(n log n) |
//! | [`stack`]          | `push`, `pop`                            | who can lie at the bottom             | O(n log n) |
//! | [`set`]            | `add`, `remove`, `contains`, whole reads | element by element; reads in stages   | O(n)       |
//! | [`counter`]        | `increment`, `read`                      | increments as late as possible        | O(n log n) |
//! | [`list`]           | `append`, whole reads                    | the longest read is the order         | O(n)       |
//!
//! Where values repeat, a search under a budget takes over (`repeats`).
//!
//! # Positions and moments
//! Positions number the events of a key. An operation takes effect at a *moment*: after one position and before the
//! next, anywhere from its invocation to its completion. Any number of operations can take effect at one moment, in any
//! order. What is inside from the end of an operation at position 3 until the beginning of another at position 7 is
//! inside at the moments 3 to 6, and an operation from 4 to 7 has the moments 4, 5 and 6.
//!
//! ```text
//! position   0    1    2    3    4    5    6    7
//!            ex1            >    dx        dx2  >dx
//! inside                    |-----------------…            moments 3, 4, 5, 6
//! ```
//!
//! # Outcomes
//! `ok` happened. `fail` did not, whatever it was. `info`, or never completed: it may take effect at any time after it
//! was invoked, or never. A put of unknown outcome whose item came out did happen; one whose item never came out is
//! left out, since nothing that others saw needs it. A take of unknown outcome may have removed anything that nobody
//! else took, and each module says what it makes of that: queues count ([`queue`]), for stacks and priority queues the
//! choices are tried that matter (`assign`).

mod assign;
mod cover;
mod flag;
mod items;
mod journal;
mod repeats;
mod stages;
mod words;

pub mod counter;
pub mod fifo_queue;
pub mod list;
pub mod priority_queue;
pub mod queue;
pub mod set;
pub mod stack;

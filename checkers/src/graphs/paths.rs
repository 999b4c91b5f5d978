//! Simple cycles one by one, for the one case in which shortest walks do not decide.
//!
//! A shortest closed walk may pass a node twice, once in each layer. It is then cut into cycles, and with one exception
//! one of them is of the kind that is sought or implies it. The exception is `G-nonadjacent`: two anti-dependencies meet
//! where the walk passes a cycle *without* any between them,
//!
//! ```text
//!     a ─rw→ b ─ww→ c ─rw→ a ─ww→ d ─ww→ a        = G2-item (a b c) and G0 (a d)
//! ```
//!
//! Whether a simple cycle exists besides is a hard question in general (of the kind of two disjoint paths), and one
//! without weight: the `G0` or `G1c` that is always there rules out every model that `G-nonadjacent` does. So all
//! simple paths are tried, shorter ones first, as far as a small number of steps goes; in small components that is all
//! of them.

use super::lens::{How, Lens};
use super::walk::Hop;

/// The attempt was given up.
pub(super) struct GivenUp;

/// An enumeration of simple paths from one start.
struct Paths<'a> {
    lens: &'a Lens<'a>,
    of: &'a [u32],
    start: u32,
    length: usize,
    steps: u64,
    /// Whether a path was cut off because it had its length.
    cut: bool,
    on_path: Vec<bool>,
}

/// A node on the path: how it was reached, and which of its successors is next.
struct Frame {
    node: u32,
    layer: usize,
    how: How,
    cursor: usize,
}

/// A shortest simple cycle of fewer than `limit` steps through any of these starts, and the steps taken.
///
/// # Errors
/// When `allowance` steps were not enough.
pub(super) fn shortest(
    lens: &Lens<'_>,
    of: &[u32],
    starts: &[u32],
    limit: usize,
    allowance: u64,
) -> Result<Option<Vec<Hop>>, GivenUp> {
    let count = lens.part.len() as usize;
    let on_path = vec![false; count];
    let mut paths = Paths { lens, of, start: 0, length: 0, steps: allowance, cut: true, on_path };
    for length in lens.form.least()..limit.min(count + 1) {
        if !std::mem::take(&mut paths.cut) && length > lens.form.least() {
            break;
        }
        for &start in starts {
            (paths.start, paths.length) = (start, length);
            if let Some(hops) = paths.from()? {
                return Ok(Some(hops));
            }
        }
    }
    Ok(None)
}

impl Paths<'_> {
    fn from(&mut self) -> Result<Option<Vec<Hop>>, GivenUp> {
        let layer = self.lens.first_layer();
        let mut path = vec![Frame { node: self.start, layer, how: How::Anti, cursor: 0 }];
        self.on_path[self.start as usize] = true;
        while let Some(frame) = path.last_mut() {
            self.steps = self.steps.checked_sub(1).ok_or(GivenUp)?;
            frame.cursor += 1;
            let (node, layer, cursor) = (frame.node, frame.layer, frame.cursor - 1);
            let Some(next) = self.successor(node, layer, cursor) else {
                self.on_path[node as usize] = false;
                path.pop();
                continue;
            };
            let Some((to, how, layer)) = next else { continue };
            if to == self.start {
                if path.len() == self.length {
                    return Ok(Some(hops(&path, to, how)));
                }
            } else if path.len() == self.length {
                self.cut = true;
            } else if !std::mem::replace(&mut self.on_path[to as usize], true) {
                path.push(Frame { node: to, layer, how, cursor: 0 });
            }
        }
        Ok(None)
    }

    /// One of the successors of a node: its edges come first, then what follows it in real time. The outer `None` is
    /// the end of them, the inner one an edge of no use.
    #[expect(clippy::option_option, reason = "a cursor that also stops at edges of no use")]
    fn successor(&self, node: u32, layer: usize, cursor: usize) -> Option<Option<(u32, How, usize)>> {
        let (row, lens) = (self.lens.part.row(node), self.lens);
        if cursor < row.len() {
            let (to, bits) = lens.part.edge(row.start + cursor);
            let step = match to == self.start {
                true => lens.closing(layer, bits).map(|how| (how, 0)),
                false => lens.step(layer, bits),
            };
            let home = self.of[lens.root(self.start)];
            let count = lens.part.len() as usize;
            let within = |layer: usize| self.of[to as usize + layer * count] == home;
            return Some(step.filter(|(_, layer)| to == self.start || within(*layer)).map(|(how, l)| (to, how, l)));
        }
        let clock = lens.part.clock.filter(|_| lens.may_wait(layer))?;
        let place = clock.first_after(node) as usize + cursor - row.len();
        let to = *clock.by_invocation().get(place)?;
        let useful = to != self.start && self.of[to as usize] == self.of[lens.root(self.start)];
        Some(useful.then_some((to, How::Time, 0)))
    }
}

fn hops(path: &[Frame], last: u32, how: How) -> Vec<Hop> {
    let inner = path.windows(2).map(|w| Hop { from: w[0].node, to: w[1].node, how: w[1].how });
    let end = path.last().map(|frame| Hop { from: frame.node, to: last, how });
    inner.chain(end).collect()
}

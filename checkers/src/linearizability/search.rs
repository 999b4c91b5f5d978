//! The search behind every checker that has no shortcut: what can the state be after each event?
//!
//! Just-in-time linearization (Wing and Gong 1993; Lowe, *Testing for linearizability*, 2017; the `linear` analysis of
//! Knossos): walk along the events and keep every *configuration*: a state of the object and the set of open operations
//! that have taken effect. An operation is linearized no earlier than a completion demands it. Where no configuration is
//! left, the history up to that completion has no linearization, and the configurations before it are the explanation.
//!
//! ```text
//! event            0<wx1     1<wx2     2<rx      2>rx2              0>wx1            1>wx2
//! configurations   nil {}    nil {}    nil {}    2 {1}, 2 {0 1}     1 {1}, 2 {1}     1, 2
//! ```
//! The cost is bounded by the number of open operations and not by the length of the history, where a search over
//! whole histories copies and compares sets as long as they are.
//!
//! # Wide and deep
//! All configurations at once is the best way to refute, and a bad way to confirm when there are very many of them: one
//! would do. So the front is only so wide; what does not fit is put aside with its position, and taken up again, newest
//! first, when the front dies out. Whatever was visited since the first time that something was put aside is
//! remembered, so that no configuration is looked at twice. Each return to something that was put aside doubles the width.
//! A front of one is a depth-first search with memory, an unlimited one is breadth-first; neither the lucky guess nor the
//! refutation is lost.

use std::hash::Hash;

use rustc_hash::FxHashSet;

use crate::budget::{Exhausted, Meter};

/// A history to be walked over, event by event.
pub(crate) trait Space {
    /// A configuration.
    type Node: Clone + Eq + Hash;
    /// What is open: the same for all configurations at one position.
    type Window: Clone;

    /// Number of events.
    fn len(&self) -> usize;
    /// Where the walk begins.
    fn start(&self) -> (Self::Window, Vec<Self::Node>);
    /// Leads configurations over an event, and those that cannot follow to nowhere. Returns how many steps that took.
    fn advance(&mut self, at: usize, window: &mut Self::Window, nodes: &mut Vec<Self::Node>) -> u64;
    /// Whether the event is a completion: only there can configurations become more.
    fn branches(&self, at: usize) -> bool;
    /// How much a configuration promises: the higher the earlier it is looked at.
    fn promise(&self, window: &Self::Window, node: &Self::Node) -> i64;
}

/// What a search found.
#[derive(Debug)]
pub(crate) enum Outcome<N> {
    /// There is a linearization.
    Linearizable,
    /// There is none: no configuration survives the event `at`; before it, `last` were possible.
    Not { at: usize, last: Vec<N> },
    /// Nothing was decided. The first `at` events have a linearization.
    Undecided { at: usize, why: Exhausted },
}

struct Aside<S: Space> {
    at: usize,
    window: S::Window,
    nodes: Vec<S::Node>,
}

/// How many configurations the front holds at first, and at most.
const NARROW: usize = 128;
const WIDE: usize = 1 << 14;
/// Steps between two looks at the meter.
const STRIDE: u64 = 1 << 10;

struct Walk<'m, 'b, S: Space> {
    meter: &'m Meter<'b>,
    width: usize,
    aside: Vec<Aside<S>>,
    held: usize,
    seen: FxHashSet<(u32, S::Node)>,
    unspent: u64,
    /// The latest event that killed a whole front, and the front.
    furthest: (usize, Vec<S::Node>),
    reached: usize,
}

/// Walks over a space until one configuration reaches its end or none is left.
pub(crate) fn search<S: Space>(space: &mut S, meter: &Meter<'_>) -> Outcome<S::Node> {
    let mut walk = Walk {
        meter,
        width: NARROW,
        aside: Vec::new(),
        held: 0,
        seen: FxHashSet::default(),
        unspent: 0,
        furthest: (0, Vec::new()),
        reached: 0,
    };
    let (window, nodes) = space.start();
    walk.aside.push(Aside { at: 0, window, nodes });
    while let Some(next) = walk.aside.pop() {
        walk.held -= next.nodes.len().min(walk.held);
        match walk.follow(space, next) {
            Ok(true) => return Outcome::Linearizable,
            Ok(false) => walk.width = (walk.width * 2).min(WIDE),
            Err(why) => return Outcome::Undecided { at: walk.reached, why },
        }
    }
    let (at, last) = walk.furthest;
    Outcome::Not { at, last }
}

impl<S: Space> Walk<'_, '_, S> {
    /// Follows one front to its end; `true` where that is the end of the history.
    fn follow(&mut self, space: &mut S, from: Aside<S>) -> Result<bool, Exhausted> {
        let Aside { mut at, mut window, mut nodes } = from;
        let mut before = Vec::new();
        while at < space.len() {
            let branches = space.branches(at);
            if branches && at >= self.furthest.0 {
                before.clone_from(&nodes);
            }
            let steps = space.advance(at, &mut window, &mut nodes);
            self.spend(steps)?;
            if nodes.is_empty() {
                if at >= self.furthest.0 {
                    self.furthest = (at, before);
                }
                return Ok(false);
            }
            at += 1;
            self.reached = self.reached.max(at);
            if branches {
                self.forget_known(at, &mut nodes)?;
                if nodes.is_empty() {
                    return Ok(false);
                }
                self.narrow(space, at, &window, &mut nodes);
            }
        }
        self.spend(STRIDE)?;
        Ok(true)
    }

    fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.unspent += steps;
        if self.unspent < STRIDE {
            return Ok(());
        }
        self.meter.spend(std::mem::take(&mut self.unspent))
    }

    /// While something is aside, what was visited before is dropped: it led nowhere, or will still be followed.
    fn forget_known(&mut self, at: usize, nodes: &mut Vec<S::Node>) -> Result<(), Exhausted> {
        if self.aside.is_empty() {
            return Ok(());
        }
        nodes.retain(|node| self.seen.insert((at as u32, node.clone())));
        let size = std::mem::size_of::<(u32, S::Node)>() as u64 + 8;
        self.meter.hold((self.seen.len() as u64 * 2 + self.held as u64) * size)
    }

    fn narrow(&mut self, space: &S, at: usize, window: &S::Window, nodes: &mut Vec<S::Node>) {
        if nodes.len() <= self.width {
            return;
        }
        nodes.sort_by_cached_key(|node| std::cmp::Reverse(space.promise(window, node)));
        let rest = nodes.split_off(self.width / 2);
        self.held += rest.len();
        self.aside.push(Aside { at, window: window.clone(), nodes: rest });
    }
}

//! The search behind every checker that has no shortcut: what can the state be after each event?
//!
//! Just-in-time linearization (Wing and Gong 1993; Lowe, *Testing for linearizability*, 2017; the `linear` analysis of
//! Knossos): walk along the events and keep every *configuration*: a state of the object and the set of open operations
//! that have taken effect. An operation is linearized no earlier than a completion demands it. Where no configuration is
//! left, the history up to that completion has no linearization.
//!
//! ```text
//! event            0<wx1     1<wx2     2<rx      2>rx2              0>wx1            1>wx2
//! configurations   nil {}    nil {}    nil {}    2 {1}, 2 {0 1}     1 {1}, 2 {1}     1, 2
//! ```
//! The cost is bounded by the number of open operations and not by the length of the history, where a search over
//! whole histories copies and compares sets as long as they are.
//!
//! # Narrow and broad
//! All configurations at once is the best way to refute, and a bad way to confirm when there are very many of them: one
//! would do. So two fronts walk in turns, and the first to come to an end has the answer.
//!
//! The *broad* one leaves nothing behind. The *narrow* one goes first. It is only so wide; what does not fit is put aside with its
//! position, and taken up again when the front dies out: first what was put aside last, and where that does not lead past the
//! dead end, from further and further before it, for the mistake may have been made long ago. Each return doubles the
//! width, and a stretch beyond the dead end halves it again. At every few completions the configurations visited are
//! remembered, so that nothing is followed far where others have been.

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
pub(crate) enum Outcome {
    /// There is a linearization.
    Linearizable,
    /// There is none: no configuration survives the event `at`.
    Not { at: usize },
    /// Nothing was decided. The first `at` events have a linearization.
    Undecided { at: usize, why: Exhausted },
}

struct Front<S: Space> {
    at: usize,
    window: S::Window,
    nodes: Vec<S::Node>,
}

/// How many configurations the narrow front holds at first, and at most.
const NARROW: usize = 8;
const WIDE: usize = 1 << 14;
/// Completions beyond the furthest dead end after which it becomes narrower.
const CALM: u32 = 64;
/// Events between two at which the configurations are remembered.
const MEMORABLE: usize = 16;
/// Steps between two looks at the meter.
const STRIDE: u64 = 1 << 10;
/// Steps for each event that the narrow front has before the broad one sets out.
const START: u64 = 96;

struct Walk<'m, 'b, S: Space> {
    meter: &'m Meter<'b>,
    least: usize,
    width: usize,
    front: Option<Front<S>>,
    aside: Vec<Front<S>>,
    held: usize,
    seen: FxHashSet<(u32, S::Node)>,
    steps: u64,
    unspent: u64,
    /// The latest event that killed a whole front.
    furthest: usize,
    reached: usize,
    calm: u32,
    /// How far before the dead end the next return leads.
    back: usize,
}

/// How a stretch of a walk ended.
enum Stretch<S: Space> {
    Arrived,
    Dead,
    Paused(Front<S>),
}

/// Walks over a space until one configuration reaches its end or none is left.
pub(crate) fn search<S: Space>(space: &mut S, meter: &Meter<'_>) -> Outcome {
    let mut quota = START * space.len() as u64 + STRIDE;
    let mut walks = vec![Walk::new(space, NARROW, meter)];
    let mut given_up = (0, None);
    let mut turn = 0;
    while let Some(walk) = walks.get_mut(turn) {
        match walk.run(space, quota) {
            Ok(Some(true)) => return Outcome::Linearizable,
            Ok(Some(false)) => return Outcome::Not { at: walk.furthest },
            Ok(None) => turn += 1,
            Err(why) => {
                given_up = (walk.reached.max(given_up.0), Some(why));
                if why == Exhausted::Memory {
                    walks.remove(turn);
                } else {
                    walks.clear();
                }
            }
        }
        if walks.len() == 1 && given_up.1.is_none() {
            walks.push(Walk::new(space, usize::MAX, meter));
        }
        if turn >= walks.len() {
            (turn, quota) = (0, quota.saturating_mul(2));
        }
    }
    Outcome::Undecided { at: given_up.0, why: given_up.1.unwrap_or(Exhausted::Memory) }
}

impl<'m, 'b, S: Space> Walk<'m, 'b, S> {
    fn new(space: &S, width: usize, meter: &'m Meter<'b>) -> Self {
        let (window, nodes) = space.start();
        Walk {
            meter,
            least: width,
            width,
            front: Some(Front { at: 0, window, nodes }),
            aside: Vec::new(),
            held: 0,
            seen: FxHashSet::default(),
            steps: 0,
            unspent: 0,
            furthest: 0,
            reached: 0,
            calm: 0,
            back: 1,
        }
    }

    /// Takes so many steps; `None` where that decided nothing.
    fn run(&mut self, space: &mut S, quota: u64) -> Result<Option<bool>, Exhausted> {
        let until = self.steps.saturating_add(quota);
        while let Some(front) = self.front.take().or_else(|| self.take_up()) {
            match self.follow(space, front, until)? {
                Stretch::Arrived => return self.meter.spend(self.unspent + 1).map(|()| Some(true)),
                Stretch::Dead => {
                    self.width = self.width.saturating_mul(2).min(WIDE.max(self.least));
                    self.back = self.back.saturating_mul(2);
                }
                Stretch::Paused(front) => {
                    self.front = Some(front);
                    return Ok(None);
                }
            }
        }
        Ok(Some(false))
    }

    /// What to take up again: the newest that lies so far before the dead end, or the oldest.
    fn take_up(&mut self) -> Option<Front<S>> {
        let far_enough = |aside: &Front<S>| aside.at.saturating_add(self.back) <= self.furthest + 1;
        let place = self.aside.iter().rposition(far_enough).unwrap_or(0);
        let next = (place < self.aside.len()).then(|| self.aside.remove(place))?;
        self.held -= next.nodes.len();
        Some(next)
    }

    /// Follows one front until it dies, arrives, or has taken its steps.
    fn follow(&mut self, space: &mut S, mut front: Front<S>, until: u64) -> Result<Stretch<S>, Exhausted> {
        while front.at < space.len() {
            if self.steps >= until {
                return Ok(Stretch::Paused(front));
            }
            let at = front.at;
            let branches = space.branches(at);
            let steps = space.advance(at, &mut front.window, &mut front.nodes);
            self.spend(steps)?;
            if front.nodes.is_empty() {
                self.furthest = self.furthest.max(at);
                return Ok(Stretch::Dead);
            }
            front.at += 1;
            self.reached = self.reached.max(front.at);
            if branches {
                self.tidy(space, &mut front)?;
                if front.nodes.is_empty() {
                    return Ok(Stretch::Dead);
                }
            }
        }
        Ok(Stretch::Arrived)
    }

    fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.steps += steps;
        self.unspent += steps;
        if self.unspent < STRIDE {
            return Ok(());
        }
        self.meter.spend(std::mem::take(&mut self.unspent))
    }

    fn tidy(&mut self, space: &S, front: &mut Front<S>) -> Result<(), Exhausted> {
        if !self.aside.is_empty() && front.at.is_multiple_of(MEMORABLE) {
            front.nodes.retain(|node| self.seen.insert((front.at as u32, node.clone())));
        }
        let size = std::mem::size_of::<(u32, S::Node)>() as u64 + 8;
        self.meter.hold((2 * self.seen.len() + self.held + front.nodes.len()) as u64 * size)?;
        self.calm_down(front.at);
        self.narrow(space, front);
        Ok(())
    }

    /// Where the way ahead is easy, a few configurations are enough.
    fn calm_down(&mut self, at: usize) {
        if at <= self.furthest {
            return;
        }
        (self.calm, self.back) = (self.calm + 1, 1);
        if self.calm > CALM {
            self.calm = 0;
            self.width = (self.width / 2).max(self.least);
        }
    }

    fn narrow(&mut self, space: &S, front: &mut Front<S>) {
        if front.nodes.len() <= self.width {
            return;
        }
        front.nodes.sort_by_cached_key(|node| std::cmp::Reverse(space.promise(&front.window, node)));
        let rest = front.nodes.split_off(self.width.div_ceil(2));
        self.held += rest.len();
        self.aside.push(Front { at: front.at, window: front.window.clone(), nodes: rest });
    }
}

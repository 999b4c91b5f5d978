//! Any object at all: whoever can say what a single copy of it does can have its histories judged.
//!
//! ```
//! use checkers::linearizability::specification::{Judgement, Specification, Timed, linearize};
//! use checkers::{Budget, Meter};
//!
//! /// A counter that is incremented and read.
//! struct Counter;
//!
//! enum Call {
//!     Increment,
//!     Read(u64),
//! }
//!
//! impl Specification for Counter {
//!     type State = u64;
//!     type Call = Call;
//!
//!     fn initial(&self) -> u64 {
//!         0
//!     }
//!
//!     fn step(&self, state: &u64, call: &Call) -> impl IntoIterator<Item = u64> {
//!         match call {
//!             Call::Increment => Some(state + 1),
//!             Call::Read(found) => (found == state).then_some(*state),
//!         }
//!     }
//! }
//!
//! // An increment, and a read after it that finds nothing of it.
//! let calls = [Timed::new(Call::Increment, 0, Some(1)), Timed::new(Call::Read(0), 2, Some(3))];
//! let judgement = linearize(&Counter, &calls, &Meter::new(&Budget::default()));
//! assert!(matches!(judgement, Judgement::Not(stuck) if stuck.call == 1));
//! ```
//! # The search
//! Just-in-time linearization, depth first (Lowe, *Testing for linearizability*, 2017): go along the events; where a call ends
//! that has not taken effect yet, one of the open calls takes effect, the one that ended first of all; go on. Where nothing leads
//! on, go back to the last choice. A position, a state and the open calls that have taken effect are looked at only once.
//!
//! The cost is exponential in the number of calls that are open at once, those of unknown outcome included, and linear in
//! the length of the history. Registers have a better [search](super::registers) of their own.

use std::collections::BTreeMap;
use std::hash::Hash;

use rustc_hash::FxHashSet;

use super::mask::Mask;
use crate::budget::{Exhausted, Meter};

/// What a single copy of an object does.
pub trait Specification {
    /// All that the object remembers.
    type State: Clone + Eq + Hash;
    /// One call, with its answer if it was answered.
    type Call;

    /// The state at the start.
    fn initial(&self) -> Self::State;

    /// The states that a call may lead to with this answer: none if it cannot be given in this state, several if the object
    /// is free to choose or the answer is not known.
    fn step(&self, state: &Self::State, call: &Self::Call) -> impl IntoIterator<Item = Self::State>;

    /// The part of the object that a call works on. Parts that have nothing to do with each other are judged one by one.
    fn part(&self, _call: &Self::Call) -> u64 {
        0
    }

    /// Whether a call never changes the state. Such a call takes effect as soon as its answer is right, which saves much
    /// searching.
    fn only_looks(&self, _call: &Self::Call) -> bool {
        false
    }
}

/// A call and when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed<C> {
    /// The call.
    pub call: C,
    /// Position of its invocation. All positions, of invocations and completions, are different.
    pub invocation: u32,
    /// Position of its completion; `None` where it may take effect at any later time, or never. A call that certainly
    /// never happened has no place in a history.
    pub completion: Option<u32>,
}

impl<C> Timed<C> {
    /// A call with its two positions.
    pub fn new(call: C, invocation: u32, completion: Option<u32>) -> Self {
        Timed { call, invocation, completion }
    }
}

/// What is known about a history.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement<State> {
    /// There is a linearization.
    Linearizable,
    /// There is none.
    Not(Stuck<State>),
    /// The budget was used up; `proven` calls of its part were completed in the prefix that has a linearization.
    Undecided {
        /// How many.
        proven: usize,
        /// Why the search ended.
        why: Exhausted,
    },
    /// More than [`WIDEST`] calls were open at once.
    TooWide,
}

/// The end of the longest prefix that has a linearization.
#[derive(Clone, Debug, PartialEq)]
pub struct Stuck<State> {
    /// The call that cannot follow, as its place among those given.
    pub call: usize,
    /// How many calls of its part were completed before.
    pub completed: usize,
    /// The states that were possible before its completion.
    pub states: Vec<State>,
}

/// How many calls may be open at once.
pub const WIDEST: usize = 1024;

/// Judges a history, part by part; the first part without a linearization, or else the first undecided one, is the answer.
pub fn linearize<S: Specification>(spec: &S, calls: &[Timed<S::Call>], meter: &Meter<'_>) -> Judgement<S::State> {
    let mut parts: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (i, call) in calls.iter().enumerate() {
        parts.entry(spec.part(&call.call)).or_default().push(i);
    }
    let mut answer = Judgement::Linearizable;
    for part in parts.into_values() {
        match judge(spec, calls, part, meter) {
            Judgement::Linearizable => {}
            not @ Judgement::Not(_) => return not,
            doubt if answer == Judgement::Linearizable => answer = doubt,
            _ => {}
        }
    }
    answer
}

fn judge<S: Specification>(
    spec: &S,
    calls: &[Timed<S::Call>],
    part: Vec<usize>,
    meter: &Meter<'_>,
) -> Judgement<S::State> {
    let plan = Plan::new(spec, calls, part);
    match plan.width {
        0..=64 => run::<S, 1>(plan, meter),
        65..=128 => run::<S, 2>(plan, meter),
        129..=256 => run::<S, 4>(plan, meter),
        257..=WIDEST => run::<S, 16>(plan, meter),
        _ => Judgement::TooWide,
    }
}

fn run<S: Specification, const N: usize>(plan: Plan<'_, S>, meter: &Meter<'_>) -> Judgement<S::State> {
    let mut walk = Walk::<S, N> { plan, stack: Vec::new(), seen: FxHashSet::default(), furthest: (0, Vec::new()) };
    match walk.all(meter) {
        Ok(true) => Judgement::Linearizable,
        Ok(false) => Judgement::Not(walk.stuck()),
        Err(why) => Judgement::Undecided { proven: walk.plan.completed(walk.furthest.0), why },
    }
}

#[derive(Clone, Copy)]
enum Event {
    Begins(usize),
    Ends(usize),
}

struct Plan<'a, S: Specification> {
    spec: &'a S,
    calls: &'a [Timed<S::Call>],
    events: Vec<Event>,
    /// The place of each call among the open ones.
    places: Vec<u32>,
    /// For each place, the calls that have it, one after the other: from which event until which.
    holders: Vec<Vec<(usize, usize, usize)>>,
    width: usize,
}

impl<'a, S: Specification> Plan<'a, S> {
    fn new(spec: &'a S, calls: &'a [Timed<S::Call>], part: Vec<usize>) -> Self {
        let mut events: Vec<(u32, Event)> = Vec::with_capacity(2 * part.len());
        for i in part {
            events.push((calls[i].invocation, Event::Begins(i)));
            events.extend(calls[i].completion.map(|end| (end.max(calls[i].invocation), Event::Ends(i))));
        }
        events.sort_by_key(|(at, _)| *at);
        let mut plan = Plan {
            spec,
            calls,
            events: events.into_iter().map(|(_, event)| event).collect(),
            places: vec![u32::MAX; calls.len()],
            holders: Vec::new(),
            width: 0,
        };
        plan.place();
        plan
    }

    fn place(&mut self) {
        let mut vacant = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            match *event {
                Event::Ends(i) => {
                    let place = self.places[i];
                    vacant.push(place);
                    if let Some(holder) = self.holders[place as usize].last_mut() {
                        holder.1 = at;
                    }
                }
                Event::Begins(i) => {
                    let place = vacant.pop().unwrap_or(self.holders.len() as u32);
                    if place as usize == self.holders.len() {
                        self.holders.push(Vec::new());
                    }
                    self.places[i] = place;
                    self.holders[place as usize].push((at, usize::MAX, i));
                }
            }
        }
        self.width = self.holders.len();
    }

    /// The calls that are open at an event, with their places; those that end first come last.
    fn open(&self, at: usize) -> Vec<(usize, u32, usize)> {
        let holder = |(place, holders): (usize, &Vec<(usize, usize, usize)>)| {
            let (_, until, call) = *holders[..holders.partition_point(|h| h.0 <= at)].last()?;
            (until >= at).then_some((until, place as u32, call))
        };
        let mut open: Vec<_> = self.holders.iter().enumerate().filter_map(holder).collect();
        open.sort_unstable_by(|a, b| b.cmp(a));
        open
    }

    fn looks(&self, call: usize) -> bool {
        self.spec.only_looks(&self.calls[call].call)
    }

    fn completed(&self, at: usize) -> usize {
        self.events[..at].iter().filter(|event| matches!(event, Event::Ends(_))).count()
    }
}

/// A configuration: a position, a state, and the open calls that have taken effect.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node<State, const N: usize> {
    at: usize,
    done: Mask<N>,
    state: State,
}

struct Walk<'a, S: Specification, const N: usize> {
    plan: Plan<'a, S>,
    stack: Vec<Node<S::State, N>>,
    seen: FxHashSet<Node<S::State, N>>,
    /// The latest event that something had to take effect for, and the states there.
    furthest: (usize, Vec<S::State>),
}

/// How many states are kept for the explanation.
const KEPT: usize = 64;

impl<S: Specification, const N: usize> Walk<'_, S, N> {
    /// Whether one configuration reaches the end.
    fn all(&mut self, meter: &Meter<'_>) -> Result<bool, Exhausted> {
        self.stack.push(Node { at: 0, done: Mask::default(), state: self.plan.spec.initial() });
        while let Some(mut node) = self.stack.pop() {
            let from = node.at;
            if self.go_on(&mut node) {
                return Ok(true);
            }
            let mut steps = (node.at - from) as u64;
            if self.seen.insert(node.clone()) {
                self.note(&node);
                steps += self.branch(&node);
                meter.hold((self.seen.len() * 2 * size_of::<Node<S::State, N>>()) as u64)?;
            }
            meter.spend(1 + steps)?;
        }
        Ok(false)
    }

    /// Goes along the events until a call ends that has not taken effect; `true` if there is none.
    fn go_on(&self, node: &mut Node<S::State, N>) -> bool {
        while let Some(event) = self.plan.events.get(node.at) {
            match *event {
                Event::Begins(call) if self.plan.looks(call) => self.look(call, node),
                Event::Begins(_) => {}
                Event::Ends(call) if node.done.has(self.plan.places[call]) => node.done.remove(self.plan.places[call]),
                Event::Ends(_) => return false,
            }
            node.at += 1;
        }
        true
    }

    fn look(&self, call: usize, node: &mut Node<S::State, N>) {
        if self.plan.spec.step(&node.state, &self.plan.calls[call].call).into_iter().next().is_some() {
            node.done.add(self.plan.places[call]);
        }
    }

    fn note(&mut self, node: &Node<S::State, N>) {
        if node.at > self.furthest.0 {
            self.furthest = (node.at, Vec::new());
        }
        let states = &mut self.furthest.1;
        if node.at == self.furthest.0 && states.len() < KEPT && !states.contains(&node.state) {
            states.push(node.state.clone());
        }
    }

    /// One open call takes effect, whichever.
    fn branch(&mut self, node: &Node<S::State, N>) -> u64 {
        let open = self.plan.open(node.at);
        for (_, place, call) in &open {
            if node.done.has(*place)
                || (self.plan.looks(*call) && !matches!(self.plan.events[node.at], Event::Ends(c) if c == *call))
            {
                continue;
            }
            for state in self.plan.spec.step(&node.state, &self.plan.calls[*call].call) {
                let mut next = Node { at: node.at, done: node.done, state };
                next.done.add(*place);
                for (_, place, call) in &open {
                    if !next.done.has(*place) && self.plan.looks(*call) {
                        self.look(*call, &mut next);
                    }
                }
                self.stack.push(next);
            }
        }
        open.len() as u64
    }

    fn stuck(self) -> Stuck<S::State> {
        let (at, states) = self.furthest;
        let Event::Ends(call) = self.plan.events[at] else { unreachable!("only an end has to be waited for") };
        Stuck { call, completed: self.plan.completed(at), states }
    }
}

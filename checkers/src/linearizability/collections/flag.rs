//! One element of a set, however often it is added and removed: a flag that is set, cleared and looked at.
//!
//! Values repeat here by nature, but there are only two of them, and that makes the search small. Walk over the events
//! with all states that are possible. Each knows whether the flag is up, which operations under way are *satisfied*
//! (the flag has been as they want it at some moment since they began), and which writes are *used*: the flag can
//! change only by an unused write under way, and of several the one that ends first serves best. An operation must be
//! satisfied when it ends.
//!
//! ```text
//! add  |--------------|             up at the first moment or later, down in the remove, and
//! rem      |-----|                  up again only if there were another add: the look after the
//! look                |--yes--|     remove makes the remove come first
//! ```
//! The flag need change only before something ends, and twice at most between two events: after that everything under
//! way is satisfied. A state is dropped if another one with the same flag has satisfied no less and used no more.

use super::journal::NEVER;

/// An operation on the flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    /// Position of its invocation.
    pub call: u32,
    /// Position of its completion; [`NEVER`] if it may never have happened.
    pub ret: u32,
    /// How it wants the flag.
    pub up: bool,
    /// Whether it changes the flag to that.
    pub write: bool,
}

/// What became of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// All operations can be put in order.
    Fine,
    /// This one, by its place, cannot.
    Stuck(usize),
    /// Too many were under way at once.
    TooWide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    up: bool,
    satisfied: u128,
    used: u128,
    /// Writes of unknown outcome that were used, to clear and to set.
    used_unknown: [u32; 2],
}

/// The operations under way.
struct Walk<'t> {
    touches: &'t [Touch],
    states: Vec<State>,
    /// The operation at each place.
    places: Vec<Option<usize>>,
    /// Writes of unknown outcome that have begun, to clear and to set.
    unknown: [u32; 2],
}

/// Puts the operations in order, or says which one cannot follow. The flag is down at first, or whatever it likes to
/// be.
pub(super) fn order(touches: &[Touch], down_at_first: bool) -> Flag {
    let mut events: Vec<(u32, bool, usize)> = Vec::with_capacity(2 * touches.len());
    for (i, touch) in touches.iter().enumerate() {
        events.push((touch.call, false, i));
        if touch.ret != NEVER {
            events.push((touch.ret, true, i));
        }
    }
    events.sort_unstable();
    let first = State { up: false, satisfied: 0, used: 0, used_unknown: [0; 2] };
    let mut states = vec![first];
    if !down_at_first {
        states.push(State { up: true, ..first });
    }
    let mut walk = Walk { touches, states, places: Vec::new(), unknown: [0; 2] };
    for (_, completed, i) in events {
        let goes_on = if completed { walk.end(i) } else { walk.begin(i) };
        match goes_on {
            Flag::Fine => {}
            stopped => return stopped,
        }
    }
    Flag::Fine
}

impl Walk<'_> {
    fn begin(&mut self, i: usize) -> Flag {
        let touch = self.touches[i];
        if touch.ret == NEVER {
            self.unknown[usize::from(touch.up)] += u32::from(touch.write);
            return Flag::Fine;
        }
        let place = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if place >= 128 {
            return Flag::TooWide;
        }
        if place == self.places.len() {
            self.places.push(None);
        }
        self.places[place] = Some(i);
        for state in &mut self.states {
            if state.up == touch.up {
                state.satisfied |= 1 << place;
            }
        }
        Flag::Fine
    }

    fn end(&mut self, i: usize) -> Flag {
        let Some(place) = self.places.iter().position(|p| *p == Some(i)) else { return Flag::Fine };
        let mut next: Vec<State> = Vec::new();
        for state in std::mem::take(&mut self.states) {
            let once = self.change(state);
            let twice = once.and_then(|once| self.change(once));
            next.extend([Some(state), once, twice].into_iter().flatten());
        }
        next.retain(|state| state.satisfied >> place & 1 == 1);
        for state in &mut next {
            state.satisfied &= !(1 << place);
            state.used &= !(1 << place);
        }
        self.places[place] = None;
        self.states = best(next);
        if self.states.is_empty() { Flag::Stuck(i) } else { Flag::Fine }
    }

    /// Changes the flag by the unused write that ends first, if there is one.
    fn change(&self, state: State) -> Option<State> {
        let up = !state.up;
        let under_way = |(place, i): (usize, &Option<usize>)| i.map(|i| (self.touches[i], place));
        let wanted = self.places.iter().enumerate().filter_map(under_way).filter(|(touch, _)| touch.up == up);
        let mut next = State { up, ..state };
        wanted.clone().for_each(|(_, place)| next.satisfied |= 1 << place);
        let unused = wanted.filter(|(touch, place)| touch.write && state.used >> place & 1 == 0);
        match unused.min_by_key(|(touch, _)| touch.ret) {
            Some((_, place)) => next.used |= 1 << place,
            None if state.used_unknown[usize::from(up)] < self.unknown[usize::from(up)] => {
                next.used_unknown[usize::from(up)] += 1;
            }
            None => return None,
        }
        Some(next)
    }
}

/// Without the states that another one is as good as.
fn best(states: Vec<State>) -> Vec<State> {
    let mut best: Vec<State> = Vec::new();
    for state in states {
        if best.iter().any(|other| as_good(other, &state)) {
            continue;
        }
        best.retain(|other| !as_good(&state, other));
        best.push(state);
    }
    best
}

fn as_good(a: &State, b: &State) -> bool {
    a.up == b.up
        && b.satisfied & !a.satisfied == 0
        && a.used & !b.used == 0
        && a.used_unknown[0] <= b.used_unknown[0]
        && a.used_unknown[1] <= b.used_unknown[1]
}

//! Which item did a take of unknown outcome take?
//!
//! Where takes were not answered, each may have taken an item that nobody is known to have taken. An item given to such
//! a take can leave from where the take begins; a history is linearizable iff for *some* way of giving items to takes
//! the rest is. Four things keep this from being a search through all ways:
//!
//! 1. If the history is linearizable when no such take took anything, it is.
//! 2. If a good guess is right, it is.
//! 3. If it is not even when every item may leave at the beginning of the first such take, it is not: that is more than
//!    any way allows.
//! 4. Otherwise a *proof* that one way is wrong names the few items that it rests on. In every right way one of those
//!    leaves earlier than here. So only the items of the proof are tried, one after the other, with each take that is
//!    still free; an item that was given a take keeps it. If a right way exists, one of the choices at each step agrees
//!    with it.
//!
//! The depth is at most the number of such takes. Each step costs one look at the history, which is charged to the
//! budget; when that is used up, or after `LOOKS` looks (fewer in a long history), nothing is decided.

mod guess;

use std::collections::BTreeSet;

use super::items::{Contents, Item};
use super::journal::NEVER;
use crate::budget::Meter;

pub(super) use guess::{Dues, Past};

/// So many ways are looked at, and so many items in all of them together if there are many.
const LOOKS: u64 = 4096;
const LOOKED_AT: u64 = 1 << 23;

/// What a proof rests on.
pub(super) struct Blame {
    /// The values of the items.
    pub values: Vec<u32>,
    /// The empty answer, by its place in [`Contents`].
    pub empty: Option<usize>,
    /// A take that begins later than this cannot help.
    pub until: u32,
}

/// What all proofs together rest on that were needed to rule out every way.
#[derive(Default)]
pub(super) struct Grounds {
    /// The values of the items, in order.
    pub values: BTreeSet<u32>,
    /// The empty answers, by their places in [`Contents`].
    pub empties: BTreeSet<usize>,
}

impl Grounds {
    fn take_in(&mut self, blame: &Blame) {
        self.values.extend(&blame.values);
        self.empties.extend(blame.empty);
    }
}

/// What was found out.
pub(super) enum Settled<P> {
    /// There is a right way.
    Linearizable,
    /// There is none, since not even the most permissive one is right: its items, and the proofs against it.
    Not(Vec<Item>, Vec<P>),
    /// There is none, since all were tried: the proofs against the way in which nothing was taken, and all grounds.
    Exhausted(Vec<P>, Grounds),
    /// Unknown, and why.
    Undecided(String),
}

/// A choice: item and take, by their places in [`Contents`].
type Choice = (usize, usize);

struct Ways<'c, P, L, B> {
    contents: &'c Contents,
    items: Vec<Item>,
    look: L,
    blame: B,
    free: Vec<bool>,
    looks: u64,
    most: u64,
    grounds: Grounds,
    proof: std::marker::PhantomData<P>,
}

/// Looks for a right way. `look` gives all proofs against items that leave as they are said to, `blame` says what a
/// proof rests on, `due` when items must have left, for a guess.
pub(super) fn settle<P>(
    contents: &Contents,
    meter: &Meter<'_>,
    look: impl Fn(&[Item]) -> Vec<P>,
    blame: impl Fn(&P, &[Item]) -> Blame,
    due: impl FnOnce() -> Vec<(u32, usize)>,
) -> Settled<P> {
    let against = look(&contents.items);
    if against.is_empty() {
        return Settled::Linearizable;
    }
    if contents.unknown.is_empty() {
        return Settled::Not(contents.items.clone(), against);
    }
    if guess::guess(contents, due(), &look, &blame) {
        return Settled::Linearizable;
    }
    let most = (LOOKED_AT / contents.items.len().max(1) as u64).clamp(16, LOOKS);
    let mut ways = Ways {
        contents,
        most,
        items: contents.items.clone(),
        look,
        blame,
        free: vec![true; contents.unknown.len()],
        looks: 2,
        grounds: Grounds::default(),
        proof: std::marker::PhantomData,
    };
    let relaxed = ways.relaxed();
    let beyond_doubt = (ways.look)(&relaxed);
    if !beyond_doubt.is_empty() {
        return Settled::Not(relaxed, beyond_doubt);
    }
    match ways.search(&against, meter) {
        Ok(true) => Settled::Linearizable,
        Ok(false) => Settled::Exhausted(against, ways.grounds),
        Err(why) => Settled::Undecided(why),
    }
}

impl<P, L: Fn(&[Item]) -> Vec<P>, B: Fn(&P, &[Item]) -> Blame> Ways<'_, P, L, B> {
    /// The items, where all that still can leave do so at the beginning of the first take that is free.
    fn relaxed(&self) -> Vec<Item> {
        let Some(first) = self.free.iter().position(|free| *free) else { return self.items.clone() };
        let first = self.contents.unknown[first];
        let leave = |item: &Item| Item { take_call: item.take_call.min(first), ..*item };
        self.items.iter().map(|item| if item.take_call == NEVER { leave(item) } else { *item }).collect()
    }

    /// Depth first, with the choices of each step on a stack.
    fn search(&mut self, against: &[P], meter: &Meter<'_>) -> Result<bool, String> {
        let mut open = vec![self.choices(against)];
        let mut made: Vec<Choice> = Vec::new();
        while let Some(choices) = open.last_mut() {
            let Some((item, take)) = choices.pop() else {
                open.pop();
                if let Some((item, take)) = made.pop() {
                    self.items[item].take_call = NEVER;
                    self.free[take] = true;
                }
                continue;
            };
            self.items[item].take_call = self.contents.unknown[take];
            self.free[take] = false;
            made.push((item, take));
            self.charge(meter)?;
            let against = (self.look)(&self.items);
            if against.is_empty() {
                return Ok(true);
            }
            let relaxed = self.relaxed();
            match (self.look)(&relaxed).first() {
                Some(hopeless) => {
                    let blame = (self.blame)(hopeless, &relaxed);
                    self.grounds.take_in(&blame);
                    open.push(Vec::new());
                }
                None => open.push(self.choices(&against)),
            }
        }
        Ok(false)
    }

    fn charge(&mut self, meter: &Meter<'_>) -> Result<(), String> {
        self.looks += 2;
        if self.looks > self.most {
            let takes = self.contents.unknown.len();
            return Err(format!(
                "what {takes} operations of unknown outcome took out was not found within {} looks",
                self.most
            ));
        }
        meter.spend(2 * self.items.len() as u64).map_err(|why| why.to_string())
    }

    /// What may be tried against the proof that leaves the fewest choices; the last is tried first.
    fn choices(&mut self, against: &[P]) -> Vec<Choice> {
        let blames = against.iter().take(4).map(|proof| (self.blame)(proof, &self.items));
        let each = blames.map(|blame| (self.choices_against(&blame), blame));
        let Some((choices, blame)) = each.min_by_key(|(choices, _)| choices.len()) else { return Vec::new() };
        self.grounds.take_in(&blame);
        choices
    }

    fn choices_against(&self, blame: &Blame) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (i, item) in self.items.iter().enumerate() {
            if item.take_call != NEVER || !blame.values.contains(&item.value) {
                continue;
            }
            let mut last = None;
            for (take, call) in self.contents.unknown.iter().enumerate() {
                if self.free[take] && *call < blame.until && last != Some(*call) {
                    last = Some(*call);
                    choices.push((i, take));
                }
            }
        }
        choices
    }
}

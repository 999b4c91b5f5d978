//! Keys and values by number: each distinct scalar once, in the order in which it came.
//!
//! Nearly all keys and elements of real histories are small whole numbers, counted from 0 or 1. Those need no hashing:
//! the number is looked up in a plain table, which is as long as the largest of them. It never gets longer than
//! a few times the count of scalars, so that one large number costs nothing: that one is hashed, as texts are.

use std::ops::Index;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::push::ScalarRef;
use crate::operation::Scalar;

const NONE: u32 = u32::MAX;

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Scalars {
    entries: Vec<Scalar>,
    /// The id of each small number, or `NONE`.
    small: Vec<u32>,
    /// The ids of all that are not in `small`, in their order.
    others: IndexMap<Scalar, u32, FxBuildHasher>,
    text_bytes: usize,
}

impl Scalars {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub fn find(&self, scalar: ScalarRef<'_>) -> Option<u32> {
        if let ScalarRef::Int(int) = scalar
            && let Some(id) = usize::try_from(int).ok().and_then(|i| self.small.get(i))
            && *id != NONE
        {
            return Some(*id);
        }
        self.find_other(scalar)
    }

    fn find_other(&self, scalar: ScalarRef<'_>) -> Option<u32> {
        self.others.get(&scalar).copied()
    }

    /// Adds what is not there, and returns its id. There must be room for it.
    pub fn insert(&mut self, scalar: ScalarRef<'_>) -> u32 {
        let id = self.entries.len() as u32;
        let owned = Scalar::from(scalar);
        match self.place_of(scalar) {
            Some(place) => {
                if place >= self.small.len() {
                    self.small.resize((place + 1).max(self.small.len() * 3 / 2), NONE);
                }
                self.small[place] = id;
            }
            None => {
                self.text_bytes += text_bytes(&owned);
                self.others.insert(owned.clone(), id);
            }
        }
        self.entries.push(owned);
        id
    }

    /// Where in the table a number has its place, if the table may be that long.
    fn place_of(&self, scalar: ScalarRef<'_>) -> Option<usize> {
        let ScalarRef::Int(int) = scalar else { return None };
        usize::try_from(int).ok().filter(|i| *i < 4096 + 2 * self.entries.len())
    }

    /// Forgets all but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        while self.entries.len() > len
            && let Some(scalar) = self.entries.pop()
        {
            let id = self.entries.len() as u32;
            let place = match scalar {
                Scalar::Int(int) => usize::try_from(int).ok().filter(|i| self.small.get(*i) == Some(&id)),
                _ => None,
            };
            match place {
                Some(place) => self.small[place] = NONE,
                None => {
                    self.text_bytes -= text_bytes(&scalar);
                    self.others.pop();
                }
            }
        }
    }

    /// About how many bytes of memory this takes.
    pub fn memory_bytes(&self) -> usize {
        const HASHED_BYTES: usize = size_of::<Scalar>() + 2 * size_of::<u64>() + 2 * size_of::<usize>();
        let entries = self.entries.len() * size_of::<Scalar>() + self.small.len() * size_of::<u32>();
        entries + self.others.len() * HASHED_BYTES + self.text_bytes
    }
}

/// A text is shared by its two places, and counted with the two counters of its owners.
fn text_bytes(scalar: &Scalar) -> usize {
    match scalar {
        Scalar::Text(text) | Scalar::Json(text) => text.len() + 2 * size_of::<usize>(),
        _ => 0,
    }
}

impl Index<usize> for Scalars {
    type Output = Scalar;

    fn index(&self, id: usize) -> &Scalar {
        &self.entries[id]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(scalars: &mut Scalars, scalar: ScalarRef<'_>) -> u32 {
        scalars.find(scalar).unwrap_or_else(|| scalars.insert(scalar))
    }

    #[test]
    fn ids_count_up_and_stay() {
        let mut scalars = Scalars::default();
        let all = [
            ScalarRef::Null,
            ScalarRef::Int(7),
            ScalarRef::Int(-7),
            ScalarRef::Int(i64::MAX),
            ScalarRef::Int(5000),
            ScalarRef::Text("7"),
            ScalarRef::Json("7.5"),
            ScalarRef::Bool(true),
        ];
        for _ in 0..2 {
            for (id, scalar) in all.iter().enumerate() {
                assert_eq!(intern(&mut scalars, *scalar), id as u32);
                assert_eq!(ScalarRef::from(&scalars[id]), *scalar);
            }
        }
        assert_eq!(scalars.len(), all.len());
    }

    #[test]
    fn a_number_that_was_hashed_is_found_when_the_table_has_grown_past_it() {
        let mut scalars = Scalars::default();
        assert_eq!(intern(&mut scalars, ScalarRef::Int(9_000)), 0);
        for i in 0..6_000 {
            assert_eq!(intern(&mut scalars, ScalarRef::Int(i)), i as u32 + 1);
        }
        assert_eq!(intern(&mut scalars, ScalarRef::Int(10_000)), 6_001);
        assert!(scalars.small.len() > 9_000);
        assert_eq!(intern(&mut scalars, ScalarRef::Int(9_000)), 0);
        scalars.truncate(0);
        assert_eq!(scalars.find(ScalarRef::Int(9_000)), None);
        assert_eq!((scalars.others.len(), scalars.text_bytes), (0, 0));
    }

    #[test]
    fn what_is_forgotten_comes_back_under_a_new_id() {
        let mut scalars = Scalars::default();
        for scalar in [ScalarRef::Int(1), ScalarRef::Text("a"), ScalarRef::Int(2), ScalarRef::Text("b")] {
            intern(&mut scalars, scalar);
        }
        scalars.truncate(1);
        assert_eq!(scalars.find(ScalarRef::Int(1)), Some(0));
        for gone in [ScalarRef::Text("a"), ScalarRef::Int(2), ScalarRef::Text("b")] {
            assert_eq!(scalars.find(gone), None);
        }
        assert_eq!(intern(&mut scalars, ScalarRef::Text("b")), 1);
    }

    #[test]
    fn large_numbers_make_no_large_table() {
        let mut scalars = Scalars::default();
        for i in 0..1_000 {
            intern(&mut scalars, ScalarRef::Int(i * 1_000_000_007));
        }
        assert!(scalars.memory_bytes() < 1_000 * 200 + 20_000, "{}", scalars.memory_bytes());
    }
}

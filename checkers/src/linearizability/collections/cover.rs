//! Whether something is inside at every moment of a stretch of time, and which few items show it.

use super::items::{Empty, Item};
use super::journal::NEVER;

/// The fewest of these items of which at least one [stays](Item::stays) inside at every moment from one position to
/// another, in the order of time; `None` if there is a moment without.
///
/// Greedy: of all that are inside now, the one that stays longest. A gap is the moment after the position of its
/// number.
pub(super) fn cover(items: impl Iterator<Item = Item>, from: u32, to: u32) -> Option<Vec<Item>> {
    let mut inside: Vec<Item> = items.filter(|i| i.stays() && i.put_ret < to && i.take_call > from).collect();
    inside.sort_unstable_by_key(|item| (item.put_ret, item.value));
    let mut cover = Vec::new();
    let (mut at, mut next) = (from, 0);
    let mut best: Option<Item> = None;
    while at < to {
        while let Some(item) = inside.get(next).filter(|item| item.put_ret <= at) {
            if best.is_none_or(|b| b.take_call < item.take_call) {
                best = Some(*item);
            }
            next += 1;
        }
        let longest = best.filter(|item| item.take_call > at)?;
        cover.push(longest);
        at = if longest.take_call == NEVER { to } else { longest.take_call };
    }
    Some(cover)
}

/// The empty answers at no moment of which the collection can be empty, if it holds these items.
pub(super) fn without_moment(empties: &[Empty], items: impl Iterator<Item = Item>, end: u32) -> Vec<usize> {
    if empties.is_empty() {
        return Vec::new();
    }
    let mut level = vec![0i32; end as usize + 1];
    for item in items.filter(Item::stays) {
        level[item.put_ret as usize] += 1;
        level[item.take_call.min(end) as usize] -= 1;
    }
    // One more than the last position up to here after which nothing need be inside.
    let (mut inside, mut free) = (0, 0);
    let free_before: Vec<u32> = (0..)
        .zip(level)
        .map(|(position, change)| {
            let before = free;
            inside += change;
            if inside == 0 {
                free = position + 1;
            }
            before
        })
        .collect();
    let wrong = |empty: &Empty| free_before[empty.ret as usize] <= empty.call;
    (0..empties.len()).filter(|i| wrong(&empties[*i])).collect()
}

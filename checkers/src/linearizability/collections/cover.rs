//! Which few items are inside, one or the other, at every moment of a stretch of time.

use super::items::Item;
use super::journal::NEVER;

/// The fewest of these items of which at least one [stays](Item::stays) inside at every moment from one position to
/// another, in the order of time; `None` if there is a moment without.
///
/// Greedy: of all that are inside now, the one that stays longest. A gap is the moment after the position of its number.
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

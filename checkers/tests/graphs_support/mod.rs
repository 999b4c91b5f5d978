//! What the tests of dependency graphs share.

#![allow(dead_code, reason = "each test uses some of it")]

#[path = "../support/rng.rs"]
pub mod rng;

use checkers::models::AnomalyType::{self, *};

/// What each kind of cycle implies directly (Elle 0.2.7, `elle.consistency-model`), kinds of cycles only.
const IMPLIED: &[(AnomalyType, &[AnomalyType])] = &[
    (G0, &[G0Process, G1c]),
    (G0Process, &[G0Realtime, G1cProcess]),
    (G0Realtime, &[G1cRealtime]),
    (G1c, &[G1cProcess]),
    (G1cProcess, &[G1cRealtime]),
    (GSingleItem, &[GNonadjacentItem, GSingle, GSingleItemProcess]),
    (GSingleItemProcess, &[GNonadjacentItemProcess, GSingleItemRealtime, GSingleProcess]),
    (GSingleItemRealtime, &[GNonadjacentItemRealtime, GSingleRealtime]),
    (GSingle, &[GNonadjacent, GSingleProcess]),
    (GSingleProcess, &[GNonadjacentProcess, GSingleRealtime]),
    (GSingleRealtime, &[GNonadjacentRealtime]),
    (GNonadjacentItem, &[GNonadjacent, GNonadjacentItemProcess, G2Item]),
    (GNonadjacentItemProcess, &[GNonadjacentItemRealtime, GNonadjacentProcess, G2ItemProcess]),
    (GNonadjacentItemRealtime, &[GNonadjacentRealtime, G2ItemRealtime]),
    (GNonadjacent, &[GNonadjacentProcess, G2]),
    (GNonadjacentProcess, &[GNonadjacentRealtime, G2Process]),
    (GNonadjacentRealtime, &[G2Realtime]),
    (G2Item, &[G2, G2ItemProcess]),
    (G2ItemProcess, &[G2ItemRealtime, G2Process]),
    (G2ItemRealtime, &[G2Realtime]),
    (G2, &[G2Process]),
    (G2Process, &[G2Realtime]),
];

/// Whether one kind is or implies another.
pub fn implies(one: AnomalyType, other: AnomalyType) -> bool {
    let direct = IMPLIED.iter().filter(|(kind, _)| *kind == one).flat_map(|(_, implied)| implied.iter());
    one == other || direct.into_iter().any(|next| implies(*next, other))
}

//! `sessions`: users who write on their own walls and read their own and others', while their requests hop
//! between replicas. The workload of the session guarantees (Terry et al., PDIS 1994).

use std::collections::BTreeMap;

use histories::{Completion, Guarantee, Micro, Operation, Scalar};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Shape, Turn, Workload, WorkloadSpec, read};

/// Items per wall before the user starts a new one.
const ITEMS: i64 = 40;

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "sessions",
    about: "users write on their own walls and read their own and others' while they hop between replicas",
    story: "Each session is a user with a wall, a list that nobody else writes. Users post numbered items, look at \
            their own wall, and look at others' walls, often at the same one again, sometimes at two at once. \
            Looking twice and seeing less is a violation of monotonic reads; posting and not seeing the post, of \
            read-your-writes; seeing a post without the one before it, of monotonic writes.",
    needs: &[Function::Append],
    judges: &[
        Guarantee::Durability,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::ConsistentPrefix,
    ],
    make: |shape| Box::new(Sessions::new(shape)),
};

#[derive(Clone, Copy, Default)]
struct Wall {
    /// Walls of this user before the current one.
    volume: i64,
    items: i64,
}

struct Sessions {
    transactions: bool,
    /// The wall of every user there ever was.
    walls: BTreeMap<u32, Wall>,
    /// Whom the users are looking at.
    friends: BTreeMap<u32, u32>,
    /// The users who are there now, by worker.
    present: BTreeMap<usize, u32>,
}

impl Sessions {
    fn new(shape: Shape) -> Self {
        Sessions {
            transactions: shape.transactions,
            walls: BTreeMap::new(),
            friends: BTreeMap::new(),
            present: BTreeMap::new(),
        }
    }

    fn wall(&self, session: u32) -> Scalar {
        let volume = self.walls.get(&session).map_or(0, |w| w.volume);
        wall_name(session, volume)
    }

    fn post(&mut self, session: u32) -> Operation {
        let wall = self.walls.entry(session).or_default();
        if wall.items >= ITEMS {
            *wall = Wall { volume: wall.volume + 1, items: 0 };
        }
        wall.items += 1;
        let value = Scalar::Int(wall.items);
        Operation::Append { key: Some(self.wall(session)), value }
    }

    /// Somebody to look at: mostly whoever was looked at last.
    fn friend(&mut self, session: u32, rng: &mut ChaCha8Rng) -> u32 {
        let keep = rng.random_ratio(4, 5);
        let others: Vec<u32> = self.present.values().copied().filter(|s| *s != session).collect();
        let drawn = rng.random_range(0..others.len().max(1));
        let friend = match self.friends.get(&session) {
            Some(friend) if keep => *friend,
            _ => others.get(drawn).copied().unwrap_or(session),
        };
        self.friends.insert(session, friend);
        friend
    }
}

fn wall_name(session: u32, volume: i64) -> Scalar {
    Scalar::from(format!("wall{session}.{volume}"))
}

impl Workload for Sessions {
    fn next(&mut self, turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        self.present.insert(turn.worker, turn.session);
        match rng.random_range(0..10) {
            0..4 => self.post(turn.session),
            4..6 => read(self.wall(turn.session)),
            6..9 => {
                let friend = self.friend(turn.session, rng);
                read(self.wall(friend))
            }
            _ => {
                let friend = self.friend(turn.session, rng);
                if !self.transactions {
                    return read(self.wall(friend));
                }
                let own = Micro::Read { key: self.wall(turn.session), value: None };
                Operation::Txn(vec![own, Micro::Read { key: self.wall(friend), value: None }])
            }
        }
    }

    fn observe(&mut self, _turn: Turn, _operation: &Operation, _completion: &Completion) {}

    fn final_reads(&self) -> Vec<Operation> {
        let volumes = self.walls.iter().flat_map(|(s, w)| (0..=w.volume).map(move |v| (*s, v)));
        volumes.map(|(session, volume)| read(wall_name(session, volume))).collect()
    }
}

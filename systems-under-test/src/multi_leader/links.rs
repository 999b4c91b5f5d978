//! What a node knows of the others, and which events it sends to whom.
//!
//! Each node remembers of each other how much that has of every origin (its *cursor* there: kept, so that a node that starts goes on
//! where it was) and how much it has sent. Along the topology an event is sent at once:
//!
//! ```text
//!   all-to-all   n1 ◀──▶ n2        star     n2 ◀──▶ n1 ◀──▶ n3      circular   n1 ──▶ n2
//!                  ◀▶  ◀▶                           (hub)                        ▲     │
//!                    n3                                                           └ n3 ◀┘
//!   own events to all              all events, but nobody's own     all events to the next, but its own
//! ```
//! An event is never sent to its origin: that ends every loop.
//!
//! # Round what is in the way
//!
//! In a ring and a star one node that is gone keeps events from others. Two rules go round it. The next node of a ring is the next
//! one *that is heard*, and the hub of a star the first one that is. And whoever hears that a node has lacked an event for
//! `reroute-after`, and has it, sends it there, whatever the topology: so a cut link between any two is
//! gone round as well, if anybody reaches both.

use super::event::Vector;
use super::options::{Settings, Topology};
use crate::specimen::Micros;

/// What was sent and not confirmed for this long is sent again.
pub(super) const SEND_AGAIN: Micros = 300_000;
/// So many events are under way to one node.
pub(super) const WINDOW: u64 = 400;

/// One other node, as this one knows it.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// What it says that it has on its disk.
    pub has: Vector,
    /// What it was sent.
    pub sent: Vector,
    /// When it was sent or confirmed anything last.
    pub moved: Micros,
    /// When it was heard last.
    pub heard: Option<Micros>,
    /// For each origin, since when it lacks what is here.
    pub lacks: Vec<Option<Micros>>,
    /// How much of it was kept as a cursor.
    pub kept: u64,
    /// Nothing is sent to it any more: only where a planted bug gives up.
    pub given_up: bool,
}

impl Link {
    /// One that has this much, as far as was kept.
    pub fn new(has: Vector, origins: usize) -> Link {
        let (kept, sent) = (has.total(), has.clone());
        Link { has, sent, lacks: vec![None; origins], kept, ..Link::default() }
    }

    /// It was heard within so long.
    pub fn is_alive(&self, now: Micros, within: Micros) -> bool {
        self.heard.is_some_and(|heard| now < heard + within)
    }

    /// It says that it has this much.
    pub fn confirm(&mut self, has: &Vector, now: Micros) {
        if !self.has.covers(has) {
            self.moved = now;
            for (origin, since) in self.lacks.iter_mut().enumerate() {
                if has.of(origin) > self.has.of(origin) {
                    *since = None;
                }
            }
        }
        self.has.join(has);
        self.sent.join(has);
    }

    /// Notes what it lacks of what is here, and sends again what seems lost.
    pub fn watch(&mut self, here: &Vector, now: Micros) {
        for (origin, since) in self.lacks.iter_mut().enumerate() {
            *since = match self.has.of(origin) < here.of(origin) {
                true => Some(since.unwrap_or(now)),
                false => None,
            };
        }
        if self.sent != self.has && now >= self.moved + SEND_AGAIN {
            self.sent = self.has.clone();
            self.moved = now;
        }
    }

    /// How many more events may be under way.
    pub fn room(&self) -> u64 {
        WINDOW.saturating_sub(self.sent.total().saturating_sub(self.has.total()))
    }

    /// Whether it has lacked something of this origin for too long.
    pub fn is_stuck(&self, origin: usize, now: Micros, limit: Micros) -> bool {
        self.lacks[origin].is_some_and(|since| now >= since + limit)
    }
}

/// Who is where: what a node must know to choose.
#[derive(Clone, Debug)]
pub struct Map {
    /// The node that chooses.
    pub me: usize,
    /// How many lead: the first ones.
    pub leaders: usize,
    /// Its follower, if it leads and has one.
    pub follower: Option<usize>,
    topology: Topology,
}

impl Map {
    /// The place of one node.
    pub fn new(settings: &Settings, me: usize, nodes: usize) -> Map {
        let leaders = settings.leader_count(nodes);
        Map { me, leaders, follower: settings.follower_of(me, nodes), topology: settings.topology }
    }

    /// Whether events of this origin are sent to this node at once; `alive` says which nodes are heard.
    pub fn is_direct(&self, origin: usize, to: usize, alive: &dyn Fn(usize) -> bool) -> bool {
        if origin == to || self.me >= self.leaders {
            return false;
        }
        if to >= self.leaders {
            return self.follower == Some(to);
        }
        match self.topology {
            Topology::AllToAll => origin == self.me,
            Topology::Star => {
                let hub = (0..self.leaders).find(|node| *node == self.me || alive(*node));
                hub == Some(self.me) || origin == self.me && hub == Some(to)
            }
            Topology::Circular => to == self.next(alive) || to == (self.me + 1) % self.leaders,
        }
    }

    /// The next leader of the ring that is heard; itself, if there is none.
    pub fn next(&self, alive: &dyn Fn(usize) -> bool) -> usize {
        let ring = (1..self.leaders).map(|step| (self.me + step) % self.leaders);
        ring.into_iter().find(|node| alive(*node)).unwrap_or(self.me)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multi_leader::testing::settings;

    fn sends(topology: &str, me: usize, gone: &[usize]) -> Vec<(usize, usize)> {
        let map = Map::new(&settings(&[("topology", topology)]), me, 4);
        let alive = |node: usize| !gone.contains(&node);
        let pairs = (0..4).flat_map(|origin| (0..4).map(move |to| (origin, to)));
        pairs.filter(|(origin, to)| *to != me && alive(*to) && map.is_direct(*origin, *to, &alive)).collect()
    }

    #[test]
    fn each_topology_sends_along_its_links_and_never_to_the_origin() {
        assert_eq!(sends("all-to-all", 1, &[]), [(1, 0), (1, 2), (1, 3)]);
        assert_eq!(sends("star", 1, &[]), [(1, 0)]);
        assert_eq!(sends("star", 0, &[]).len(), 4 * 3 - 3);
        assert_eq!(sends("circular", 1, &[]), [(0, 2), (1, 2), (3, 2)]);
    }

    #[test]
    fn rings_close_and_stars_find_another_hub() {
        assert_eq!(sends("circular", 1, &[2]), [(0, 3), (1, 3), (2, 3)]);
        assert_eq!(sends("star", 2, &[0]), [(2, 1)], "the first that is heard is the hub");
        assert_eq!(sends("star", 1, &[0]).len(), 3 + 3, "and sends the dead one's events too");
    }

    #[test]
    fn what_is_not_confirmed_is_sent_again_and_what_is_lacked_too_long_is_noticed() {
        let mut here = Vector::default();
        here.raise(1, 3);
        let mut link = Link::new(Vector::default(), 2);
        link.watch(&here, 0);
        link.sent.raise(1, 3);
        link.moved = 1000;
        link.watch(&here, SEND_AGAIN);
        assert_eq!(link.sent.of(1), 3);
        link.watch(&here, SEND_AGAIN + 1000);
        assert_eq!(link.sent.of(1), 0);
        assert!(link.is_stuck(1, 500_000, 500_000) && !link.is_stuck(0, 500_000, 500_000));
        link.confirm(&here, 600_000);
        assert!(!link.is_stuck(1, 900_000, 100_000) && link.room() == WINDOW);
    }
}

//! One node: it answers for the keys that it is a home of, and coordinates what its clients ask.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::bugs::Bug;
use super::burial::Burials;
use super::coordinate::Task;
use super::hints::Deliveries;
use super::messages::{Message, Record, Ticket};
use super::replica::Replica;
use super::ring::Ring;
use super::row::{Row, Tally};
use super::settings::{Quorum, Settings};
use super::stamps::{Actor, Clock};
use crate::parts::json::Item;
use crate::specimen::{Ask, Caller, Context, Garbage, Micros, Outcome, Protocol, Seat, State};

/// One node: coordinator of what it is asked, and home of its keys.
#[derive(Debug)]
pub struct Leaderless {
    pub(super) seat: Seat,
    pub(super) settings: Settings,
    pub(super) quorum: Quorum,
    pub(super) ring: Ring,
    pub(super) replica: Replica,
    pub(super) actor: Actor,
    pub(super) clock: Clock,
    awake: bool,
    /// What it coordinates, by the number of its ticket.
    pub(super) tasks: BTreeMap<u64, Task>,
    pub(super) last_ticket: u64,
    /// How many dots it has given for each key in this life.
    pub(super) dots: BTreeMap<Item, u64>,
    /// The increments that it has coordinated in this life.
    pub(super) tallies: BTreeMap<Item, Tally>,
    pub(super) deliveries: Deliveries,
    pub(super) burials: Burials,
    pub(super) next_comparison: Micros,
}

impl Leaderless {
    /// The nodes that hold a key.
    pub(super) fn homes(&self, key: &Item) -> Vec<usize> {
        let mut nodes = self.ring.preference(key);
        nodes.truncate(self.quorum.n);
        nodes
    }

    pub(super) fn bug(&self, bug: Bug) -> bool {
        self.settings.bug.is(bug)
    }

    pub(super) fn ticket(&self, number: u64) -> Ticket {
        Ticket { start: self.actor.start, number }
    }

    /// Puts something into the journal and into effect.
    pub(super) fn keep(&mut self, record: Record, cx: &mut Context<Self>) {
        self.replica.apply(&record);
        cx.keep(record);
    }

    /// Takes in a row of a key that this node is a home of.
    pub(super) fn take_in(&mut self, key: Item, row: Row, cx: &mut Context<Self>) {
        self.clock.witness(row.newest());
        if self.replica.has(&key, &row) {
            return;
        }
        let removed: Vec<_> =
            row.cells.iter().filter(|(_, cell)| cell.is_tombstone()).map(|(c, cell)| (c.clone(), cell.stamp)).collect();
        self.keep(Record::Merge(key.clone(), row), cx);
        if self.bug(Bug::AbsenceIsOlder) {
            // Nothing is left of what was removed. The tombstone is to stay: to a replica that still has the element, absence
            // here means that it has not arrived yet.
            removed.into_iter().for_each(|(column, stamp)| self.keep(Record::Collect(key.clone(), column, stamp), cx));
        }
        cx.failpoint("merged");
    }

    fn put(
        &mut self,
        from: usize,
        ticket: Ticket,
        key: Item,
        row: Row,
        instead_of: Option<usize>,
        cx: &mut Context<Self>,
    ) {
        match instead_of {
            None => self.take_in(key, row, cx),
            Some(home) => self.keep_hint(home, key, row, cx),
        }
        // What is not on the disk is no copy.
        let mut durably = cx.durably();
        durably.failpoint("kept");
        durably.send(from, Message::Kept { ticket, home: instead_of.unwrap_or(self.seat.me) });
    }
}

impl Protocol for Leaderless {
    type Settings = Settings;
    type Message = Message;
    type Record = Record;

    fn start(seat: Seat, settings: Settings, kept: Vec<Record>, cx: &mut Context<Self>) -> Result<Self, Garbage> {
        let mut replica = Replica::default();
        kept.iter().for_each(|record| replica.apply(record));
        let starts =
            kept.iter().filter_map(|record| if let Record::Start(start) = record { Some(*start) } else { None });
        let start = match settings.bug.is(Bug::DotsReusedAfterRestart) {
            // The names of its last life again, for other updates: whoever has seen those takes these for known. The number of a life
            // belongs into its actor.
            true => 1,
            false => starts.max().unwrap_or(0) + 1,
        };
        let actor = Actor { node: seat.me, start };
        let mut clock = Clock::new(actor, settings.hybrid && !settings.bug.is(Bug::StampIgnoresQuorum));
        replica.rows().for_each(|(_, row, _)| clock.witness(row.newest()));
        cx.keep(Record::Start(start));
        // Before that is on the disk, a crash could give this life's names to the next one.
        cx.durably().send(seat.me, Message::Awake);
        Ok(Leaderless {
            quorum: settings.quorum(seat.count()),
            ring: Ring::new(&seat.names),
            seat,
            settings,
            replica,
            actor,
            clock,
            awake: false,
            tasks: BTreeMap::new(),
            last_ticket: 0,
            dots: BTreeMap::new(),
            tallies: BTreeMap::new(),
            deliveries: Deliveries::default(),
            burials: Burials::default(),
            next_comparison: 0,
        })
    }

    fn hear(&mut self, from: usize, message: Message, cx: &mut Context<Self>) {
        match message {
            Message::Awake => {
                self.awake = true;
                cx.note(format!("awake start={}", self.actor.start));
            }
            Message::Get { ticket, key } => {
                let row = self.replica.everything(&key);
                // What it shows must not be forgotten again.
                cx.durably().send(from, Message::Row { ticket, row });
            }
            Message::Put { ticket, key, row, instead_of } => self.put(from, ticket, key, row, instead_of, cx),
            Message::Row { ticket, row } => self.heard_row(from, ticket, row, cx),
            Message::Kept { ticket, home } => self.heard_kept(from, ticket, home, cx),
            Message::Hand { ticket, key, row } => self.handed(from, ticket, key, row, cx),
            Message::Handed { ticket, key } => self.delivered(from, ticket, key, cx),
            Message::Compare(compare) => self.compare(from, compare, cx),
            Message::Bury { key, column, cell } => self.bury(from, key, column, cell, cx),
            Message::Buried { key, column, stamp } => self.buried(from, key, column, stamp, cx),
            Message::Collect { key, column, stamp } => self.collect(key, column, stamp, cx),
        }
    }

    fn serve(&mut self, caller: Caller, ask: Ask, cx: &mut Context<Self>) {
        match self.awake {
            true => self.coordinate(caller, ask, cx),
            false => cx.answer(caller, Outcome::refused("it has only just started")),
        }
    }

    fn tick(&mut self, cx: &mut Context<Self>) {
        self.press_on(cx);
        self.deliver(cx);
        self.start_comparison(cx);
        self.hold_burials(cx);
    }

    fn condense(&self) -> Vec<Record> {
        std::iter::once(Record::Start(self.actor.start)).chain(self.replica.records()).collect()
    }

    fn state(&self) -> State {
        let (rows, hints) = self.replica.counts();
        State {
            ready: self.awake,
            leads: None,
            role: format!("{rows} rows, {hints} hints"),
            epoch: Some(self.actor.start),
            position: None,
        }
    }

    /// Where every node holds every key, all that it holds. Otherwise there is nothing to compare: nodes hold different things by design,
    /// and what they say instead is how much they keep for others, which is nothing when all is quiet.
    fn dump(&self) -> Json {
        if self.quorum.n < self.seat.count() {
            return Json::from(self.replica.counts().1);
        }
        let member = |(key, row, _): (&Item, &Row, u64)| (crate::parts::store::member(&key.0), row.plain());
        // A row of which only tombstones are left is no different from none.
        let members = self.replica.rows().map(member).filter(|(_, value)| !value.is_null());
        Json::Object(members.collect::<Map<String, Json>>())
    }
}

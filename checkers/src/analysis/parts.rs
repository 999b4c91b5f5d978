//! Which operations of a history belong together, and how each part is to be understood.
//!
//! A recorded history often mixes objects of several kinds: lists that transactions append to, registers, sets,
//! counters. What an object is follows from what is done to it; a read alone says nothing. Each [`Workload`] then gets
//! its own objects to look at.

use histories::{EventIndex, Function, History, ItemFunction, Kind, MicroFunction, Payload, ValueId};

use super::Workload;

/// What an object is, by what is done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    append: bool,
    write: bool,
    cas: bool,
    add: bool,
    membership: bool,
    increment: bool,
    queue: bool,
    stack: bool,
    lock: bool,
    /// Read as one value, or as a list.
    read_scalar: bool,
    read_list: bool,
    /// By a transaction.
    transaction: bool,
    predicate: bool,
}

/// Some objects of a history and how they are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How.
    pub workload: Workload,
    /// Which objects, by the number of their [`histories::KeyId`].
    pub keys: Vec<bool>,
    /// How many client operations it has.
    pub operation_count: u64,
}

impl Part {
    /// Whether the part is the whole history.
    pub fn is_whole(&self) -> bool {
        self.keys.iter().all(|k| *k)
    }

    /// The history of this part, with the indices of the whole.
    pub fn of(&self, history: &History) -> History {
        history.only(|invocation| self.has(history, invocation))
    }

    /// Whether this operation belongs to the part: it works on one of its objects.
    pub fn has(&self, history: &History, invocation: EventIndex) -> bool {
        history.keys_of(invocation).any(|key| self.keys.get(key.0 as usize).copied().unwrap_or(false))
    }
}

/// The parts of a history, in the order of [`Workload::ALL`]. Operations on objects of which nothing is known (read,
/// and never found) are in none.
pub fn parts(history: &History) -> Vec<Part> {
    if let Some(workload) = by_custom_functions(history) {
        let operation_count = history.operations().count() as u64;
        return vec![Part { workload, keys: vec![true; history.key_count()], operation_count }];
    }
    let workloads: Vec<Option<Workload>> = uses(history).iter().map(|u| workload(*u)).collect();
    let mut counts = vec![0; Workload::ALL.len()];
    for operation in history.operations() {
        let first = history.keys_of(operation.invocation).find_map(|key| workloads[key.0 as usize]);
        if let Some(workload) = first {
            counts[place(workload)] += 1;
        }
    }
    let part = |workload: &Workload| Part {
        workload: *workload,
        keys: workloads.iter().map(|w| *w == Some(*workload)).collect(),
        operation_count: counts[place(*workload)],
    };
    Workload::ALL.iter().map(part).filter(|part| part.keys.iter().any(|k| *k)).collect()
}

/// How a history as a whole is understood: as the part with the most operations.
pub fn infer(history: &History) -> Option<Workload> {
    let parts = parts(history);
    parts.iter().max_by_key(|p| (p.operation_count, std::cmp::Reverse(place(p.workload)))).map(|p| p.workload)
}

fn place(workload: Workload) -> usize {
    Workload::ALL.iter().position(|w| *w == workload).unwrap_or(0)
}

/// Transfers make a bank and `generate` makes identifiers, whatever else is done.
fn by_custom_functions(history: &History) -> Option<Workload> {
    history.client_events().find_map(|event| match history.function(event) {
        function @ Function::Custom(_) => match history.function_name(function) {
            "transfer" => Some(Workload::Bank),
            "generate" => Some(Workload::UniqueIds),
            _ => None,
        },
        _ => None,
    })
}

fn uses(history: &History) -> Vec<Uses> {
    let mut uses = vec![Uses::default(); history.key_count()];
    for event in history.client_events() {
        let payload = history.payload(event);
        if let Some(key) = history.key(event) {
            note(&mut uses[key.0 as usize], history.function(event), history.kind(event), payload);
        }
        for micro in history.micros(payload) {
            let uses = &mut uses[micro.key.0 as usize];
            uses.transaction = true;
            match micro.f {
                MicroFunction::Read => note_read(uses, history.kind(event), micro.value),
                MicroFunction::Append => uses.append = true,
                MicroFunction::Write => uses.write = true,
                MicroFunction::Insert | MicroFunction::Delete | MicroFunction::Predicate => uses.predicate = true,
            }
        }
    }
    join_transactions(&mut uses);
    uses
}

fn note(uses: &mut Uses, function: Function, kind: Kind, payload: Payload) {
    match function {
        Function::Read => note_read(uses, kind, payload),
        Function::Write => uses.write = true,
        Function::Cas => uses.cas = true,
        Function::Append => uses.append = true,
        Function::Add => uses.add = true,
        Function::Remove | Function::Contains => uses.membership = true,
        Function::Increment => uses.increment = true,
        Function::Item(ItemFunction::Enqueue | ItemFunction::Dequeue) => uses.queue = true,
        Function::Item(ItemFunction::Push | ItemFunction::Pop) => uses.stack = true,
        Function::Item(ItemFunction::Acquire | ItemFunction::Release) => uses.lock = true,
        Function::Txn | Function::Custom(_) => {}
    }
}

fn note_read(uses: &mut Uses, kind: Kind, payload: Payload) {
    match payload {
        Payload::List { .. } => uses.read_list = true,
        Payload::Value(value) if kind == Kind::Ok && value != ValueId::NULL => uses.read_scalar = true,
        _ => {}
    }
}

/// One read by predicate makes all objects of transactions a universe.
fn join_transactions(uses: &mut [Uses]) {
    if !uses.iter().any(|u| u.predicate) {
        return;
    }
    for uses in uses.iter_mut().filter(|u| u.transaction) {
        uses.predicate = true;
    }
}

/// An object that is only read is a list or a register by what was found; one that was read and never found is neither.
fn workload(uses: Uses) -> Option<Workload> {
    Some(match uses {
        Uses { predicate: true, .. } => Workload::Predicate,
        Uses { append: true, .. } => Workload::ListAppend,
        Uses { membership: true, .. } => Workload::MembershipSet,
        Uses { add: true, read_scalar: true, read_list: false, .. } | Uses { increment: true, .. } => Workload::Counter,
        Uses { add: true, .. } => Workload::Set,
        Uses { queue: true, .. } => Workload::Queue,
        Uses { stack: true, .. } => Workload::Stack,
        Uses { lock: true, .. } => Workload::Lock,
        Uses { transaction: true, read_list: true, write: false, .. } => Workload::ListAppend,
        Uses { transaction: true, write: true, .. } | Uses { transaction: true, read_scalar: true, .. } => {
            Workload::RwRegister
        }
        Uses { transaction: true, .. } => return None,
        Uses { cas: true, .. } => Workload::CasRegister,
        Uses { write: true, .. } => Workload::Register,
        Uses { read_list: true, .. } => Workload::ListAppend,
        Uses { read_scalar: true, .. } => Workload::Register,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation;

    fn workloads(text: &str) -> Vec<Workload> {
        parts(&notation::history(text)).iter().map(|p| p.workload).collect()
    }

    #[test]
    fn an_object_is_what_is_done_to_it() {
        assert_eq!(workloads("ax1 rx1"), [Workload::ListAppend]);
        assert_eq!(workloads("wx1 ry1 cx1>2 wz1"), [Workload::Register, Workload::CasRegister]);
        assert_eq!(workloads("wx1ry1 az1rz1"), [Workload::ListAppend, Workload::RwRegister]);
        assert_eq!(workloads("+x1 rx1"), [Workload::Set]);
        assert_eq!(workloads("+x1 rx(1)"), [Workload::Counter]);
        assert_eq!(workloads("ex1 dx1 py1 oy1 lz uz"), [Workload::Queue, Workload::Stack, Workload::Lock]);
        assert_eq!(workloads("rx_"), []);
        assert_eq!(workloads("~transfer{\"from\":1}"), [Workload::Bank]);
        assert_eq!(workloads("{q(1)[]} {wx1}"), [Workload::Predicate]);
    }

    #[test]
    fn a_part_holds_its_own_operations_in_their_places() {
        let history = notation::history("ax1 wy1 rx1 ry1");
        let parts = parts(&history);
        let part = parts[0].of(&history);
        assert_eq!(part.len(), history.len());
        let places: Vec<u32> = part.operations().map(|o| o.invocation.0).collect();
        assert_eq!((places, parts[0].operation_count), (vec![0, 4], 2));
    }
}

//! Operations that are known to take effect in stages: everything of one stage before everything of the next.
//!
//! Where each operation has a stage, and those of one stage can take effect in any order, a history is linearizable iff
//! no operation is completed before one of an earlier stage is invoked. Sort by stage, and within a stage by
//! invocation: this contradicts neither the stages nor, without such a pair, the time.

/// An operation, or several that take effect as one: it begins when the last of them does and ends when the first of
/// them does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    /// Position at which it begins; it may be after the end.
    pub call: u32,
    /// Position at which it ends.
    pub ret: u32,
    /// Its stage.
    pub stage: u32,
    /// Whatever the owner knows it by.
    pub id: u32,
}

/// All operations that come too late, each with one of a later stage that was completed before it was invoked. One that
/// ends before it begins is in its own way.
pub(super) fn too_late(operations: &[Staged]) -> Vec<(Staged, Staged)> {
    let mut wrong: Vec<(Staged, Staged)> =
        operations.iter().filter(|op| op.ret < op.call).map(|op| (*op, *op)).collect();
    let by_call: Vec<(u32, u32)> = numbered(operations.iter().map(|op| op.call));
    let by_ret: Vec<(u32, u32)> = numbered(operations.iter().map(|op| op.ret));
    let mut ended = by_ret.into_iter().peekable();
    let mut latest: Option<Staged> = None;
    for (call, i) in by_call {
        while let Some((_, j)) = ended.next_if(|(ret, _)| *ret < call) {
            let op = operations[j as usize];
            if latest.is_none_or(|latest| latest.stage < op.stage) {
                latest = Some(op);
            }
        }
        if let Some(first) = latest.filter(|latest| latest.stage > operations[i as usize].stage) {
            wrong.push((first, operations[i as usize]));
        }
    }
    wrong
}

fn numbered(positions: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut numbered: Vec<(u32, u32)> = positions.zip(0..).collect();
    if !numbered.is_sorted() {
        numbered.sort_unstable();
    }
    numbered
}

//! What a session had observed of a key when one of its operations began.
//!
//! Operations of a session follow one another, as a rule, and then the past is the last observation alone. Where two
//! of them overlap in time neither comes before the other, so an observation stays until another one is known to
//! follow it, for every operation that could still ask:
//!
//! ```text
//! session   |--r1--|   |---r2---|
//!                          |-----------r3-----------|   |--r4--|
//!
//!           r2 and r3 follow r1, and not each other: r4 is compared with both of them.
//! ```

/// An observation, and the interval of the operation that made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<T> {
    /// Index of the invocation.
    pub(crate) call: u32,
    /// Index of the completion.
    pub(crate) ret: u32,
    pub(crate) what: T,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Past<T> {
    last: Option<Seen<T>>,
    /// Those before the last one that are still needed; as a rule there are none.
    others: Vec<Seen<T>>,
}

impl<T> Default for Past<T> {
    fn default() -> Self {
        Past { last: None, others: Vec::new() }
    }
}

impl<T> Past<T> {
    /// The observations that were complete when an operation was invoked, without those that were followed by another.
    #[inline]
    pub(crate) fn before(&self, call: u32) -> impl Iterator<Item = &Seen<T>> {
        let due = move |seen: &&Seen<T>| seen.ret < call;
        let all = self.others.iter().chain(&self.last);
        all.filter(due).filter(move |seen| self.others.is_empty() || !self.is_followed(seen, call))
    }

    fn is_followed(&self, seen: &Seen<T>, call: u32) -> bool {
        let all = self.others.iter().chain(&self.last);
        all.into_iter().any(|other| other.ret < call && seen.ret < other.call)
    }

    /// Takes in an observation that is complete just now. `open` are the invocations of the session's open operations.
    #[inline]
    pub(crate) fn learn(&mut self, seen: Seen<T>, open: &[u32]) {
        let needed = |old: &Seen<T>| old.ret >= seen.call || open.iter().any(|call| old.ret < *call);
        self.others.retain(needed);
        self.others.extend(self.last.take().filter(needed));
        self.last = Some(seen);
    }
}

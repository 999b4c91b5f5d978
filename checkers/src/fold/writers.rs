//! Whether one session alone writes a register, so that its order is the order of versions.

use histories::KeyId;

use super::keys::slot;
use super::sessions::SessionIndex;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Writers(Vec<Who>);

#[derive(Clone, Copy, Default)]
enum Who {
    #[default]
    Nobody,
    Only(SessionIndex),
    Several,
}

impl Writers {
    /// Takes in that this session was asked to write the key.
    pub(crate) fn note(&mut self, key: KeyId, session: SessionIndex) {
        let who = slot(&mut self.0, key.0 as usize);
        *who = match *who {
            Who::Nobody => Who::Only(session),
            Who::Only(one) if one == session => Who::Only(one),
            Who::Only(_) | Who::Several => Who::Several,
        };
    }

    /// Whether one session alone was asked to write it so far.
    pub(crate) fn is_single(&self, key: KeyId) -> bool {
        matches!(self.0.get(key.0 as usize), Some(Who::Only(_)))
    }
}

//! One acknowledged transaction, list by list: what it may expect of its own steps, and what each of its reads says.

use histories::{History, KeyId, MicroFunction, MicroOp, Payload};

use super::super::orders::elements;
use super::super::within::Known;
use super::{NONE, OnlineLists, Stop};
use crate::models::AnomalyType;

impl OnlineLists {
    /// Looks at the steps of a transaction whose reads the orders of their lists hold.
    pub(super) fn within(&mut self, history: &History, transaction: u32, steps: &[MicroOp]) -> Result<(), Stop> {
        if let [step] = steps {
            return self.steps_on_list(history, transaction, step.key, &[*step]);
        }
        let mut steps: Vec<(KeyId, usize, MicroOp)> = steps.iter().enumerate().map(|(i, s)| (s.key, i, *s)).collect();
        steps.sort_unstable_by_key(|(key, i, _)| (*key, *i));
        let mut of_key = Vec::new();
        for same in steps.chunk_by(|a, b| a.0 == b.0) {
            of_key.clear();
            of_key.extend(same.iter().map(|(.., step)| *step));
            self.steps_on_list(history, transaction, same[0].0, &of_key)?;
        }
        Ok(())
    }

    fn steps_on_list(
        &mut self,
        history: &History,
        transaction: u32,
        key: KeyId,
        steps: &[MicroOp],
    ) -> Result<(), Stop> {
        if !self.judges(key) {
            return Ok(());
        }
        let appends = steps.iter().any(|step| step.f == MicroFunction::Append);
        if steps.len() > 1 {
            self.own_answers(history, steps)?;
        }
        let first = Some(&steps[0]).filter(|step| step.f == MicroFunction::Read);
        let update = first.and_then(|step| elements(history, step.value)).filter(|_| appends);
        if let Some(read) = update {
            self.update(key, read.len() as u32)?;
        }
        let mut own = false;
        for step in steps {
            match elements(history, step.value).filter(|_| step.f == MicroFunction::Read) {
                Some(read) => self.depend(transaction, step, read.len() as u32, own, appends)?,
                None => own |= step.f == MicroFunction::Append,
            }
        }
        Ok(())
    }

    /// What it read and appended itself it expects to find, and what it appends later it does not.
    fn own_answers(&self, history: &History, steps: &[MicroOp]) -> Result<(), Stop> {
        let (mut known, mut longest) = (Known::default(), 0);
        for step in steps {
            match (step.f, step.value) {
                (MicroFunction::Append, Payload::Value(value)) => {
                    known.appended.push(value);
                    let position = self.append_of(step.key, value).map_or(NONE, |append| append.position);
                    if position < longest {
                        self.found(AnomalyType::FutureRead)?;
                    }
                }
                (_, value) => {
                    let Some(answer) = elements(history, value) else { continue };
                    if !known.allows(answer) {
                        self.found(AnomalyType::Internal)?;
                    }
                    longest = longest.max(answer.len() as u32);
                    known = Known { read: Some(answer), appended: Vec::new() };
                }
            }
        }
        Ok(())
    }
}

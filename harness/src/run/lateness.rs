//! Steps of the nemesis that came later than they were due: the faults that a run really had are not quite those of its plan.

/// What a busy machine takes for a fault is less.
const LATE_MS: u64 = 250;

/// The steps that came late.
#[derive(Default)]
pub struct Lateness {
    count: usize,
    latest: Option<(u64, String)>,
}

impl Lateness {
    /// A step came `late_ms` after it was due.
    pub fn note(&mut self, late_ms: u64, step: impl FnOnce() -> String) {
        if late_ms <= LATE_MS {
            return;
        }
        self.count += 1;
        if self.latest.as_ref().is_none_or(|(latest, _)| *latest < late_ms) {
            self.latest = Some((late_ms, step()));
        }
    }

    /// What the reader should know of them.
    pub fn note_for_reader(&self) -> Option<String> {
        let (late_ms, step) = self.latest.as_ref()?;
        let seconds = *late_ms as f64 / 1000.0;
        Some(match self.count {
            1 => format!("a fault came late, by {seconds:.1} s: {step}"),
            count => format!("{count} faults came late, the latest by {seconds:.1} s: {step}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_those_that_came_late_is_named() {
        let mut lateness = Lateness::default();
        let mut note = |late_ms, step: &str| lateness.note(late_ms, || step.to_owned());
        note(LATE_MS, "kill n1");
        note(251, "pause n2");
        assert_eq!(lateness.note_for_reader().as_deref(), Some("a fault came late, by 0.3 s: pause n2"));
        let mut note = |late_ms, step: &str| lateness.note(late_ms, || step.to_owned());
        note(1_200, "heal of kill n1");
        note(900, "kill n3");
        let told = "3 faults came late, the latest by 1.2 s: heal of kill n1";
        assert_eq!(lateness.note_for_reader().as_deref(), Some(told));
        assert_eq!(Lateness::default().note_for_reader(), None);
    }
}

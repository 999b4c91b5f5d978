//! What there is to say of a model beside its row: where it is otherwise than in Elle.

use super::Model;
use super::table::ELLE_READS_OTHERWISE;

impl Model {
    /// Where this model is judged otherwise than Elle does, in whole sentences; often nothing.
    pub fn notes(self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.about().in_elle {
            notes.push("Elle does not have it.".to_owned());
        }
        if self.is_silent_in_elle() {
            notes.push(
                "Elle has it and forbids nothing for it, so that every history satisfies it there. Here it is judged; \
                 where an anomaly that Elle knows rules it out, it is named apart from Elle's lists."
                    .to_owned(),
            );
        }
        let apart = ELLE_READS_OTHERWISE.iter().filter(|(stronger, _)| *stronger == self);
        let apart: Vec<&str> = apart.map(|(_, weaker)| weaker.name()).collect();
        if !apart.is_empty() {
            notes.push(format!(
                "That it implies {} is true as Elle reads them. Beyond the anomalies that Elle knows, what is found here \
                 against those does not count against it.",
                apart.join(" and ")
            ));
        }
        if self.leaves_versions_open() {
            notes.push("Cycles on an order of versions that was only assumed do not count against it.".to_owned());
        }
        notes
    }
}

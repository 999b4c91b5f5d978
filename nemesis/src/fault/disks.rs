//! Faults of disks, in words.

use crate::disk::{CutMode, DiskFault, Effect, PowerCut};

/// What is left of what was not fsynced.
pub(super) fn cut_in_words(cut: &PowerCut) -> String {
    match cut.mode {
        CutMode::Drop => "all that was not fsynced is lost".to_owned(),
        CutMode::Prefix => "what came after some moment is lost".to_owned(),
        CutMode::Subset { probability } => format!("{} % of the sectors are kept", probability * 100.0),
        CutMode::Torn => "the last write is torn".to_owned(),
    }
}

/// What, how often, where: empty where the name of the fault says it all.
pub(super) fn in_words(fault: &DiskFault) -> String {
    let effect = match fault.effect {
        Effect::Error(kind) => Some(format!("{kind:?}").to_uppercase()),
        Effect::Delay { us, jitter_us } => Some(format!("{} to {} ms", us / 1000, (us + jitter_us) / 1000)),
        Effect::FlipBits { bits } => Some(format!("{bits} of a read")),
        _ => None,
    };
    let often = (fault.probability < 1.0).then(|| format!("{} %", fault.probability * 100.0));
    let times = fault.count.map(|count| format!("{count} times"));
    let path = fault.path.as_ref().map(|path| format!("at {path}"));
    let operations = (!fault.operations.is_empty()).then(|| format!("{:?}", fault.operations).to_lowercase());
    let parts: Vec<String> = [effect, operations, often, times, path].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

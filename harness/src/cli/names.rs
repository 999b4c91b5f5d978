//! Names that users type, and the nearest right one to a wrong one.

use std::sync::Arc;

use checkers::{AnomalyType, Model};
use histories::Guarantee;
use systems_under_test::System;

use crate::failure::Failure;
use crate::suggest::hint;
use crate::workloads::{self, WorkloadSpec};

/// The bundled system with this name.
pub fn system(name: &str) -> Result<Arc<dyn System>, Failure> {
    let systems = systems_under_test::bundled();
    let known: Vec<String> = systems.iter().map(|s| s.name().to_owned()).collect();
    let found = systems.into_iter().find(|s| s.name() == name).map(Arc::from);
    found.ok_or_else(|| {
        Failure::usage(format!("no system is named '{name}'"))
            .help(format!("{}; see `splitbrain list systems`", hint(name, known.iter().map(String::as_str))))
    })
}

/// The workload with this name.
pub fn workload(name: &str) -> Result<&'static WorkloadSpec, Failure> {
    workloads::find(name).ok_or_else(|| {
        Failure::usage(format!("no workload is named '{name}'"))
            .help(format!("{}; see `splitbrain list workloads`", hint(name, workloads::ALL.iter().map(|w| w.name))))
    })
}

/// The guarantees with these names.
pub fn guarantees(names: &[String]) -> Result<Vec<Guarantee>, Failure> {
    let mut found = names.iter().map(|n| guarantee(n)).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The guarantee with this name.
pub fn guarantee(name: &str) -> Result<Guarantee, Failure> {
    name.parse().map_err(|_| {
        let known = Guarantee::ALL.map(Guarantee::name);
        Failure::usage(format!("no guarantee is named '{name}'"))
            .help(format!("{}; see `splitbrain list guarantees`", hint(name, known)))
    })
}

/// The consistency model with this name or alias.
pub fn model(name: &str) -> Result<Model, Failure> {
    name.parse().map_err(|_| {
        let known = Model::ALL.iter().flat_map(|m| std::iter::once(m.name()).chain(m.aliases().iter().copied()));
        Failure::usage(format!("no consistency model is named '{name}'"))
            .help(format!("{}; see `splitbrain list models`", hint(name, known)))
    })
}

/// The anomaly with this name.
pub fn anomaly(name: &str) -> Result<AnomalyType, Failure> {
    name.parse().map_err(|_| {
        Failure::usage(format!("no anomaly is named '{name}'"))
            .help(format!("{}; see `splitbrain list anomalies`", hint(name, AnomalyType::ALL.iter().map(|a| a.name()))))
    })
}

/// The way to understand a history with this name.
pub fn history_workload(name: &str) -> Result<checkers::Workload, Failure> {
    name.parse().map_err(|_| {
        let known = checkers::Workload::ALL.iter().map(|w| w.name());
        Failure::usage(format!("no history is understood as '{name}'"))
            .help(format!("{}; see `splitbrain list histories`", hint(name, known)))
    })
}

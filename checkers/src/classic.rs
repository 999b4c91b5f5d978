//! Invariants of well-known workloads: bank totals, sets, counters, long forks, unique identifiers.

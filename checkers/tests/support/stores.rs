//! Simulated stores.

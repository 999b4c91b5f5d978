//! Placeholder until this crate has its hot path.
fn main() {}

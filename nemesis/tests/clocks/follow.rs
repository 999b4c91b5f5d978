//! x
pub const TESTS: &[crate::runner::Test] = &[];

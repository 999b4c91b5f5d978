//! Clocks.
pub(crate) mod page;
mod skew;
#[allow(unsafe_code)]
pub(crate) mod stub;
pub use skew::{Skew, SkewError, Strobe};
pub(crate) use skew::Course;
pub(crate) use page::WORDS as PAGE_WORDS;

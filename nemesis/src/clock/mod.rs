//! Clocks.
pub(crate) mod calls;
pub(crate) mod coverage;
pub(crate) mod follow;
pub(crate) mod inject;
pub(crate) mod page;
pub(crate) mod probe;
mod reading;
mod remote;
mod skew;
#[allow(unsafe_code)]
pub(crate) mod stub;
mod vdso;
pub use coverage::{Coverage, InjectionStep, ProcessClock, Uncovered, Variant};
pub(crate) use page::WORDS as PAGE_WORDS;
pub use reading::ClockReading;
pub(crate) use reading::ClockSurvey;
pub(crate) use skew::Course;
pub use skew::{Skew, SkewError, Strobe};

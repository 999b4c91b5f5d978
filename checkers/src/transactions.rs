//! Transactional histories: version orders, dependencies, and the anomalies of Adya and Elle.
//!
//! A history tells which transactions ran and what each of them saw. An analyzer finds out what that says about the order
//! in which they ran, as edges between transactions, and looks for contradictions: what one read should not have shown,
//! and cycles of edges, whatever their length.
//!
//! ```text
//!   history ─▶ transactions ─▶ versions and their order ─▶ dependencies ─▶ cycles ─▶ anomalies in words
//!              reading          orders, versions, objects   edges           graphs    telling
//! ```
//! - [`list_append`]: lists, which tell the order of their versions themselves.
//! - [`rw_register`]: registers, of which the order of versions has to be inferred or assumed.
//! - [`predicate`]: objects of a closed universe that are read by predicates.
//!
//! All three find what is there, whatever was asked. The question decides three things only: whether the order of
//! processes or of real time counts, what may be assumed of registers, and, later, what of all that was found is
//! prohibited.

mod components;
mod edges;
mod groups;
pub mod list_append;
pub mod predicate;
mod reading;
pub mod rw_register;
mod telling;

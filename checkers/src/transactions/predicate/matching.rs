//! The predicates that are understood, and which values they hold of.
//!
//! | predicate        | holds of                                                    |
//! | ---------------- | ----------------------------------------------------------- |
//! | `"true"`, `true` | every object that exists                                    |
//! | `["=", v]`       | objects with this value                                     |
//! | `["mod", m, r]`  | objects with a whole number that leaves `r` divided by `m`  |

use histories::Scalar;
use serde_json::Value as Json;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    True,
    Equals(Scalar),
    Remainder(i64, i64),
}

impl Predicate {
    /// The predicate that a JSON value stands for; `None` if it is none that is understood.
    pub(super) fn parse(scalar: &Scalar) -> Option<Predicate> {
        match scalar.to_json() {
            Json::Bool(true) => Some(Predicate::True),
            Json::String(text) if text == "true" => Some(Predicate::True),
            Json::Array(parts) => match parts.as_slice() {
                [Json::String(equals), value] if equals == "=" => {
                    Some(Predicate::Equals(Scalar::from_json(value.clone())))
                }
                [Json::String(modulo), m, r] if modulo == "mod" => {
                    let (m, r) = (m.as_i64()?, r.as_i64()?);
                    (m != 0).then_some(Predicate::Remainder(m, r))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it holds of an object with this value.
    pub(super) fn holds(&self, value: &Scalar) -> bool {
        match (self, value) {
            (Predicate::True, _) => true,
            (Predicate::Equals(wanted), value) => wanted == value,
            (Predicate::Remainder(m, r), Scalar::Int(i)) => i128::from(*i).rem_euclid(i128::from(*m)) == i128::from(*r),
            (Predicate::Remainder(..), _) => false,
        }
    }
}

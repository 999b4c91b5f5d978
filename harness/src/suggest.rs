//! The nearest right name to a wrong one.

/// The known name that `given` was most likely meant to be: at most a third of its letters away.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let best = known.into_iter().map(|name| (strsim::osa_distance(&given, &name.to_ascii_lowercase()), name)).min()?;
    let begins = best.1.to_ascii_lowercase().starts_with(&given) && !given.is_empty();
    let near = best.0 <= (given.chars().count() / 3).max(1) || begins;
    near.then_some(best.1)
}

/// `did you mean 'set'?`, or what there is.
pub fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(given, known.clone()) {
        Some(name) => format!("did you mean '{name}'?"),
        None => format!("there are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised() {
        let known = ["durability", "monotonic-reads", "monotonic-writes", "convergence"];
        assert_eq!(nearest("durabilty", known), Some("durability"));
        assert_eq!(nearest("monotonic-raeds", known), Some("monotonic-reads"));
        assert_eq!(nearest("conv", known), Some("convergence"));
        assert_eq!(nearest("linearizable", known), None);
        assert_eq!(nearest("g-singel", ["G-single", "G0"]), Some("G-single"));
        assert_eq!(hint("xyz", ["a", "b"]), "there are a, b");
    }
}

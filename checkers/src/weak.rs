//! Weak consistency: causal consistency and its kin, PRAM, prefixes, staleness.

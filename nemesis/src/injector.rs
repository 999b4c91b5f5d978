//! Installs faults, heals them, keeps the ledger. (interface first; being written)

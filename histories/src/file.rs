//! JSON Lines on disk, append-only, gzip when sealed. (being written)

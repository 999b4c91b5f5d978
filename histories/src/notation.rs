//! A whole history on one line, for tests. (being written)

//! Which fault when. (interface first; being written)

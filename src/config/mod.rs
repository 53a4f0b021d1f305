//! Settings as values.

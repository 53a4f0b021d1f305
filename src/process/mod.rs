//! Being, making and watching processes.

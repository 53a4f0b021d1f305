//! Life of the parent: what should be, what is, and the difference made good.

//! The header fields of one request, borrowed from the bytes that it came in.

use std::{fmt, mem::MaybeUninit};

/// The most header fields that a request may have; more is answered with 431.
pub const MAX_FIELDS: usize = 100;

/// A field: its name, and its value without the space around it.
pub(crate) type Field<'a> = httparse::Header<'a>;

/// Room for the fields of one head, on the stack: nothing is allocated or cleared for a request.
pub struct FieldStorage<'a>(pub(super) [MaybeUninit<httparse::Header<'a>>; MAX_FIELDS]);

impl FieldStorage<'_> {
    /// Room for [`MAX_FIELDS`] fields, not yet written to.
    pub const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_FIELDS])
    }
}

impl Default for FieldStorage<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The header fields of one request, in the order in which they came. Names compare without regard to case (RFC
/// 9110, section 5.1); values have no space around them.
#[derive(Clone, Copy, Default)]
pub struct Fields<'a>(pub(super) &'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    /// These fields.
    pub(crate) const fn new(fields: &'a [Field<'a>]) -> Self {
        Self(fields)
    }

    /// The value of the first field called `name`, as it came.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all fields called `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// Whether `element` stands in the comma-separated list that the fields called `name` make, in whatever case.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.all(name).flat_map(list).any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// Every field, name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0.iter().map(|field| (field.name, field.value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields<'_> {}

/// The elements of a comma-separated list (RFC 9110, section 5.6.1), without the space around them; empty elements
/// are skipped, as that section asks.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

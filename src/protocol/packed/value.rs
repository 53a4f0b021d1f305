//! One value of a packed structure, and the letter that says how its bytes look.

use std::fmt;

use super::{PackError, format::Order};

/// A value of a packed structure.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `b h i l q n`.
    Signed(i64),
    /// `B H I L Q N`.
    Unsigned(u64),
    /// `f` and `d`; a `float` is rounded to its four bytes.
    Float(f64),
    /// `?`.
    Bool(bool),
    /// `c` and `s`.
    Bytes(Vec<u8>),
}

impl Eq for Value {}

impl Value {
    fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Signed(whole) => Some((*whole).into()),
            Self::Unsigned(whole) => Some((*whole).into()),
            Self::Float(_) | Self::Bool(_) | Self::Bytes(_) => None,
        }
    }

    /// A whole number is a float, too.
    fn as_float(&self) -> Option<f64> {
        if let Self::Float(float) = self { Some(*float) } else { self.as_integer().map(|whole| whole as f64) }
    }
}

/// As Python writes it: `1`, `1.25`, `True`, `b'asdd'`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(number) => write!(f, "{number}"),
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Bytes(bytes) => {
                f.write_str("b'")?;
                bytes.iter().try_for_each(|byte| match byte {
                    b'\t' => f.write_str("\\t"),
                    b'\n' => f.write_str("\\n"),
                    b'\r' => f.write_str("\\r"),
                    b'\'' | b'\\' => write!(f, "\\{}", char::from(*byte)),
                    b' '..=b'~' => write!(f, "{}", char::from(*byte)),
                    0..b' ' | 0x7F.. => write!(f, "\\x{byte:02x}"),
                })?;
                f.write_str("'")
            }
        }
    }
}

/// How a value's bytes look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letter {
    Char,
    Text,
    Bool,
    Float(char, usize),
    Signed(char, usize),
    Unsigned(char, usize),
}

impl Letter {
    /// The letter's meaning; `aligned` is "as C does it on this machine".
    pub fn find(letter: char, aligned: bool) -> Option<Self> {
        let long = if aligned { size_of::<std::ffi::c_long>() } else { 4 };
        Some(match letter {
            'c' => Self::Char,
            's' => Self::Text,
            '?' => Self::Bool,
            'f' => Self::Float(letter, 4),
            'd' => Self::Float(letter, 8),
            'b' => Self::Signed(letter, 1),
            'h' => Self::Signed(letter, 2),
            'i' => Self::Signed(letter, 4),
            'l' => Self::Signed(letter, long),
            'q' => Self::Signed(letter, 8),
            'B' => Self::Unsigned(letter, 1),
            'H' => Self::Unsigned(letter, 2),
            'I' => Self::Unsigned(letter, 4),
            'L' => Self::Unsigned(letter, long),
            'Q' => Self::Unsigned(letter, 8),
            'n' if aligned => Self::Signed(letter, size_of::<isize>()),
            'N' if aligned => Self::Unsigned(letter, size_of::<usize>()),
            _ => return None,
        })
    }

    /// As it stands in a format.
    pub fn name(self) -> char {
        match self {
            Self::Char => 'c',
            Self::Text => 's',
            Self::Bool => '?',
            Self::Float(name, _) | Self::Signed(name, _) | Self::Unsigned(name, _) => name,
        }
    }

    /// The bytes of one value, and with C's rules also the multiple at which it stands.
    pub fn width(self) -> usize {
        match self {
            Self::Char | Self::Text | Self::Bool => 1,
            Self::Float(_, width) | Self::Signed(_, width) | Self::Unsigned(_, width) => width,
        }
    }

    /// Writes a value into its place.
    pub fn pack(self, value: &Value, order: Order, place: &mut [u8]) -> Result<(), PackError> {
        let misfit = || PackError::Value { letter: self.name(), value: value.clone() };
        match (self, value) {
            (Self::Text, Value::Bytes(bytes)) => {
                let length = bytes.len().min(place.len());
                place[..length].copy_from_slice(&bytes[..length]);
            }
            (Self::Char, Value::Bytes(bytes)) if bytes.len() == 1 => place.copy_from_slice(bytes),
            (
                Self::Char
                | Self::Text
                | Self::Bool
                | Self::Float(..)
                | Self::Signed(..)
                | Self::Unsigned(..),
                _,
            ) => {
                write_number(self.bits(value).ok_or_else(misfit)?, order, place);
            }
        }
        Ok(())
    }

    /// The bits of a number, if it fits.
    fn bits(self, value: &Value) -> Option<u64> {
        match self {
            Self::Char | Self::Text => None,
            Self::Bool => {
                if let Value::Bool(bit) = value {
                    Some(u64::from(*bit))
                } else {
                    None
                }
            }
            Self::Float(_, width) => {
                let float = value.as_float()?;
                let single = float as f32;
                if width == 8 {
                    Some(float.to_bits())
                } else if single.is_infinite() && float.is_finite() {
                    None
                } else {
                    Some(single.to_bits().into())
                }
            }
            Self::Signed(_, width) => {
                let (whole, half) = (value.as_integer()?, 1_i128 << (8 * width - 1));
                (-half..half).contains(&whole).then_some(whole as u64)
            }
            Self::Unsigned(_, width) => {
                let whole = value.as_integer()?;
                (0..1_i128 << (8 * width)).contains(&whole).then_some(whole as u64)
            }
        }
    }

    /// The value of the bytes in its place.
    pub fn unpack(self, place: &[u8], order: Order) -> Value {
        let bits = || read_number(place, order);
        match self {
            Self::Char | Self::Text => Value::Bytes(place.to_vec()),
            Self::Bool => Value::Bool(place[0] != 0),
            Self::Float(_, 4) => Value::Float(f32::from_bits(bits() as u32).into()),
            Self::Float(..) => Value::Float(f64::from_bits(bits())),
            Self::Signed(_, width) => {
                let spare = 64 - 8 * width as u32;
                Value::Signed((bits() << spare).cast_signed() >> spare)
            }
            Self::Unsigned(..) => Value::Unsigned(bits()),
        }
    }
}

/// Writes as many of the number's low bytes as there is place for.
fn write_number(bits: u64, order: Order, place: &mut [u8]) {
    let width = place.len();
    match order {
        Order::Little => place.copy_from_slice(&bits.to_le_bytes()[..width]),
        Order::Big => place.copy_from_slice(&bits.to_be_bytes()[8 - width..]),
    }
}

fn read_number(place: &[u8], order: Order) -> u64 {
    let append = |bits, byte: &u8| bits << 8 | u64::from(*byte);
    match order {
        Order::Little => place.iter().rev().fold(0, append),
        Order::Big => place.iter().fold(0, append),
    }
}

//! A format string, understood: which bytes of a structure are which value.

use std::str::FromStr;

use super::{PackError, Value, value::Letter};

/// The layout of a packed structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    order: Order,
    fields: Vec<Field>,
    size: usize,
}

/// Which end of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// One value of the structure, or its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    letter: Letter,
    at: usize,
    length: usize,
}

impl Order {
    const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };
}

impl Format {
    /// The longest structure, in bytes.
    pub const LONGEST: usize = 1 << 20;

    /// How many bytes the structure has, padding included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many values it has.
    pub fn count(&self) -> usize {
        self.fields.len()
    }

    /// The bytes of these values. Padding is NULs; text is cut to its field's length, or padded with NULs.
    ///
    /// # Errors
    /// When their number is another than the format's, or one does not fit its letter.
    pub fn pack(&self, values: &[Value]) -> Result<Vec<u8>, PackError> {
        if values.len() != self.count() {
            return Err(PackError::Count { expected: self.count(), found: values.len() });
        }
        let mut bytes = vec![0; self.size];
        for (field, value) in self.fields.iter().zip(values) {
            let place = &mut bytes[field.at..field.at + field.length];
            field.letter.pack(value, self.order, place)?;
        }
        Ok(bytes)
    }

    /// The values of these bytes.
    ///
    /// # Errors
    /// When their number is another than the format's.
    pub fn unpack(&self, bytes: &[u8]) -> Result<Vec<Value>, PackError> {
        if bytes.len() != self.size {
            return Err(PackError::Length { expected: self.size, found: bytes.len() });
        }
        let value =
            |field: &Field| field.letter.unpack(&bytes[field.at..field.at + field.length], self.order);
        Ok(self.fields.iter().map(value).collect())
    }

    /// The letters of its values, in order: `i`, `s`, `f` for `i4sf`.
    pub fn letters(&self) -> impl Iterator<Item = char> + '_ {
        self.fields.iter().map(|field| field.letter.name())
    }

    fn push(&mut self, letter: char, count: Option<usize>, aligned: bool) -> Result<(), PackError> {
        let count_or_one = count.unwrap_or(1);
        if letter == 'x' {
            return self.grow(count_or_one);
        }
        let letter = Letter::find(letter, aligned).ok_or(PackError::Letter(letter))?;
        if aligned {
            // Also for `0i`: that is how the end of a structure is padded.
            self.grow(self.size.next_multiple_of(letter.width()) - self.size)?;
        }
        let (fields, length) =
            if letter == Letter::Text { (1, count_or_one) } else { (count_or_one, letter.width()) };
        if fields.saturating_mul(length.max(1)) > Self::LONGEST {
            return Err(PackError::TooLong);
        }
        for _ in 0..fields {
            self.fields.push(Field { letter, at: self.size, length });
            self.grow(length)?;
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), PackError> {
        self.size = self.size.saturating_add(bytes);
        if self.size > Self::LONGEST { Err(PackError::TooLong) } else { Ok(()) }
    }
}

impl FromStr for Format {
    type Err = PackError;

    fn from_str(text: &str) -> Result<Self, PackError> {
        let (order, aligned, rest) = match text.chars().next() {
            Some('@') => (Order::NATIVE, true, &text[1..]),
            Some('=') => (Order::NATIVE, false, &text[1..]),
            Some('<') => (Order::Little, false, &text[1..]),
            Some('>' | '!') => (Order::Big, false, &text[1..]),
            Some(_) | None => (Order::NATIVE, true, text),
        };
        let mut format = Self { order, fields: Vec::new(), size: 0 };
        let mut count: Option<usize> = None;
        for letter in rest.chars() {
            if let Some(digit) = letter.to_digit(10) {
                let number = count.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize);
                count = Some(number);
            } else if letter.is_ascii_whitespace() && count.is_none() {
                // Letters may stand apart; a number stands at its letter.
            } else {
                format.push(letter, count.take(), aligned)?;
            }
        }
        if count.is_some() { Err(PackError::LoneNumber) } else { Ok(format) }
    }
}

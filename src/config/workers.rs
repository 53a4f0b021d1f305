//! How many workers: a number, or between two numbers as many as it takes.

use std::{fmt, num::NonZero, str::FromStr, thread};

use crate::error::{Error, Result};

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// As many as this process has processors.
    Auto,
    /// This many.
    Fixed(u32),
    /// As many as it takes, from the first number to the second.
    Between(u32, u32),
}

/// The numbers of workers that a server may have by itself: one, or all from `least` to `most`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Range {
    /// It begins with so many.
    pub least: u32,
    /// It never has more.
    pub most: u32,
}

impl Range {
    /// This number and no other.
    pub fn fixed(count: u32) -> Self {
        Self { least: count, most: count }
    }

    /// Whether there is anything to choose.
    pub fn is_open(self) -> bool {
        self.least < self.most
    }

    /// The number that is nearest to this one.
    pub fn nearest(self, count: u32) -> u32 {
        count.clamp(self.least, self.most.max(self.least))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_open() { write!(f, "{}..{}", self.least, self.most) } else { self.least.fmt(f) }
    }
}

impl Workers {
    /// The most workers that a server can have.
    pub const MAX: u32 = 4096;

    /// How many that may be on this machine, for this process.
    pub fn range(self) -> Range {
        match self {
            Self::Fixed(count) => Range::fixed(count),
            Self::Between(least, most) => Range { least, most },
            Self::Auto => {
                let processors = thread::available_parallelism().map_or(1, NonZero::get);
                Range::fixed(u32::try_from(processors).unwrap_or(Self::MAX).min(Self::MAX))
            }
        }
    }

    /// Says whether a server can have so many.
    ///
    /// # Errors
    /// A usage error for none, for more than [`Workers::MAX`], and for a range that ends before it begins.
    pub fn validate(self) -> Result<()> {
        let Range { least, most } = self.range();
        if least == 0 {
            return Err(Error::usage("cannot serve with 0 workers").remedy("write 1 or more, or auto"));
        }
        if most > Self::MAX {
            return Err(too_many(most));
        }
        if most < least {
            return Err(Error::usage(format!("cannot have from {least} to {most} workers"))
                .remedy(format!("write {most}..{least}")));
        }
        Ok(())
    }
}

impl FromStr for Workers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let count = |digits: &str| {
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let text = format!("cannot read {text:?} as a number of workers");
                return Err(Error::usage(text).remedy(format!("write 1 to {}, as 2..8, or auto", Self::MAX)));
            }
            digits.parse().map_err(|_| too_many(digits))
        };
        let workers = match text.split_once("..") {
            _ if text == "auto" => Self::Auto,
            Some((least, most)) => Self::Between(count(least)?, count(most)?),
            None => Self::Fixed(count(text)?),
        };
        workers.validate().map(|()| workers)
    }
}

fn too_many(count: impl std::fmt::Display) -> Error {
    Error::usage(format!("cannot have {count} workers: the scoreboard ends at {}", Workers::MAX))
        .remedy("write fewer; auto takes one for each processor")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_workers() {
        assert_eq!("auto".parse::<Workers>().expect("auto"), Workers::Auto);
        assert_eq!("4096".parse::<Workers>().expect("most"), Workers::Fixed(4096));
        assert_eq!("2..8".parse::<Workers>().expect("a range"), Workers::Between(2, 8));
        for text in [
            "0",
            "4097",
            "99999999999",
            "",
            "-1",
            "+1",
            "many",
            "2..",
            "..8",
            "0..8",
            "8..2",
            "1..4097",
            "2..=8",
        ] {
            let error = text.parse::<Workers>().expect_err(text).to_string();
            assert!(error.contains("(write "), "{error}");
        }
    }

    #[test]
    fn a_range_is_a_number_or_several() {
        let range = Workers::Between(2, 8).range();
        assert_eq!((range.nearest(1), range.nearest(5), range.nearest(9)), (2, 5, 8));
        assert!(range.is_open() && !Workers::Fixed(4).range().is_open());
        assert_eq!((range.to_string(), Range::fixed(4).to_string()), ("2..8".to_owned(), "4".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<Workers>();
        }
    }
}

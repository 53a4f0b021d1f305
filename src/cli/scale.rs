//! The number in `forkd scale [NAME] N|+N|-N`.

use std::str::FromStr;

use crate::{Error, Result, config::Workers};

/// How many workers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    To(u32),
    /// So many more.
    Up(u32),
    /// So many fewer.
    Down(u32),
}

impl Amount {
    /// The error of a command line without one.
    pub fn missing() -> Error {
        Error::usage("cannot scale: no number").remedy("write N, +N or -N, as in forkd scale web +1")
    }
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let text = format!("cannot read {text:?} as a number of workers{why}");
            Error::usage(text).remedy("write N, +N or -N as the last word")
        };
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse(""));
        }
        let number = digits.parse().ok().filter(|number| *number <= Workers::MAX);
        let number = number.ok_or_else(|| refuse(&format!(": a server has at most {}", Workers::MAX)))?;
        match text.as_bytes()[0] {
            b'+' => Ok(Self::Up(number)),
            b'-' => Ok(Self::Down(number)),
            _ if number == 0 => Err(refuse(": a server has at least one")),
            _ => Ok(Self::To(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let table = [
            ("4", Amount::To(4)),
            ("+1", Amount::Up(1)),
            ("-2", Amount::Down(2)),
            ("4096", Amount::To(4096)),
        ];
        for (text, amount) in table {
            assert_eq!(text.parse::<Amount>().expect(text), amount);
        }
        for text in ["", "+", "-", "0", "4097", "web", "1.5", "--1", "99999999999"] {
            let error = text.parse::<Amount>().expect_err(text);
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().ends_with("(write N, +N or -N as the last word)"), "{error}");
        }
    }
}

//! The last lines that a program wrote, to be told if it fails: few and short, whatever it writes.

use std::collections::VecDeque;

/// How many lines.
const LINES: usize = 10;

/// How many bytes of each.
const BYTES: usize = 400;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Tail(VecDeque<String>);

impl Tail {
    /// One more line; the oldest goes.
    pub fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line[..line.floor_char_boundary(BYTES)].to_owned());
    }

    /// The lines, oldest first.
    pub fn into_lines(self) -> Vec<String> {
        self.0.into()
    }
}

impl From<&str> for Tail {
    /// The last lines of a text.
    fn from(text: &str) -> Self {
        let mut tail = Self::default();
        text.lines().for_each(|line| tail.push(line));
        tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_last_lines_and_not_more_of_each_than_is_shown() {
        let text: String = (0..30).map(|number| format!("{number} {}\n", "僵".repeat(999))).collect();
        let lines = Tail::from(&*text).into_lines();
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].starts_with("20 僵") && lines[9].starts_with("29 "), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= BYTES));
    }
}

//! How a page looks: its colours, its lines, its width.

use super::text::{columns, cut};

/// What the reader's terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether escape sequences for colours are written.
    pub colour: Colour,
    /// Which characters lines are drawn with.
    pub lines: Lines,
    /// How many columns there are; `None` cuts nothing.
    pub width: Option<usize>,
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// None: not a terminal, or NO_COLOR.
    Off,
    /// The sixteen that every terminal has.
    On,
}

/// What lines are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Box-drawing characters.
    Unicode,
    /// What every terminal and every mail program has.
    Ascii,
}

/// What a colour says. Each is said by a letter or a word as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    Plain,
    /// A name.
    Strong,
    /// Beside the point.
    Faint,
    /// At work.
    Good,
    /// Worth a look.
    Odd,
    /// Wrong.
    Bad,
}

impl Tone {
    /// The same for a name.
    #[must_use]
    pub fn strong(self) -> Self {
        if self == Self::Plain { Self::Strong } else { self }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Odd => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

/// The characters of a kind of lines.
#[derive(Debug)]
pub struct Glyphs {
    /// Before a child that has a younger sibling.
    pub fork: &'static str,
    /// Before the last child.
    pub last: &'static str,
    /// Beside the children of one that has a younger sibling.
    pub beside: &'static str,
    /// Between a number and what it counts.
    pub times: &'static str,
    /// For what was left out.
    pub more: &'static str,
}

impl Look {
    /// A look for text that goes into a file.
    #[cfg(test)]
    pub const PLAIN: Self = Self { colour: Colour::Off, lines: Lines::Unicode, width: None };

    /// The characters to draw with.
    pub fn glyphs(&self) -> &'static Glyphs {
        match self.lines {
            Lines::Unicode => {
                &Glyphs { fork: "├─ ", last: "└─ ", beside: "│  ", times: "×", more: "…" }
            }
            Lines::Ascii => &Glyphs { fork: "|- ", last: "`- ", beside: "|  ", times: "x", more: "..." },
        }
    }

    /// A text in a tone.
    pub fn paint(&self, text: &str, tone: Tone) -> String {
        match (self.colour, tone.code()) {
            (Colour::On, code) if !code.is_empty() && !text.is_empty() => format!("{code}{text}\x1b[0m"),
            (Colour::On | Colour::Off, _) => text.to_owned(),
        }
    }

    /// One line of these cells, no wider than the terminal, without blanks at its end.
    pub fn line(&self, cells: &[(String, Tone)]) -> String {
        let last = cells.iter().rposition(|(text, _)| !text.trim_end().is_empty());
        let mut room = self.width.unwrap_or(usize::MAX);
        let mut out = String::new();
        for (at, (text, tone)) in cells.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let text = if Some(at) == last { text.trim_end() } else { text };
            let width = columns(text);
            if width > room || (width == room && Some(at) != last) {
                // Also a cell that would fit gives way to the mark when another one follows.
                out.push_str(&self.paint(&cut(&format!("{text} "), room, self.glyphs().more), *tone));
                break;
            }
            room -= width;
            out.push_str(&self.paint(text, *tone));
        }
        out.push('\n');
        out
    }
}

//! What standard output can show.

use std::io::IsTerminal;

use terminal_size::{Height, Width, terminal_size};

use super::out;
use crate::inspect::paint::{Colour, Lines, Look};

/// Colours and width of standard output; what goes to a file is neither coloured nor cut.
pub fn look() -> Look {
    let colour = if out::coloured() { Colour::On } else { Colour::Off };
    Look { colour, lines: Lines::Unicode, width: size().map(|(width, _)| width) }
}

/// Columns and rows, if it is a terminal.
pub fn size() -> Option<(usize, usize)> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (Width(columns), Height(rows)) = terminal_size()?;
    Some((columns.into(), rows.into()))
}

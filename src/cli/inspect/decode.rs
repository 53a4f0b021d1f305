//! `forkd decode`: what a status means that wait(2) gave.

use std::process::ExitCode;

use serde_json::json;

use super::{args, out, structure};
use crate::{Error, Result, process::exit::ExitStatus};

/// `forkd decode`
///
/// # Errors
/// When it is no number.
pub fn decode(args: &args::Decode) -> Result<ExitCode> {
    if let Some(format) = &args.structure {
        let words: Vec<_> = args.status.iter().chain(&args.words).cloned().collect();
        let convert = if args.pack { structure::pack } else { structure::unpack };
        return convert(format, &words, args.json);
    }
    let raw = number(args.status.as_deref().unwrap_or_default())?;
    let status = (raw >= 0).then(|| ExitStatus::from_raw(raw));
    let (words, elsewhere) = (status.map(ExitStatus::words), elsewhere(raw));
    if args.json {
        let short = status.map(|status| status.to_string());
        out::document(&json!({ "status": raw, "short": short, "words": words, "elsewhere": elsewhere }))?;
    } else if words.is_none() && elsewhere.is_none() {
        return Err(Error::usage(format!("cannot decode status {raw}: wait(2) gives no negative ones")));
    } else {
        for line in words.iter().chain(&elsewhere) {
            out::line(line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The number that was typed.
fn number(word: &str) -> Result<i32> {
    let parsed = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => i32::from_str_radix(hex, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| {
        let text = format!("cannot read status {word:?}: it is a number as wait(2) gives it");
        Error::usage(text).remedy("write 768 or 0x300")
    })
}

/// What the same number means where people meet it more often than in wait(2).
fn elsewhere(raw: i32) -> Option<String> {
    let killed = |signal| ExitStatus::Signaled { signal, core: false }.words();
    match raw {
        -64..=-1 => Some(format!("as Python's returncode: {}", killed(-raw))),
        129..=192 => Some(format!("as a shell's $?: {}", killed(raw - 128))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_spellings() {
        assert_eq!(number("768").ok(), Some(768));
        assert_eq!(number("0x137f").ok(), Some(0x137f));
        assert_eq!(number("seven").map_err(|error| error.exit_code()), Err(2));
    }

    #[test]
    fn a_number_of_a_shell_or_of_python_is_recognised() {
        assert_eq!(elsewhere(137).as_deref(), Some("as a shell's $?: was killed by signal 9 (KILL)"));
        assert_eq!(elsewhere(-11).as_deref(), Some("as Python's returncode: was killed by signal 11 (SEGV)"));
        assert_eq!(elsewhere(768), None);
    }
}

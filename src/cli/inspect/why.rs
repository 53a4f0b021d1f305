//! `forkd why`: a process explained in words.

use std::process::ExitCode;

use super::{args, out, target, terminal, tree};
use crate::{
    Result,
    inspect::{
        explain::{Explanation, words::Lang},
        paint::{Look, Tone},
        text::{printable, wrap},
    },
};

/// The widest page that is pleasant to read.
const WIDEST: usize = 96;

/// `forkd why`
///
/// # Errors
/// When there is no such process, or /proc cannot be read.
pub fn why(args: &args::Why) -> Result<ExitCode> {
    let snapshot = tree::look()?;
    let process = target::present(&snapshot, target::pid(&args.pid)?)?;
    let explanation = Explanation::of(&snapshot, process, chosen(args.lang));
    if args.json {
        out::document(&explanation)?;
    } else {
        out::print(page(&explanation, &terminal::look(), process.is_zombie()).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The language that was asked for, or else that of the environment.
pub fn chosen(asked: Option<args::Language>) -> Lang {
    match asked {
        Some(args::Language::En) => Lang::En,
        Some(args::Language::Zh) => Lang::Zh,
        None => locale(),
    }
}

/// The language of the environment, as setlocale(3) finds it.
pub fn locale() -> Lang {
    let value = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(value);
    Lang::of_locale(&found.unwrap_or_default())
}

/// A title, and each passage under its heading.
fn page(explanation: &Explanation, look: &Look, zombie: bool) -> String {
    let process = &explanation.process;
    let title = printable(process.title());
    let name = format!("{} {}", process.pid(), printable(process.comm()));
    let state = format!("{} {}", process.state(), process.state_name());
    let tone = if zombie { Tone::Bad } else { Tone::Good };
    let mut page = format!("{}  {}", look.paint(&name, Tone::Strong), look.paint(&state, tone));
    if !title.is_empty() {
        page += &format!("  {}", look.paint(&title, Tone::Faint));
    }
    page.push('\n');
    let width = look.width.unwrap_or(WIDEST).clamp(30, WIDEST);
    for passage in &explanation.passages {
        page += &format!("\n{}\n", look.paint(passage.heading, Tone::Strong));
        for line in wrap(&passage.text, width - 2) {
            page += &format!("  {line}\n");
        }
    }
    page
}

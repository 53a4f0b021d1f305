//! `forkd doctor`: what of this machine matters to a server.

use std::process::ExitCode;

use super::{args, out, terminal, tree, unit};
use crate::{
    Result,
    inspect::{
        doctor::{self, Finding, Verdict},
        paint::{Look, Tone},
        text::wrap,
    },
};

/// `forkd doctor`
///
/// # Errors
/// When /proc cannot be read.
pub fn doctor(args: &args::Doctor) -> Result<ExitCode> {
    if args.systemd {
        out::print(unit::page()?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let findings = doctor::examine(&tree::look()?);
    if args.json {
        out::document(&findings)?;
    } else {
        out::print(page(&findings, &terminal::look()).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(findings: &[Finding], look: &Look) -> String {
    let width = look.width.unwrap_or(96).clamp(40, 96);
    let mut page = String::new();
    for finding in findings {
        let (mark, tone) = match finding.verdict {
            Verdict::Good => ("ok  ", Tone::Good),
            Verdict::Note => ("note", Tone::Odd),
            Verdict::Bad => ("BAD ", Tone::Bad),
        };
        let head = format!("{}: {}", finding.what, finding.value);
        page += &format!("{}  {}\n", look.paint(mark, tone), look.paint(&head, Tone::Strong));
        for line in wrap(&finding.means, width - 6) {
            page += &format!("      {line}\n");
        }
        for line in finding.remedy.iter().flat_map(|remedy| wrap(&format!("-> {remedy}"), width - 6)) {
            page += &format!("      {}\n", look.paint(&line, tone));
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (good, notes, bad) = (count(Verdict::Good), count(Verdict::Note), count(Verdict::Bad));
    page + &format!("\n{good} as they should be, {notes} worth knowing, {bad} that will hurt\n")
}

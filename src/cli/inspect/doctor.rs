//! `forkd doctor`: what of this machine matters to a server.

use std::process::ExitCode;

use super::{args, out, terminal, tree, unit, why};
use crate::{
    Result,
    inspect::{
        doctor::{self, Finding, Verdict},
        explain::words::Lang,
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
    let lang = why::chosen(args.lang);
    let findings = doctor::examine(&tree::look()?, lang);
    if args.json {
        out::document(&findings)?;
    } else {
        out::print(page(&findings, &terminal::look(), lang).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(findings: &[Finding], look: &Look, lang: Lang) -> String {
    let width = look.width.unwrap_or(96).clamp(40, 96);
    let mut page = String::new();
    for finding in findings {
        let (mark, tone) = match finding.verdict {
            Verdict::Good => (lang.say("ok  ", "好  "), Tone::Good),
            Verdict::Note => (lang.say("note", "注意"), Tone::Odd),
            Verdict::Bad => (lang.say("BAD ", "不好"), Tone::Bad),
        };
        let head = format!("{}{}{}", finding.what, lang.say(": ", "："), finding.value);
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
    page + &lang.say(
        format!("\n{good} as they should be, {notes} worth knowing, {bad} that will hurt\n"),
        format!("\n{good} 项正常，{notes} 项值得知道，{bad} 项会出问题\n"),
    )
}

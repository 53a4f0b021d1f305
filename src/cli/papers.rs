//! What is made from the grammar: completions for the shells, and the manual page.

use clap::Command;
use clap_mangen::Man;

use super::{out, usage::grammar};
use crate::{
    Error, Result,
    ipc::control::{Entry, REQUESTS},
};

/// Prints the completions for a shell.
pub fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut grammar(), "forkd", &mut text);
    out::print(&text)
}

/// Prints the manual page.
pub fn man() -> Result<()> {
    let text = page().map_err(|cause| Error::system("write the manual page", cause))?;
    out::print(&text)
}

/// The manual page in roff: one section for the program, one for each command.
fn page() -> std::io::Result<Vec<u8>> {
    let grammar = grammar();
    let mut page = Vec::new();
    let man = Man::new(grammar.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for command in grammar.get_subcommands() {
        page.extend(section(command)?);
    }
    for (head, rows) in [("SIGNALS", signals()), ("EXIT STATUS", EXIT_CODES.map(owned).to_vec())] {
        page.extend(format!(".SH {head}\n").bytes());
        for (term, words) in rows {
            page.extend(format!(".TP\n\\fB{term}\\fR\n{words}\n").bytes());
        }
    }
    Ok(page)
}

/// One command's section: its headings go one level down.
fn section(command: &Command) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone().bin_name(format!("forkd {}", command.get_name())));
    let mut body = Vec::new();
    man.render_description_section(&mut body)?;
    man.render_synopsis_section(&mut body)?;
    man.render_options_section(&mut body)?;
    let body = String::from_utf8_lossy(&body).replace(".SH ", ".SS ");
    let after = command.get_after_help().map(|after| literal(&after.to_string())).unwrap_or_default();
    Ok(format!(".SH FORKD {}\n{body}{after}", command.get_name().to_uppercase()).into_bytes())
}

/// Text that roff prints as it stands: its lines are not joined, and nothing in them is an order.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines: String = text.lines().map(|line| format!("\\&{line}\n")).collect();
    format!(".PP\n.nf\n{lines}.fi\n")
}

/// What the signals to a master mean, from the table that the master itself goes by.
fn signals() -> Vec<(String, String)> {
    let row = |entry: &Entry| {
        let signal = entry.signal?;
        Some((signal.as_str().to_owned(), format!("{} (forkd {})", entry.help, entry.verb)))
    };
    REQUESTS.iter().filter_map(row).collect()
}

fn owned((term, words): (&str, &str)) -> (String, String) {
    (term.to_owned(), words.to_owned())
}

/// What the exit codes mean.
const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "done"),
    ("1", "failed: the machine, or a worker, refused"),
    ("2", "usage or configuration: what was written cannot be meant"),
    ("3", "not running"),
    ("4", "running but degraded: a worker missing, a slot given up, a zombie"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_section_for_each_command_and_no_empty_one() {
        let page = String::from_utf8(page().expect("a page")).expect("text");
        for command in grammar().get_subcommands() {
            let head = format!(".SH FORKD {}\n", command.get_name().to_uppercase());
            assert_eq!(page.matches(&head).count(), 1, "{head}");
        }
        assert!(page.contains("drain\\-timeout"));
    }

    /// The rows of the README's table that begins with this head.
    fn readme_table(head: &str) -> Vec<Vec<&'static str>> {
        let readme = include_str!("../../README.md");
        let table = readme.lines().skip_while(|line| !line.starts_with(head)).skip(2);
        let rows = table.take_while(|line| line.starts_with('|'));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    #[test]
    fn the_readme_tells_of_the_signals_what_the_master_goes_by() {
        let entries = REQUESTS.iter().filter_map(|entry| Some((entry.signal?, entry)));
        let mut table: Vec<Vec<String>> = entries
            .map(|(signal, entry)| {
                let name = signal.as_str().trim_start_matches("SIG");
                vec![name.to_owned(), entry.help.to_owned(), format!("`{}`", entry.verb)]
            })
            .collect();
        let mut readme = readme_table("| signal |");
        table.sort();
        readme.sort();
        assert_eq!(readme, table);
    }

    #[test]
    fn the_readme_tells_of_the_exit_codes_what_the_manual_does() {
        let manual: Vec<_> = EXIT_CODES.iter().map(|(code, words)| vec![*code, *words]).collect();
        assert_eq!(readme_table("| code |"), manual);
        let kinds = [crate::Error::failed(""), crate::Error::usage(""), crate::Error::not_running("")];
        assert_eq!(kinds.map(|kind| kind.exit_code()), [1, 2, 3]);
    }

    #[test]
    fn completions_know_the_flags_of_every_shell() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut grammar(), "forkd", &mut text);
            assert!(String::from_utf8_lossy(&text).contains("per-connection"), "{shell}");
        }
    }
}

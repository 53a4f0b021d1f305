//! `forkd lab record`: a run as a recording that asciinema plays, version 2 of its format: a header, and a line of JSON
//! for each piece of output with the second at which it came.

use std::{fs, process::ExitCode};

use serde_json::json;

use super::{args::Record, page::Page, run};
use crate::{
    Error, Result,
    cli::out,
    inspect::paint::{Colour, Lines, Look},
    lab::perform::Report,
    process::clock::Time,
};

/// The terminal that is recorded, whatever the one at hand is.
const SIZE: (usize, usize) = (100, 40);

/// `forkd lab record`
///
/// # Errors
/// When there is no such experiment, or the file cannot be written.
pub fn record(args: &Record) -> Result<ExitCode> {
    let id = args.run.id.as_deref().unwrap_or_default();
    let experiment = super::find(id)?;
    let wish = run::wish(&args.run, Some(experiment))?;
    let look = Look { colour: Colour::On, lines: Lines::Unicode, width: Some(SIZE.0) };
    let page = Page { look, lang: wish.lang };
    let title = format!("forkd lab run {id}");
    let mut cast =
        json!({ "version": 2, "width": SIZE.0, "height": SIZE.1, "title": title }).to_string() + "\n";
    let begin = Time::now();
    let mut note = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        cast += &format!("{}\n", json!([Time::now().since(begin).as_secs_f64(), "o", text]));
        Ok(())
    };
    note(format!("$ {title}\n").as_bytes())?;
    let report = run::show(experiment, &wish, &page, &mut note)?;
    match &args.output {
        Some(path) => fs::write(path, cast)
            .map_err(|cause| Error::system(format!("write {}", path.display()), cause))?,
        None => out::print(cast.as_bytes())?,
    }
    Ok(if Report::holds(&report) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

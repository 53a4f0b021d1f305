//! `forkd lab`: the course, to be run.

pub mod args;
mod grade;
mod page;
mod record;
mod run;

use std::process::ExitCode;

use serde::Serialize;

use self::{args::Command, page::Page};
use crate::{
    Error, Result,
    cli::{
        inspect::{self, args::Language},
        out,
    },
    inspect::text::fit,
    lab::{
        Lang,
        errata::Errata,
        experiments::{ALL, Experiment},
    },
};

/// `forkd lab`
///
/// # Errors
/// When there is no such experiment, or it cannot be started.
pub fn lab(args: &args::Lab) -> Result<ExitCode> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Run(args) => run::run(args),
        Command::Check(args) => run::check(args),
        Command::Explain(args) => explain(args),
        Command::Record(args) => record::record(args),
        Command::Grade(args) => grade::grade(args),
        Command::Errata(args) => errata(args),
        Command::Show(args) => out::print(find(&args.id)?.source.as_bytes()).map(|()| ExitCode::SUCCESS),
    }
}

/// The experiment of that name.
fn find(id: &str) -> Result<&'static Experiment> {
    let missing = || Error::usage(format!("cannot find experiment {id:?}: there is none of that name"));
    Experiment::find(id).ok_or_else(|| missing().remedy("forkd lab list"))
}

/// The language that was asked for, else that of the environment.
fn lang(asked: Option<Language>) -> Lang {
    match asked {
        Some(Language::En) => Lang::En,
        Some(Language::Zh) => Lang::Zh,
        None => inspect::locale(),
    }
}

/// One row of the list.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    title: String,
    claims: Vec<String>,
    /// Whether a learner's program can be checked against it.
    task: bool,
    bugs: Vec<String>,
}

fn list(args: &args::List) -> Result<ExitCode> {
    let lang = lang(args.lang);
    let row = |experiment: &Experiment| {
        let texts = experiment.texts();
        let prose = texts.prose(lang);
        Row {
            id: experiment.id,
            title: prose.title.clone(),
            claims: texts.claims(),
            task: prose.task.is_some(),
            bugs: texts.bugs.into_keys().collect(),
        }
    };
    let rows: Vec<_> = ALL.iter().map(row).collect();
    if args.json {
        out::document(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = rows.iter().map(|row| crate::inspect::text::columns(&row.title)).max().unwrap_or(0);
    for row in rows {
        out::line(&format!("{:18} {}  {}", row.id, fit(&row.title, width, ""), row.claims.join(" ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(args: &args::Explain) -> Result<ExitCode> {
    let experiment = find(&args.id)?;
    let lang = lang(args.lang);
    let texts = experiment.texts();
    let prose = texts.prose(lang);
    let page = Page { look: inspect::look(), lang };
    out::print(page.title(experiment.id, prose, &texts.claims()).as_bytes())?;
    out::print(page.opening(prose).as_bytes())?;
    out::print(page.closing(prose, &texts.man).as_bytes())?;
    let errata = Errata::read();
    let rows: Vec<_> = errata.of(experiment).collect();
    if !rows.is_empty() {
        out::print(page.errata(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn errata(args: &args::List) -> Result<ExitCode> {
    let errata = Errata::read();
    if args.json {
        out::document(&errata.rows)?;
    } else {
        out::print(errata.page(lang(args.lang)).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

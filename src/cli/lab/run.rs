//! `forkd lab run` and `forkd lab check`: an experiment performed before the reader.

use std::{
    io::{self, BufRead},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    args::{Check, Run},
    lang,
    page::Page,
};
use crate::{
    Error, Result,
    cli::{inspect::look, out},
    lab::{
        experiments::{ALL, Experiment},
        message::Message,
        perform::{Pace, Report, Wish, perform},
    },
};

/// `forkd lab run`
///
/// # Errors
/// When there is no such experiment, or it cannot be started.
pub fn run(args: &Run) -> Result<ExitCode> {
    let chosen: Vec<&'static Experiment> = match &args.id {
        Some(id) => vec![super::find(id)?],
        None => ALL.iter().collect(),
    };
    let wish = wish(args, chosen.first().copied())?;
    let page = Page { look: look(), lang: wish.lang };
    let mut reports = Vec::new();
    for experiment in chosen {
        reports.push(if args.view.json {
            quiet(experiment, &wish)?
        } else {
            show(experiment, &wish, &page, &mut out::print)?
        });
    }
    if args.view.json {
        out::document(&reports)?;
    } else if args.all {
        out::line("")?;
        for report in &reports {
            out::print(page.verdict(report).as_bytes())?;
        }
    }
    Ok(ended(&reports))
}

/// `forkd lab check`
///
/// # Errors
/// When the experiment has no part for a learner's program, or it cannot be started.
pub fn check(args: &Check) -> Result<ExitCode> {
    let experiment = super::find(&args.id)?;
    let lang = lang(args.view.lang);
    let texts = experiment.texts();
    let prose = texts.prose(lang);
    let page = Page { look: look(), lang };
    let Some(task) = &prose.task else {
        let able = ALL.iter().filter(|one| one.texts().en.task.is_some()).map(|one| one.id);
        let able = able.collect::<Vec<_>>().join(", ");
        return Err(Error::usage(format!("cannot check a program against {}: it has no task", args.id))
            .remedy(format!("these have one: {able}")));
    };
    if !args.view.json && (args.program.is_empty() || args.hint.is_some()) {
        out::print(page.title(experiment.id, prose, &texts.claims()).as_bytes())?;
        out::print(page.part(page.task_heading(), task).as_bytes())?;
        if let Some(hint) = args.hint.and_then(|step| prose.hints.get(usize::from(step) - 1)) {
            out::print(page.part(page.hint_heading(), hint).as_bytes())?;
        }
    }
    if args.program.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let wish = Wish {
        lang,
        seed: args.seed.unwrap_or_else(random),
        bug: None,
        pace: Pace::Live,
        program: Some(args.program.clone()),
    };
    let report = if args.view.json {
        quiet(experiment, &wish)?
    } else {
        live(experiment, &wish, &page, &mut out::print)?
    };
    if args.view.json {
        out::document(&[&report])?;
    }
    Ok(ended(&[report]))
}

fn ended(reports: &[Report]) -> ExitCode {
    if reports.iter().all(Report::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What `forkd lab run` was told to do.
pub fn wish(args: &Run, experiment: Option<&Experiment>) -> Result<Wish> {
    if let (Some(bug), Some(experiment)) = (&args.bug, experiment) {
        let bugs = experiment.texts().bugs;
        if !bugs.contains_key(bug) {
            let known = bugs.into_keys().collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!(
                "cannot run {} with bug {bug:?}: it has none of that name",
                experiment.id
            ))
            .remedy(format!("its bugs: {known}")));
        }
    }
    Ok(Wish {
        lang: lang(args.view.lang),
        seed: args.seed.unwrap_or_else(random),
        bug: args.bug.clone(),
        pace: if args.step { Pace::Step } else { Pace::Live },
        program: None,
    })
}

/// Another number at each run; it is shown, so that the run can be repeated.
fn random() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) % 100_000
}

/// Runs it without a word.
pub fn quiet(experiment: &'static Experiment, wish: &Wish) -> Result<Report> {
    perform(experiment, wish, |_| Ok(()))
        .map_err(|cause| Error::system(format!("run {}", experiment.id), cause))
}

/// Runs it with everything that belongs to a lesson.
pub fn show(
    experiment: &'static Experiment,
    wish: &Wish,
    page: &Page,
    print: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Report> {
    let texts = experiment.texts();
    let prose = texts.prose(wish.lang);
    print(format!("\n{}", page.title(experiment.id, prose, &texts.claims())).as_bytes())?;
    print(page.opening(prose).as_bytes())?;
    if wish.pace == Pace::Step {
        nod()?;
    }
    let report = live(experiment, wish, page, print)?;
    print(page.closing(prose, &texts.man).as_bytes())?;
    Ok(report)
}

/// The timeline as it happens, and the checks.
fn live(
    experiment: &'static Experiment,
    wish: &Wish,
    page: &Page,
    print: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Report> {
    print(page.timeline(wish.seed).as_bytes())?;
    let mut written = None;
    let report = perform(experiment, wish, |message| {
        if let Message::Event(event) = message {
            print(page.event(event).as_bytes()).map_err(|error| io::Error::other(error.to_string()))?;
            if wish.pace == Pace::Step {
                nod().map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
        if let Message::Output(text) = message {
            written = Some(text.clone());
        }
        Ok(())
    });
    let report = report.map_err(|cause| Error::system(format!("run {}", experiment.id), cause))?;
    print(page.checks(&report).as_bytes())?;
    if let Some(text) = written.filter(|_| wish.program.is_some() && !report.ok) {
        print(page.output(&text).as_bytes())?;
    }
    print(format!("\n{}", page.verdict(&report)).as_bytes())?;
    Ok(report)
}

/// Waits for the reader's Enter.
fn nod() -> Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map(drop).map_err(|cause| Error::system("read a key", cause))
}

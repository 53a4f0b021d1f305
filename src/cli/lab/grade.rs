//! `forkd lab grade`: the programs of a whole class, checked one after the other. One point for each claim of an
//! experiment whose checks all hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use serde::Serialize;

use super::{args::Grade, lang, run};
use crate::{
    Error, Result,
    cli::out,
    inspect::text::{columns, fit, printable},
    lab::{
        experiments::Experiment,
        perform::{Pace, Report, Wish},
    },
};

/// What a learner's program for one experiment is worth.
#[derive(Debug, Serialize)]
struct Mark {
    learner: String,
    experiment: String,
    points: usize,
    of: usize,
    /// What went wrong first, in words.
    remark: String,
}

/// `forkd lab grade`
///
/// # Errors
/// When the directory cannot be read.
pub fn grade(args: &Grade) -> Result<ExitCode> {
    let mut marks = Vec::new();
    for learner in entries(&args.dir)?.into_iter().filter(|path| path.is_dir()) {
        for program in entries(&learner)?.into_iter().filter(|path| path.is_file()) {
            let id = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let Some(experiment) = Experiment::find(&id).filter(|one| one.texts().en.task.is_some()) else {
                continue;
            };
            marks.push(mark(args, &learner, &program, experiment)?);
        }
    }
    if args.view.json {
        out::document(&marks)?;
    } else if args.csv {
        out::print(csv(&marks).as_bytes())?;
    } else {
        out::print(table(&marks).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks one program.
fn mark(args: &Grade, learner: &Path, program: &Path, experiment: &'static Experiment) -> Result<Mark> {
    let built = build(program)?;
    let report = match &built {
        Err(complaint) => Report { trouble: Some(complaint.clone()), ..Report::default() },
        Ok(built) => {
            let wish = Wish {
                lang: lang(args.view.lang),
                seed: 1,
                bug: None,
                pace: Pace::Live,
                program: Some(built.words.clone()),
            };
            run::quiet(experiment, &wish)?
        }
    };
    let claims: BTreeSet<_> = experiment.texts().claims().into_iter().collect();
    let mut made: BTreeMap<&str, bool> = BTreeMap::new();
    for check in &report.checks {
        *made.entry(&check.claim).or_insert(true) &= check.ok;
    }
    let first = report.checks.iter().find(|check| !check.ok);
    let failed = first.map(|check| format!("{}: {} / {}", check.what, check.expected, check.observed));
    let of = if made.is_empty() { claims.len() } else { made.len() };
    Ok(Mark {
        learner: learner.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        experiment: experiment.id.into(),
        points: if report.trouble.is_some() { 0 } else { made.values().filter(|held| **held).count() },
        of,
        remark: failed.or(report.trouble).or(report.skipped).unwrap_or_default(),
    })
}

/// A program that can be run: its words, and the file that was compiled for it.
struct Built {
    words: Vec<OsString>,
    file: Option<PathBuf>,
}

impl Drop for Built {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

/// How a program is run, by the end of its name. What the compiler complains about comes as a text.
fn build(program: &Path) -> Result<std::result::Result<Built, String>> {
    let end = program.extension().unwrap_or_default().to_string_lossy().into_owned();
    let words = |words: &[&str]| {
        let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
        words.push(program.into());
        Ok(Ok(Built { words, file: None }))
    };
    match end.as_str() {
        "py" => words(&["python3"]),
        "sh" => words(&["sh"]),
        "c" => compile(program, &["cc", "-w", "-pthread"]),
        "rs" => compile(program, &["rustc", "--edition=2024", "-A", "warnings"]),
        _ if executable(program) => words(&[]),
        _ => Ok(Err(format!("nobody knows how to run .{end}"))),
    }
}

fn compile(program: &Path, compiler: &[&str]) -> Result<std::result::Result<Built, String>> {
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let file = std::env::temp_dir().join(format!("forkd-lab-{}-{name}", std::process::id()));
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).arg("-o").arg(&file).arg(program).stdin(Stdio::null());
    let done = command.output().map_err(|cause| Error::system(format!("run {}", compiler[0]), cause))?;
    let built = Built { words: vec![file.clone().into()], file: Some(file) };
    if done.status.success() {
        return Ok(Ok(built));
    }
    let said = String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or_default().to_owned();
    Ok(Err(printable(&said)))
}

fn executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o111 != 0)
}

/// The entries of a directory, by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)
        .map_err(|cause| Error::system(format!("read {}", dir.display()), cause).as_usage())?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// One line for each learner, one column for each experiment, and what they have together.
fn table(marks: &[Mark]) -> String {
    let experiments: BTreeSet<_> = marks.iter().map(|mark| mark.experiment.as_str()).collect();
    let learners: BTreeSet<_> = marks.iter().map(|mark| mark.learner.as_str()).collect();
    let first = learners.iter().map(|name| columns(&printable(name))).max().unwrap_or(0);
    let mut text = " ".repeat(first);
    for experiment in &experiments {
        text += &format!("  {experiment}");
    }
    text += "  total\n";
    for learner in learners {
        text += &fit(&printable(learner), first, "…");
        let own: Vec<_> = marks.iter().filter(|mark| mark.learner == learner).collect();
        for experiment in &experiments {
            let mark = own.iter().find(|mark| mark.experiment == *experiment);
            let cell = mark.map_or("-".into(), |mark| format!("{}/{}", mark.points, mark.of));
            text += &format!("  {cell:>width$}", width = experiment.len());
        }
        let total: usize = own.iter().map(|mark| mark.points).sum();
        text += &format!("  {total:>5}\n");
    }
    for mark in marks.iter().filter(|mark| !mark.remark.is_empty()) {
        text += &format!("\n{} {}: {}", printable(&mark.learner), mark.experiment, printable(&mark.remark));
    }
    text.trim_end().to_owned() + "\n"
}

/// The same for a spreadsheet. RFC 4180; what begins like a formula is made text.
fn csv(marks: &[Mark]) -> String {
    let field = |text: &str| {
        let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    };
    let mut text = String::from("learner,experiment,points,of,remark\r\n");
    for mark in marks {
        let (learner, experiment) = (field(&mark.learner), field(&mark.experiment));
        text += &format!("{learner},{experiment},{},{},{}\r\n", mark.points, mark.of, field(&mark.remark));
    }
    text
}

//! Words to calls: the command line.
//!
//! `args` holds the commands, `usage` the grammar and its complaints; each command is one function in a module of its
//! own, with what can be typed behind it beside it, and returns the exit code or an error of one line. Nothing else in the
//! crate prints or exits.

mod args;
mod chat;
mod common;
mod config;
mod inspect;
mod lab;
mod log_line;
mod logging;
mod operate;
mod out;
mod papers;
mod paths;
mod recycling;
mod rights;
mod run;
mod scale;
mod send;
mod serve;
mod services;
mod serving;
mod site;
mod sock;
mod start;
mod table;
mod top;
mod transfer;
mod typed;
mod usage;
mod watch;
mod words;

use std::{ffi::OsString, process::ExitCode};

use clap::error::ErrorKind;

pub use crate::sys::nursery::Nursery as Allocator;

use self::{args::Command, typed::Misread};
use crate::{
    Result,
    ipc::control::Request,
    master::upgrade,
    process::origin,
    sys::{
        memory,
        nursery::{self, Part},
    },
};

/// Runs the command line: what it was told, and the exit code that it leaves.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    paths::note_here();
    origin::note();
    // What clap holds of it is dropped before anything is done: a server would keep that for as long as it lives.
    let understood = nursery::during(Part::Start, || typed::read(&words).map(|typed| typed.line.command));
    memory::forget_stack();
    let done = match understood {
        Ok(command) => run(&command),
        Err(Misread::Clap(error)) => help_or_complaint(&words, &error),
        Err(Misread::Ours(error)) => Err(error),
    };
    done.unwrap_or_else(|error| {
        // A new program that does not understand its command line gives way to the old one.
        upgrade::abandon(&error.to_string());
        out::complain(&error.to_string());
        ExitCode::from(error.exit_code())
    })
}

/// One command, one call.
fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Serve(command) => serve::serve(command),
        Command::Start(start) => start::start(start),
        Command::Config(config) => config::config(config),
        Command::Status(target) => operate::status(target),
        Command::Stop(stop) => operate::stop(stop),
        Command::Reload(reload) => operate::reload(reload),
        Command::Upgrade(upgrade) => operate::upgrade(upgrade),
        Command::Scale(scale) => operate::scale(scale),
        Command::Pause(target) => operate::plain(target, Request::Pause),
        Command::Resume(target) => operate::plain(target, Request::Resume),
        Command::Reopen(target) => operate::plain(target, Request::Reopen),
        Command::List(place) => operate::list(place),
        Command::Tree(tree) => inspect::tree(tree),
        Command::Why(why) => inspect::why(why),
        Command::Watch(args) => watch::watch(args),
        Command::Top(target) => top::top(target),
        Command::Sock(args) => sock::sock(args),
        Command::Decode(status) => inspect::decode(status),
        Command::Doctor(doctor) => inspect::doctor(doctor),
        Command::Lab(args) => lab::lab(args),
        Command::Ls(ls) => transfer::list(&ls.urls, ls.json),
        Command::Cp(cp) => transfer::copy(&cp.ends, cp.recursive),
        Command::Send(send) => send::send(&send.address, &send.text, &mut out::print).map(done),
        Command::Completions(completions) => papers::completions(completions.shell).map(done),
        Command::Man => papers::man().map(done),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// What clap stopped at: a page that was asked for, or something that it cannot understand.
fn help_or_complaint(words: &[OsString], error: &clap::Error) -> Result<ExitCode> {
    let page = error.render();
    if error.exit_code() == 0 {
        let page = if out::coloured() { page.ansi().to_string() } else { page.to_string() };
        out::print(page.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    } else if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        out::explain(&page.to_string());
        Ok(ExitCode::from(2))
    } else {
        Err(usage::complaint(words, error))
    }
}

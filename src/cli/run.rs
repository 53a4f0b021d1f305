//! `forkd run`: any program as the workers.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    common::{Common, words},
    paths::absolute,
    services::RUN,
    serving::{Serving, streams_only},
};
use crate::{Error, Program, Readiness, Result, config::Model, server::Blueprint};

/// The examples of its help.
pub const EXAMPLES: &str = "\
The program finds its sockets from descriptor 3 on: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, as
sd_listen_fds(3) says. TERM tells it to finish.

Examples:
  forkd run -l :8080 -w 4 -- ./server --fast
  forkd run -l :8080 --ready notify -- python3 app.py
  forkd run -l :7007 --per-connection -- cat";

/// `forkd run`
#[derive(Debug, Args)]
pub struct Run {
    /// The program and its arguments
    #[arg(value_name = "CMD", last = true, required = true, num_args = 1..)]
    pub program: Vec<OsString>,
    /// Start the program once for each connection, which is its standard input and output
    #[arg(long)]
    pub per_connection: bool,
    /// When the program is ready: once it says READY=1 to $NOTIFY_SOCKET, or as soon as it runs
    #[arg(long, value_name = "R", default_value = "exec", value_parser = words::<Readiness>(Readiness::WORDS))]
    pub ready: Readiness,
    /// A variable for the program, may be repeated
    #[arg(long, value_name = "K=V", value_parser = NonEmptyStringValueParser::new())]
    pub env: Vec<String>,
    /// The directory that the program begins in [default: this one]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

impl Serving for Run {
    fn common(&self) -> &Common {
        &self.common
    }

    fn blueprint(&self) -> Result<Blueprint<'static>> {
        let mut settings = self.common.settings(RUN.word)?;
        if self.per_connection {
            settings.model = Model::PerConnection;
            streams_only("a program per connection", &settings)?;
        }
        let program = self.program()?;
        let sandbox = settings.privileges.sandbox.take();
        settings.privileges.sandbox = sandbox.map(|sandbox| program.in_sandbox(sandbox));
        Ok(Blueprint::of_program(settings, program))
    }
}

impl Run {
    /// The program, with all paths absolute: a daemon leaves the directory of its caller.
    fn program(&self) -> Result<Program> {
        let [word, arguments @ ..] = self.program.as_slice() else {
            return Err(
                Error::usage("missing <CMD>").remedy("write it behind --, as in forkd run -- ./server")
            );
        };
        let inside = self.common.rights.chroot.is_some();
        let here = self.cwd.as_deref().unwrap_or_else(|| Path::new(if inside { "/" } else { "." }));
        let word_is_relative = || Some(Path::new(word)).filter(|path| is_relative(path));
        let relative = Some(here).filter(|path| path.is_relative()).or_else(word_is_relative);
        if let Some(path) = relative.filter(|_| inside) {
            return Err(Error::usage(format!("cannot find {} in another root", path.display()))
                .remedy("write an absolute path, as it is seen from inside"));
        }
        let program =
            Program::new(path_or_name(word)?).args(arguments).current_dir(absolute(here)?).ready(self.ready);
        self.env.iter().try_fold(program, |program, pair| match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(program.env(name, value)),
            Some(_) | None => Err(Error::usage(format!("cannot set {pair:?}: it is no variable"))
                .remedy("write --env NAME=VALUE")),
        })
    }
}

/// A path that depends on the caller's directory; a name without a slash is looked for in `PATH`.
fn is_relative(path: &Path) -> bool {
    path.is_relative() && path.as_os_str().as_bytes().contains(&b'/')
}

/// A path is the caller's; a name is looked for in `PATH` each time.
fn path_or_name(word: &OsStr) -> Result<PathBuf> {
    if word.as_bytes().contains(&b'/') { absolute(Path::new(word)) } else { Ok(word.into()) }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::{
        cli::{
            args::{Command, Line, Serve},
            usage::{complaint, grammar},
        },
        config::Settings,
    };

    fn parse(line: &str) -> Result<Settings> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let matches = grammar().try_get_matches_from(&words).map_err(|error| complaint(&words, &error))?;
        if let Command::Serve(serve) = Line::from_arg_matches(&matches).expect(line).command
            && let Serve::Run(run) = *serve
        {
            return Ok(run.blueprint()?.settings().clone());
        }
        panic!("not run: {line}")
    }

    #[test]
    fn what_stands_behind_the_dashes_is_the_program() {
        let settings =
            parse("forkd run -l :8080 --env A=b=c --cwd /tmp --ready notify -- ./server --fast -w 9")
                .expect("settings");
        let here = std::env::current_dir().expect("a directory");
        let expected = Program::new(here.join("server"))
            .args(["--fast", "-w", "9"])
            .env("A", "b=c")
            .current_dir("/tmp")
            .ready(Readiness::Notify);
        assert_eq!(settings.program, Some(expected));
        assert_eq!((settings.listen.len(), settings.model), (1, Model::Event));
        let settings = parse("forkd run -l :1 --per-connection -- cat").expect("settings");
        assert_eq!(settings.model, Model::PerConnection);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, words) in [
            ("forkd run", "missing <CMD>"),
            ("forkd run --env A -- cat", "cannot set \"A\": it is no variable"),
            ("forkd run --model blocking -- cat", "--model <M> cannot stand beside <CMD>"),
            ("forkd run --ready soon -- cat", "--ready <R> cannot be soon (write one of exec, notify)"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.to_string().starts_with(words) && error.exit_code() == 2, "{error}");
        }
    }
}

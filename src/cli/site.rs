//! The flags of `forkd http`: how the files are shown, to whom, and what else is taken or told.

use std::time::Duration;

use clap::Args;

use crate::{
    Error, Result, Worker,
    app::site::{Credential, Header, Metrics, Options, Queue},
    config::parse,
    listener::{Gauge, Listener},
};

const FILES: &str = "Files";
const ANSWERS: &str = "Answers";
const ACCESS: &str = "Access";

/// How a site behaves.
#[derive(Debug, Args)]
pub struct SiteFlags {
    /// The file that stands for its directory, may be repeated: the first that is there [default: index.html]
    #[arg(long, value_name = "NAME", help_heading = FILES)]
    pub index: Vec<String>,
    /// Show no directory that has no index file
    #[arg(long, help_heading = FILES)]
    pub no_listing: bool,
    /// Answer paths that lead to nothing with the top directory's index file, for applications that route in the
    /// browser; names with an ending are not found as ever
    #[arg(long, help_heading = FILES)]
    pub spa: bool,
    /// Serve names with a dot in front, too
    #[arg(long, help_heading = FILES)]
    pub hidden: bool,
    /// Send NAME.br, NAME.zst or NAME.gz in place of NAME to clients that can decode them
    #[arg(long, help_heading = FILES)]
    pub precompressed: bool,

    /// Let pages of any other site read what is here
    #[arg(long, help_heading = ANSWERS)]
    pub cors: bool,
    /// Let clients keep files for so long without asking again (30s, 10m, 7d)
    #[arg(long, value_name = "T", help_heading = ANSWERS, value_parser = parse::duration)]
    pub cache: Option<Duration>,
    /// A field that every answer has, may be repeated: 'X-Frame-Options: DENY'
    #[arg(long, value_name = "N: V", help_heading = ANSWERS)]
    pub header: Vec<String>,

    /// Show at this path, as Prometheus reads them, the numbers of all workers: /metrics
    #[arg(long, value_name = "PATH", help_heading = ACCESS)]
    pub metrics: Option<String>,
    /// Take files by PUT and remove them by DELETE
    #[arg(long, help_heading = ACCESS)]
    pub upload: bool,
    /// Let in nobody but this user, may be repeated; HASH is what `openssl passwd -6` or `htpasswd -nB` prints, or
    /// for a long random password its SHA-256 in hexadecimal digits
    #[arg(long, value_name = "USER:HASH", help_heading = ACCESS)]
    pub auth: Vec<String>,
}

impl SiteFlags {
    /// The options that they stand for.
    ///
    /// # Errors
    /// A usage error for what cannot be meant.
    pub fn options(&self) -> Result<Options> {
        let index = if self.index.is_empty() { Options::default().index } else { self.index.clone() };
        if let Some(bad) =
            index.iter().find(|name| name.is_empty() || name.contains('/') || name.contains('\0'))
        {
            return Err(Error::usage(format!("cannot take {bad:?} for an index: it is no file name"))
                .remedy("write a name such as index.html"));
        }
        Ok(Options {
            index,
            listing: !self.no_listing,
            spa: self.spa,
            cors: self.cors,
            cache: self.cache,
            headers: self.header.iter().map(|text| header(text)).collect::<Result<_>>()?,
            hidden: self.hidden,
            auth: self.auth.iter().map(|text| credential(text)).collect::<Result<_>>()?,
            precompressed: self.precompressed,
            upload: self.upload,
        })
    }
}

impl SiteFlags {
    /// What makes the metrics of a worker, if they are wanted.
    ///
    /// # Errors
    /// A usage error for a path that nobody can ask for.
    pub fn metrics(&self) -> Result<Option<impl Fn(&Worker) -> Metrics + use<>>> {
        let Some(path) = self.metrics.clone() else { return Ok(None) };
        let lawful =
            path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
        if !lawful {
            return Err(Error::usage(format!("cannot show metrics at {path:?}: it is no path of a URL"))
                .remedy("write one such as /metrics"));
        }
        Ok(Some(move |worker: &Worker| {
            let gauges: Vec<_> = worker.listeners().iter().map(Listener::gauge).collect();
            let queue = |gauge: &Gauge| {
                let (waiting, backlog) = gauge.read()?;
                Some(Queue { listener: gauge.address().to_owned(), waiting, backlog })
            };
            let queues = move || gauges.iter().filter_map(queue).collect();
            Metrics::new(path.clone(), worker.row().clone(), queues)
        }))
    }
}

fn header(text: &str) -> Result<Header> {
    text.parse().map_err(|cause| {
        Error::usage(format!("cannot send header {text:?}: {cause}")).remedy("write 'NAME: VALUE'")
    })
}

/// The hash is not repeated: it does not belong into a log.
fn credential(text: &str) -> Result<Credential> {
    let user = text.split(':').next().unwrap_or_default();
    text.parse().map_err(|cause| {
        Error::usage(format!("cannot let in user {user:?}: {cause}"))
            .remedy("write USER:HASH, the hash as `openssl passwd -6` prints it")
    })
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn options(words: &[&str]) -> Result<Options> {
        let grammar = SiteFlags::augment_args(Command::new("http"));
        let matches = grammar.try_get_matches_from([&["http"], words].concat()).expect("words");
        SiteFlags::from_arg_matches(&matches).expect("flags").options()
    }

    #[test]
    fn without_flags_the_options_are_the_defaults() {
        assert_eq!(options(&[]).expect("options"), Options::default());
    }

    #[test]
    fn each_flag_ends_in_its_option() {
        let digest = "0".repeat(64);
        let user = format!("ann:{digest}");
        let words = [
            "--index",
            "a.html",
            "--index=b",
            "--no-listing",
            "--spa",
            "--hidden",
            "--precompressed",
            "--upload",
            "--cors",
            "--cache",
            "10m",
            "--header",
            "X: y",
            "--header=Z: ",
            "--auth",
            &user,
        ];
        let expected = Options {
            index: vec!["a.html".into(), "b".into()],
            listing: false,
            spa: true,
            cors: true,
            cache: Some(Duration::from_secs(600)),
            headers: vec!["X: y".parse().expect("a header"), "Z:".parse().expect("a header")],
            hidden: true,
            auth: vec![user.parse().expect("a credential")],
            precompressed: true,
            upload: true,
        };
        assert_eq!(options(&words).expect("options"), expected);
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error_in_one_line() {
        for words in
            [["--index", "a/b"], ["--header", "X"], ["--header", "Date: x"], ["--auth", "ann:secret"]]
        {
            let error = options(&words).expect_err("no options");
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(
                text.starts_with("cannot ") && !text.contains('\n') && !text.contains("secret"),
                "{text}"
            );
        }
    }
}

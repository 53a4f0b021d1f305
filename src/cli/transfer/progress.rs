//! How far a copy has come: a bar on a terminal, and one line at the end everywhere.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::{Width, terminal_size_of};

use super::failed::Left;
use crate::{app::transfer::client::Progress, cli::words, protocol::transfer::RUN};

/// Shows the progress of one file.
pub struct Meter {
    bar: Option<ProgressBar>,
    begun: Instant,
    /// What the first attempt found to be there already.
    kept: Option<u64>,
    there: u64,
    size: u64,
}

/// How far a copy of several files has come.
#[derive(Debug)]
pub struct Total {
    files: usize,
    copied: usize,
    bytes: u64,
    begun: Instant,
}

/// How often a bar is drawn anew in a second.
const DRAWS: u8 = 10;

/// What stands in a bar's line: all of it, and what goes into forty columns.
const WIDE: &str =
    "{msg:24!} {wide_bar} {prefix}{bytes:>11}/{total_bytes} {binary_bytes_per_sec:>12} {eta:>4} left";
const NARROW: &str = "{msg:10!} {percent:>3}% {binary_bytes_per_sec:>13} {eta:>4} left";

/// From how many columns on there is room for all of it.
const ROOM: u16 = 76;

impl Meter {
    /// A meter of a file with this name.
    pub fn new(name: &str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWS));
            // The template is ours, and a test sees that it is one.
            let style =
                ProgressStyle::with_template(template()).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━━ "));
            bar.set_message(words::printable(name).into_owned());
            bar
        });
        Self { bar, begun: Instant::now(), kept: None, there: 0, size: 0 }
    }

    /// It has come so far.
    pub fn show(&mut self, progress: Progress) {
        self.kept.get_or_insert(progress.kept);
        (self.there, self.size) = (progress.there, progress.size);
        if let Some(bar) = &self.bar {
            bar.set_length(progress.size);
            if progress.there == progress.kept {
                // What was there already is no speed.
                bar.set_position(progress.there);
                if progress.kept > 0 {
                    bar.set_prefix(format!("from {}, ", words::size(progress.kept)));
                }
                bar.reset_eta();
            }
            bar.set_position(progress.there);
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What there is to go on from, of a file that did not arrive.
    pub fn left(&self) -> Left {
        if self.there < RUN as u64 { Left::Nothing } else { Left::Part }
    }

    /// What was done, in a line.
    pub fn summary(&self, to: &str) -> String {
        summary(to, self.size, self.kept.unwrap_or(0), self.begun.elapsed())
    }
}

impl Total {
    /// A copy of so many files that begins now.
    pub fn of(files: usize) -> Self {
        Self { files, copied: 0, bytes: 0, begun: Instant::now() }
    }

    /// What a bar says of the next file.
    pub fn label(&self, name: &str) -> String {
        if self.files > 1 { format!("{}/{} {name}", self.copied + 1, self.files) } else { name.to_owned() }
    }

    /// One has arrived.
    pub fn add(&mut self, meter: &Meter) {
        self.copied += 1;
        self.bytes += meter.size;
    }

    /// What was done, in a line.
    pub fn summary(&self) -> String {
        let time = self.begun.elapsed().as_secs_f64();
        let rate = words::size((self.bytes as f64 / time.max(1e-6)) as u64);
        let (size, time) = (words::size(self.bytes), words::age(time));
        format!("{} of {} files: {size} in {time}, {rate}/s", self.copied, self.files)
    }
}

/// A line that is too long for the terminal is broken in two.
fn template() -> &'static str {
    match terminal_size_of(io::stderr()) {
        Some((Width(columns), _)) if columns < ROOM => NARROW,
        Some(_) | None => WIDE,
    }
}

fn summary(to: &str, size: u64, kept: u64, time: Duration) -> String {
    let rate = (size - kept) as f64 / time.as_secs_f64().max(1e-6);
    let kept = if kept == 0 { String::new() } else { format!(", {} of it were there", words::size(kept)) };
    let (size, rate, time) = (words::size(size), words::size(rate as u64), words::age(time.as_secs_f64()));
    format!("{to}: {size} in {time}, {rate}/s, verified{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!([WIDE, NARROW].into_iter().all(|template| ProgressStyle::with_template(template).is_ok()));
    }

    #[test]
    fn a_line_says_what_was_copied() {
        let second = Duration::from_secs(1);
        assert_eq!(summary("a", 3 << 20, 0, second), "a: 3.0 MiB in 1.0 s, 3.0 MiB/s, verified");
        let resumed = summary("a", 3 << 20, 2 << 20, second);
        assert_eq!(resumed, "a: 3.0 MiB in 1.0 s, 1.0 MiB/s, verified, 2.0 MiB of it were there");
        assert!(summary("a", 0, 0, Duration::ZERO).starts_with("a: 0 B in 0 ms, 0 B/s"));
    }
}

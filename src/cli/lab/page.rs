//! How a run looks on a terminal. The notation is the same in every experiment: the time since its start, each process
//! by its letter with its state beside it, and what happened.
//!
//! ```text
//!   0.002  A S  B Z             B has ended with code 7; A does not ask
//! ```

use crate::{
    inspect::{
        paint::{Look, Tone},
        text::{columns, fit, printable, wrap},
    },
    lab::{
        Lang,
        errata::Row,
        message::{Check, Event},
        perform::{Left, Report},
        texts::{Prose, pick},
    },
};

/// The widest page that is pleasant to read.
const WIDEST: usize = 100;
/// How wide the states are at least, so that few lines move when a process joins.
const STATES: usize = 24;

/// A page in one language for one terminal.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Colours and width.
    pub look: Look,
    /// The language.
    pub lang: Lang,
}

impl Page {
    fn words(&self, en: &'static str, zh: &'static str) -> &'static str {
        pick(self.lang, en, zh)
    }

    fn width(&self) -> usize {
        self.look.width.unwrap_or(WIDEST).clamp(40, WIDEST)
    }

    /// The name and the title.
    pub fn title(&self, id: &str, prose: &Prose, claims: &[String]) -> String {
        let name = self.look.paint(id, Tone::Strong);
        format!("{name}  {}  {}\n", prose.title, self.look.paint(&claims.join(" "), Tone::Faint))
    }

    /// A heading and a text below it.
    pub fn part(&self, heading: &str, text: &str) -> String {
        format!("\n{}\n{}", self.look.paint(heading, Tone::Strong), self.paragraphs(text))
    }

    fn paragraphs(&self, text: &str) -> String {
        let lines = text.trim().lines().flat_map(|line| wrap(line, self.width() - 2));
        lines.map(|line| format!("  {line}\n")).collect()
    }

    /// What comes before the run.
    pub fn opening(&self, prose: &Prose) -> String {
        let story = self.part(self.words("Story", "故事"), &prose.story);
        story + &self.part(self.words("Predict", "先猜一猜"), &prose.predict)
    }

    /// The heading of the timeline.
    pub fn timeline(&self, seed: u64) -> String {
        let heading = self.words("What happens", "发生了什么");
        let seed = self.look.paint(&format!("--seed {seed}"), Tone::Faint);
        format!("\n{}  {seed}\n", self.look.paint(heading, Tone::Strong))
    }

    /// One line of the timeline.
    pub fn event(&self, event: &Event) -> String {
        let time = format!("{:4}.{:03}", event.at_us / 1_000_000, event.at_us / 1000 % 1000);
        let plain: Vec<_> = event.states.iter().map(|(letter, state)| format!("{letter} {state}")).collect();
        let blanks = STATES.saturating_sub(columns(&plain.join("  ")));
        let painted: Vec<_> = event.states.iter().map(|(letter, state)| self.state(letter, state)).collect();
        let states = painted.join("  ") + &" ".repeat(blanks);
        format!("{}  {states}  {}\n", self.look.paint(&time, Tone::Faint), printable(&event.text))
    }

    fn state(&self, letter: &str, state: &str) -> String {
        let tone = match state {
            "R" | "ESTABLISHED" | "LISTEN" => Tone::Good,
            "Z" => Tone::Bad,
            "D" | "T" | "t" => Tone::Odd,
            "-" => Tone::Faint,
            _ => Tone::Plain,
        };
        format!("{letter} {}", self.look.paint(state, tone))
    }

    /// The checks, as a table whose columns stay columns in both languages.
    pub fn checks(&self, report: &Report) -> String {
        let mut text = format!("\n{}\n", self.look.paint(self.words("Checks", "检查"), Tone::Strong));
        let width =
            |of: fn(&Check) -> &str| report.checks.iter().map(|check| columns(of(check))).max().unwrap_or(0);
        let (claim, what) = (width(|check| &check.claim), width(|check| &check.what).min(60));
        for check in &report.checks {
            let mark = self.mark(check.ok);
            let (expected, observed) = (printable(&check.expected), printable(&check.observed));
            let seen = if check.ok && expected == observed {
                observed
            } else {
                let (wanted, saw) = (self.words("expected", "期望"), self.words("observed", "实际"));
                format!("{wanted} {expected}{}{saw} {observed}", self.words(", ", "，"))
            };
            text += &format!(
                "  {mark}  {}  {}  {seen}\n",
                fit(&check.claim, claim, ""),
                fit(&check.what, what, "…")
            );
        }
        for left in &report.skipped_checks {
            text += &self.left(left, claim, what);
        }
        text
    }

    fn left(&self, left: &Left, claim: usize, what: usize) -> String {
        let mark = self.look.paint(self.words("skip", "跳过"), Tone::Odd);
        format!("  {mark}  {}  {}  {}\n", fit(&left.claim, claim, ""), fit(&left.what, what, "…"), left.why)
    }

    fn mark(&self, ok: bool) -> String {
        if ok {
            self.look.paint(self.words("ok  ", "通过"), Tone::Good)
        } else {
            self.look.paint(self.words("FAIL", "失败"), Tone::Bad)
        }
    }

    /// The answer to the question, why it is so, and where to read more.
    pub fn closing(&self, prose: &Prose, man: &[String]) -> String {
        self.part(self.words("Answer", "答案"), &prose.answer) + &self.explanation(prose, man)
    }

    /// Why it is so, what servers do instead, and where to read more.
    pub fn explanation(&self, prose: &Prose, man: &[String]) -> String {
        let mut text = self.part(self.words("Why", "为什么"), &prose.explain);
        text += &self.part(self.words("In production", "实际的服务器怎么做"), &prose.production);
        text + &self.part(self.words("Read more", "延伸阅读"), &man.join(self.words(", ", "、")))
    }

    /// What the course notes have wrong about it.
    pub fn errata(&self, rows: &[&Row]) -> String {
        let lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let right = pick(self.lang, &row.en, &row.zh);
                format!("{}\n→ {right} {}", row.written, self.look.paint(&row.source, Tone::Faint))
            })
            .collect();
        self.part(self.words("The course notes say", "课程笔记的说法"), &lines.join("\n"))
    }

    /// The heading of what a learner's program must do.
    pub fn task_heading(&self) -> &'static str {
        self.words("Task", "任务")
    }

    /// The heading of a hint.
    pub fn hint_heading(&self) -> &'static str {
        self.words("Hint", "提示")
    }

    /// What the program has written.
    pub fn output(&self, text: &str) -> String {
        let lines: String = text.lines().take(20).map(|line| format!("  {}\n", printable(line))).collect();
        let heading = self.words("What the program wrote", "程序的输出");
        format!("\n{}\n{lines}", self.look.paint(heading, Tone::Strong))
    }

    /// One line that says how it went.
    pub fn verdict(&self, report: &Report) -> String {
        let held = report.checks.iter().filter(|check| check.ok).count();
        let all = report.checks.len();
        let mut line = match self.lang {
            Lang::En => format!("{}: {held} of {all} checks hold", report.id),
            Lang::Zh => format!("{}：{all} 项检查通过了 {held} 项", report.id),
        };
        let comma = self.words(", ", "，");
        if let Some(why) = &report.skipped {
            line = format!("{}{}{why}", report.id, self.words(": skipped: ", "：跳过："));
        } else if !report.skipped_checks.is_empty() {
            let skipped = report.skipped_checks.len();
            line += &format!("{comma}{}{skipped}", self.words("skipped: ", "跳过："));
        }
        if let Some(trouble) = &report.trouble {
            line += &format!("{comma}{trouble}");
        }
        let tone = if report.holds() { Tone::Good } else { Tone::Bad };
        self.look.paint(&line, tone) + "\n"
    }
}

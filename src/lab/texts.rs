//! The words of an experiment, apart from its code: one TOML file with both languages.
//!
//! ```toml
//! man = ["wait(2)", "proc_pid_stat(5)"]      # where the explanation can be read up; RFCs too
//!
//! [en]
//! title = "…"
//! story = "…"            # at most 15 lines
//! predict = "…"          # one question
//! answer = "…"
//! explain = "…"
//! production = "…"       # what servers do instead
//! task = "…"             # for experiments that check a learner's program: what it must do
//! hints = ["…", "…", "…"]
//!
//! [zh]                   # the same keys
//!
//! [events]
//! ended = { en = "B ends with code {code}", zh = "B 结束，退出码 {code}" }
//!
//! [checks]
//! state = { claim = "P18", en = "state of B", zh = "B 的状态" }
//!
//! [bugs]                 # broken variants, and the check that catches each
//! collect = { fails = "state", en = "A waits for B after all", zh = "A 还是回收了 B" }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Lang;

/// One text file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Manual pages and RFCs.
    pub man: Vec<String>,
    /// English prose.
    pub en: Prose,
    /// Chinese prose.
    pub zh: Prose,
    /// Lines of the timeline, and other short texts.
    #[serde(default)]
    pub events: BTreeMap<String, Both>,
    /// What is checked.
    pub checks: BTreeMap<String, CheckText>,
    /// Broken variants.
    #[serde(default)]
    pub bugs: BTreeMap<String, BugText>,
}

/// The longer texts, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prose {
    /// One line.
    pub title: String,
    /// What it is about.
    pub story: String,
    /// What to predict before it runs.
    pub predict: String,
    /// What was to be predicted.
    pub answer: String,
    /// Why it is so.
    pub explain: String,
    /// What production servers do instead.
    pub production: String,
    /// What a learner's program must do.
    pub task: Option<String>,
    /// Hints, from a nudge to nearly the solution.
    #[serde(default)]
    pub hints: Vec<String>,
}

/// A short text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Both {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// A check: its claim and what it looks at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckText {
    /// The claim that it proves.
    pub claim: String,
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// A broken variant: what is broken, and which check must notice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BugText {
    /// The key of the check that fails.
    pub fails: String,
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Texts {
    /// Reads a file of this crate. That each of them can be read is tested.
    ///
    /// # Panics
    /// On a text file that is none.
    pub fn parse(id: &str, text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("texts of {id}: {error}"))
    }

    /// The prose in one language.
    pub fn prose(&self, lang: Lang) -> &Prose {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }

    /// The claims that its checks prove, in order.
    pub fn claims(&self) -> Vec<String> {
        let mut claims: Vec<_> = self.checks.values().map(|check| check.claim.clone()).collect();
        claims.sort_by_key(|claim| order(claim));
        claims.dedup();
        claims
    }
}

/// Where a claim stands: processes, network, HTTP, whole programs; then by number.
fn order(claim: &str) -> (usize, u32) {
    let (letter, number) = claim.split_at(claim.len().min(1));
    ("PNHW".find(letter).unwrap_or(9), number.parse().unwrap_or(0))
}

impl Both {
    /// The text in one language.
    pub fn get(&self, lang: Lang) -> &str {
        pick(lang, &self.en, &self.zh)
    }
}

impl CheckText {
    /// The text in one language.
    pub fn get(&self, lang: Lang) -> &str {
        pick(lang, &self.en, &self.zh)
    }
}

/// The one of the two.
pub fn pick<'t>(lang: Lang, en: &'t str, zh: &'t str) -> &'t str {
    match lang {
        Lang::En => en,
        Lang::Zh => zh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_in_the_order_of_the_course() {
        let mut claims = ["W1", "N10", "P2", "N9", "H1", "P10"];
        claims.sort_by_key(|claim| order(claim));
        assert_eq!(claims, ["P2", "P10", "N9", "N10", "H1", "W1"]);
    }
}

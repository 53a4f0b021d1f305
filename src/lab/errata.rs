//! What the course notes have wrong, and the check that shows how it is: one table, and the page that is made of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Lang, experiments::Experiment, texts::pick};

/// The table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errata {
    /// How each of the notes begins, so that a teacher knows which one is meant.
    pub begin: BTreeMap<String, String>,
    /// The errors.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// One error.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The notes that have it.
    pub notes: String,
    /// What they say.
    pub written: String,
    /// How it is, in English.
    pub en: String,
    /// How it is, in Chinese.
    pub zh: String,
    /// Where that can be read up.
    pub source: String,
    /// The check that shows it, as experiment/check; an experiment alone; or nothing, for what is no matter of a kernel.
    pub shown: String,
}

impl Errata {
    /// The table of this crate.
    ///
    /// # Panics
    /// On a table that is none; a test reads it.
    pub fn read() -> Self {
        toml::from_str(include_str!("errata.toml")).unwrap_or_else(|error| panic!("errata: {error}"))
    }

    /// The page in Markdown, as it stands in `docs`.
    pub fn page(&self, lang: Lang) -> String {
        let mut page = pick(lang, HEAD_EN, HEAD_ZH).to_owned();
        for (note, begin) in &self.begin {
            page += &format!("- **{note}**: {}\n", cell(begin));
        }
        page += pick(lang, TABLE_EN, TABLE_ZH);
        for row in &self.rows {
            let right = pick(lang, &row.en, &row.zh);
            let cells =
                [&row.notes, &cell(&row.written), &cell(right), &cell(&row.source), &shown(&row.shown)];
            page += &format!("| {} |\n", cells.map(String::as_str).join(" | "));
        }
        page
    }

    /// The rows that an experiment shows.
    pub fn of<'t>(&'t self, experiment: &'t Experiment) -> impl Iterator<Item = &'t Row> {
        self.rows.iter().filter(|row| row.shown.split('/').next() == Some(experiment.id))
    }
}

/// The command that shows it, and the check to look at.
fn shown(place: &str) -> String {
    match place.split_once('/') {
        Some((experiment, check)) => format!("`forkd lab run {experiment}` ({check})"),
        None if place.is_empty() => "—".into(),
        None => format!("`forkd lab run {place}`"),
    }
}

/// A text that can stand in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD_EN: &str = "# Errata of the course notes

For teachers who use them. The notes are right in outline; these details are not, and most of them make the better experiment. \
The right-hand column names the experiment that shows it on your own machine.

This page is made by `forkd lab errata --lang en`; the table is `src/lab/errata.toml`.

The notes are told apart by their first line:

";
const TABLE_EN: &str = "
| notes | written | right | source | shown by |
|---|---|---|---|---|
";
const HEAD_ZH: &str = "# 课程笔记勘误

供使用这些笔记的老师参考。笔记的主干是对的，下面这些细节不对；其中大多数正好是更好的实验。最右一列是能在你自己的机器上演示它的实验。

本页由 `forkd lab errata --lang zh` 生成，数据在 `src/lab/errata.toml`。

各份笔记以第一行区分：

";
const TABLE_ZH: &str = "
| 笔记 | 原文 | 正确的说法 | 出处 | 演示实验 |
|---|---|---|---|---|
";

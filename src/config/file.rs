//! A configuration file: TOML, read into keys with their words and their lines. What a key means, and whether there is
//! such a key, is for whoever knows the flags: a key has the name of its flag.
//!
//! ```toml
//! drain-timeout = "10s"            # for every server of the file
//!
//! [server.web]
//! command = "http"
//! dir = "/srv/www"
//! listen = [":80", "unix:/run/web.sock"]
//! workers = 4
//!
//! [server.echo]
//! command = "echo"
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::error::{Error, Result};

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What stands above the servers: it holds for each of them.
    pub common: Vec<Entry>,
    /// The servers, in the order of the file.
    pub servers: Vec<Section>,
}

/// What the file says of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The server's name.
    pub name: String,
    /// The line on which that stands, counted from 1.
    pub line: usize,
    /// Its own keys.
    pub entries: Vec<Entry>,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name of a flag, without its dashes.
    pub key: String,
    /// What it is set to.
    pub value: Value,
    /// The line on which it stands, counted from 1.
    pub line: usize,
}

/// A value as it would be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word, or a list of them.
    Words(Vec<String>),
    /// Whether a flag without a value is given.
    Switch(bool),
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error when it cannot be read, is no TOML, or says something that no flag could.
    pub fn read(path: &Path) -> Result<Self> {
        let refused = |cause: std::io::Error| {
            Error::system(format!("read configuration {}", path.display()), cause)
                .remedy("name a file that you can read")
                .as_usage()
        };
        let about = fs::metadata(path).map_err(refused)?;
        let fault = if !about.is_file() {
            Some("it is no regular file")
        } else if about.len() > LONGEST {
            Some("it is longer than 1 MiB")
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(Error::usage(format!("cannot read configuration {}: {fault}", path.display()))
                .remedy("name a TOML file"));
        }
        Self::parse(path, &fs::read_to_string(path).map_err(refused)?)
    }

    /// Reads the text of a file at this path.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let reader = Reader { path, text };
        let table = DeTable::parse(text).map_err(|cause| {
            let line = reader.line(cause.span().map_or(0, |span| span.start));
            let words = cause.message().replace('\n', ", ");
            at(path, line, &words).remedy("write TOML: key = \"value\"")
        })?;
        reader.file(table.get_ref())
    }

    /// The server with this name.
    pub fn server(&self, name: &str) -> Option<&Section> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The names of its servers.
    pub fn names(&self) -> String {
        self.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What holds for a server: its own keys, and those of all that it does not set itself.
    pub fn entries<'a>(&'a self, server: Option<&'a Section>) -> impl Iterator<Item = &'a Entry> {
        let own = server.map_or(&[][..], |server| &server.entries);
        let others = self.common.iter().filter(|entry| !own.iter().any(|other| other.key == entry.key));
        own.iter().chain(others)
    }
}

/// An error at a line of a file.
pub fn at(path: &Path, line: usize, what: &str) -> Error {
    Error::usage(format!("cannot read {}:{line}: {what}", path.display()))
}

/// A text on its way to be a [`File`].
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn file(&self, table: &DeTable<'_>) -> Result<File> {
        let mut file = File { path: self.path.to_path_buf(), common: Vec::new(), servers: Vec::new() };
        for (key, value) in in_order(table) {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("server", DeValue::Table(servers)) => {
                    for (name, server) in in_order(servers) {
                        file.servers.push(self.section(name.get_ref(), name.span().start, server)?);
                    }
                }
                _ => file.common.push(self.entry(key, value)?),
            }
        }
        Ok(file)
    }

    fn section(&self, name: &str, offset: usize, value: &Spanned<DeValue<'_>>) -> Result<Section> {
        let line = self.line(offset);
        let DeValue::Table(table) = value.get_ref() else {
            return Err(at(self.path, line, &format!("server.{name} is no table"))
                .remedy(format!("write [server.{name}] and its keys below")));
        };
        let entries = in_order(table).into_iter().map(|(key, value)| self.entry(key, value));
        Ok(Section { name: name.to_owned(), line, entries: entries.collect::<Result<_>>()? })
    }

    fn entry(&self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<Entry> {
        let line = self.line(key.span().start);
        let refused = || {
            at(self.path, line, &format!("{} cannot be a {}", key.get_ref(), kind(value.get_ref())))
                .remedy("write a word, a number, true, false or a list of words")
        };
        let value = match value.get_ref() {
            DeValue::Boolean(switch) => Value::Switch(*switch),
            DeValue::Array(list) => {
                let words = list.iter().map(|item| word(item.get_ref()));
                Value::Words(words.collect::<Option<_>>().ok_or_else(refused)?)
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => Value::Words(vec![word(value.get_ref()).ok_or_else(refused)?]),
        };
        Ok(Entry { key: key.get_ref().to_string(), value, line })
    }
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

/// The keys of a table as they stand in the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A single value as a word.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Datetime(_) => "date",
        DeValue::Table(_) => "table",
        DeValue::Array(_) => "list of that",
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
            "value of that kind"
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<File> {
        File::parse("web.toml".as_ref(), text)
    }

    fn words(words: &[&str]) -> Value {
        Value::Words(words.iter().map(ToString::to_string).collect())
    }

    const FILE: &str = "\
drain-timeout = \"10s\"
workers = 2

[server.web]
listen = [\":80\", \"unix:/run/web.sock\"]
workers = 4
spa = true

[server.echo]
command = \"echo\"
";

    #[test]
    fn keys_come_with_their_words_and_lines() {
        let file = parse(FILE).expect("a file");
        let web = file.server("web").expect("there");
        assert_eq!((web.line, file.names().as_str()), (4, "web, echo"));
        let entries: Vec<_> = file
            .entries(Some(web))
            .map(|entry| (entry.key.as_str(), entry.value.clone(), entry.line))
            .collect();
        let expected = [
            ("listen", words(&[":80", "unix:/run/web.sock"]), 5),
            ("workers", words(&["4"]), 6),
            ("spa", Value::Switch(true), 7),
            ("drain-timeout", words(&["10s"]), 1),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn what_no_flag_could_say_is_refused_with_file_line_and_key() {
        let table = [
            ("workers = 2\nheader = { a = 1 }", "cannot read web.toml:2: header cannot be a table"),
            ("\n\nname = 1979-05-27", "cannot read web.toml:3: name cannot be a date"),
            ("server.web = 1", "cannot read web.toml:1: server.web is no table"),
            ("a = 1\na = 2", "cannot read web.toml:2: duplicate key"),
            ("a = 1\nb = ", "cannot read web.toml:2: "),
        ];
        for (text, expected) in table {
            let error = parse(text).expect_err(text);
            assert_eq!(error.exit_code(), 2);
            let error = error.to_string();
            assert!(error.starts_with(expected) && error.ends_with(')') && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).expect("made");
        for path in [fifo, dir.path().into(), dir.path().join("missing")] {
            assert_eq!(File::read(&path).expect_err("no file").exit_code(), 2);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z=\\[\\]\"{}.,\\n 0-9-]{0,80}") {
            let _ = parse(&text);
        }
    }
}

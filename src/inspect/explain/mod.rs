//! Why a process is as it is: its state in words, how it got there, who must act, who would adopt it, what kill does.
//!
//! ```ignore
//! let why = Explanation::of(&snapshot, process, Lang::En);
//! for passage in &why.passages {
//!     println!("{}: {}", passage.heading, passage.text);
//! }
//! ```

mod facts;
mod passages;
pub mod words;

use serde::Serialize;

use self::{
    facts::Facts,
    words::{Lang, Text},
};
use super::{document::Document, kin, snapshot::Snapshot, stat::Process};

/// An explanation, as people read it and as a document.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The process; those below it are not there.
    #[serde(flatten)]
    pub process: Document,
    /// The language of the passages.
    pub lang: &'static str,
    /// Its parent.
    pub parent: Option<Person>,
    /// The one who can change its state: the parent of a zombie, the tracer of one that is held.
    pub who_must_act: Option<Person>,
    /// Who would be its next parent, probably.
    pub adopter: Option<Person>,
    /// The experiment that shows the same.
    pub lesson: &'static str,
    /// The explanation.
    pub passages: Vec<Passage>,
}

/// A process that another one has to do with.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// Its number.
    pub pid: i32,
    /// Its name **as it is**.
    pub comm: String,
}

/// One part of an explanation.
#[derive(Debug, Serialize)]
pub struct Passage {
    /// What it is about: `state`, `history`, `duty`, `children`, `adopter`, `kill` or `lesson`.
    pub topic: &'static str,
    /// The same in the reader's language.
    pub heading: &'static str,
    /// The sentences.
    pub text: String,
}

impl Explanation {
    /// Explains a process.
    pub fn of(snapshot: &Snapshot, process: &Process, lang: Lang) -> Self {
        let facts = Facts::gather(snapshot, process);
        Self::from_facts(&facts, lang)
    }

    fn from_facts(facts: &Facts, lang: Lang) -> Self {
        let say = passages::Say { facts, lang };
        let passages: [(&'static str, Text, Vec<String>); 7] = [
            ("state", Text::HeadState, say.state()),
            ("history", Text::HeadHistory, say.history()),
            ("duty", Text::HeadDuty, say.duty()),
            ("children", Text::HeadChildren, say.children()),
            ("adopter", Text::HeadAdopter, say.adopter()),
            ("kill", Text::HeadKill, say.kill()),
            ("lesson", Text::HeadLesson, vec![say.plain(Text::Lesson)]),
        ];
        let passage = |(topic, heading, sentences): (&'static str, Text, Vec<String>)| Passage {
            topic,
            heading: heading.pattern(lang),
            text: sentences.join(lang.between()),
        };
        Self {
            process: Document::from(&facts.node),
            lang: lang.code(),
            parent: facts.parent.as_ref().map(Person::from),
            who_must_act: facts.who_must_act(),
            adopter: facts.adopter.as_ref().map(Person::from),
            lesson: facts.lesson(),
            passages: passages
                .into_iter()
                .filter(|(_, _, sentences)| !sentences.is_empty())
                .map(passage)
                .collect(),
        }
    }
}

impl From<&Process> for Person {
    fn from(process: &Process) -> Self {
        Self { pid: process.pid, comm: process.comm.clone() }
    }
}

/// Who would adopt a process: nobody above the first process of its namespace.
fn adopter_within(snapshot: &Snapshot, process: &Process, inner_init: Option<i32>) -> Option<Process> {
    let found = kin::adopter(snapshot, process)?;
    let Some(init) = inner_init.and_then(|pid| snapshot.get(pid)) else { return Some(found.clone()) };
    let inside = snapshot.ancestors(found).iter().any(|above| above.pid == init.pid);
    Some(if inside { found.clone() } else { init.clone() })
}

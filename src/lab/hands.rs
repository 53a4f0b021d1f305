//! The hands of an experimenter: to make processes, to wait for what the kernel says of them, to record it.

use std::{cell::Cell, ffi::OsString, fmt::Display, io, os::fd::OwnedFd, time::Duration};

use nix::poll::{PollTimeout, poll};

use super::{
    Actor, Cue, Outcome, Trouble,
    experiments::Experiment,
    look::Who,
    message::{Check, Event, Message, tell},
    perform::{Pace, Wish},
    texts::{Texts, pick},
};
use crate::{
    inspect::explain::words::fill,
    process::{Pid, clock::Time},
};

/// How long the stage waits for something that should happen at once. Generous, for loaded machines.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a learner's program may take until it waits for its first cue.
const STARTUP: Duration = Duration::from_secs(5);

/// One run, as the experiment sees it.
pub struct Lab {
    texts: Texts,
    wish: Wish,
    wire: OwnedFd,
    begin: Time,
    chance: u64,
    watched: Vec<Watched>,
    known: Vec<i32>,
    patience: Cell<Duration>,
    subject: Option<std::fs::File>,
}

/// A column of the timeline: a letter, and how to ask the kernel for its state.
struct Watched {
    letter: String,
    state: Box<dyn Fn() -> String>,
}

impl Lab {
    /// A stage with nothing on it.
    pub fn new(experiment: &'static Experiment, wish: &Wish, wire: OwnedFd) -> Self {
        Self {
            texts: experiment.texts(),
            wish: wish.clone(),
            wire,
            begin: Time::now(),
            // splitmix64 does not like zero any less than other numbers, but its first steps look alike.
            chance: wish.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            watched: Vec::new(),
            known: Vec::new(),
            patience: Cell::new(PATIENCE),
            subject: None,
        }
    }

    /// Whether the broken variant of that name was asked for.
    ///
    /// # Panics
    /// When the text file does not declare it: a misspelt bug would be one that nobody can ask for.
    pub fn bug(&self, name: &str) -> bool {
        assert!(self.texts.bugs.contains_key(name), "no bug {name:?} in the texts");
        self.wish.bug.as_deref() == Some(name)
    }

    /// Whether a learner's program takes the first part: then only what it does is checked.
    pub fn is_exam(&self) -> bool {
        self.wish.program.is_some()
    }

    /// Chance, the same at each run with the same seed: a number below `bound`.
    pub fn chance(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    /// Makes a process of its own for `body`, with the next column of the timeline.
    ///
    /// # Errors
    /// Those of fork(2).
    pub fn actor(&mut self, letter: char, body: impl FnOnce(Cue) -> io::Result<()>) -> Outcome<Actor> {
        let actor = Actor::play(letter, body)?;
        self.watch(actor.who);
        Ok(actor)
    }

    /// Makes process A, the subject of the checks: the learner's program if there is one, else `body`.
    ///
    /// # Errors
    /// Those of fork(2).
    pub fn subject(&mut self, body: impl FnOnce(Cue) -> io::Result<()>) -> Outcome<Actor> {
        self.subject_with(&[], body)
    }

    /// The same with further words behind the learner's command, such as names of files.
    ///
    /// # Errors
    /// Those of fork(2).
    pub fn subject_with(
        &mut self,
        more: &[OsString],
        body: impl FnOnce(Cue) -> io::Result<()>,
    ) -> Outcome<Actor> {
        let actor = match &self.wish.program {
            Some(words) => Actor::exec('A', &[words, more].concat())?,
            None => Actor::play('A', body)?,
        };
        self.subject = actor.file().ok();
        self.watch(actor.who);
        Ok(actor)
    }

    /// Waits until the subject waits for its cue, in read(2) on standard input, or has ended. Before that a learner's
    /// program is on its way through shells and interpreters, which have children of their own.
    pub fn settle(&self, subject: &Actor) {
        if self.is_exam() {
            self.patience.set(STARTUP);
        }
        let _ = self.until("the subject reads standard input", || {
            let ended = subject.who.stat().is_none_or(|process| process.is_zombie());
            (ended || subject.who.awaits_cue()).then_some(())
        });
        if self.is_exam() {
            self.patience.set(PATIENCE / 2);
        }
    }

    /// Gives a process a column of the timeline.
    pub fn watch(&mut self, who: Who) {
        self.known.push(who.pid.as_raw());
        self.watch_as(&who.letter.to_string(), move || who.state());
    }

    /// Gives anything that has a state a column of the timeline: sockets by small letters, `a LISTEN`.
    pub fn watch_as(&mut self, letter: &str, state: impl Fn() -> String + 'static) {
        let watched = Watched { letter: letter.into(), state: Box::new(state) };
        match self.watched.iter_mut().find(|known| known.letter == letter) {
            Some(known) => *known = watched,
            None => self.watched.push(watched),
        }
    }

    /// Waits for a child of `parent` that has no letter yet, and gives it this one. When none comes, the letter is
    /// nobody's: its state is that of one who is gone, so the checks say what is missing.
    pub fn child_of(&mut self, parent: Who, letter: char) -> Who {
        let known = self.known.clone();
        let found = self.until("a child", || {
            parent.children().iter().map(|child| child.pid).find(|pid| !known.contains(pid))
        });
        let child = found.map_or(Who::nobody(letter), |pid| Who::of(letter, Pid::from_raw(pid)));
        self.watch(child);
        child
    }

    /// Waits for an orphan that the guard has adopted, and gives it this letter; see [`child_of`](Self::child_of).
    pub fn orphan(&mut self, letter: char) -> Who {
        self.known.push(nix::unistd::getpid().as_raw());
        let guard = Who::of('-', nix::unistd::getppid());
        let orphan = self.child_of(guard, letter);
        self.known.push(orphan.pid.as_raw());
        orphan
    }

    /// Looks again and again until there is something to be seen.
    ///
    /// # Errors
    /// When there is nothing within the patience: `what` never came.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> Outcome<T> {
        let begin = Time::now();
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if Time::now().since(begin) > self.patience.get() {
                // What goes wrong once goes wrong again, and a run has to end in time.
                self.patience.set(PATIENCE / 10);
                return Err(Trouble::Never(what.into()));
            }
            pause(Duration::from_millis(1));
        }
    }

    /// One line of the timeline, with the states as the kernel gives them at this moment. Waits for a nod in steps.
    pub fn event(&mut self, key: &str, values: &[(&str, String)]) {
        let text = self.say(key, values);
        let at_us = u64::try_from(Time::now().since(self.begin).as_micros()).unwrap_or(u64::MAX);
        let states = self.watched.iter().map(|watched| (watched.letter.clone(), (watched.state)())).collect();
        tell(&self.wire, &Message::Event(Event { at_us, states, text }));
        if self.wish.pace == Pace::Step {
            let _ = nix::unistd::read(&self.wire, &mut [0]);
        }
    }

    /// A short text of the text file in the reader's language.
    ///
    /// # Panics
    /// When there is none: a test runs every experiment.
    pub fn say(&self, key: &str, values: &[(&str, String)]) -> String {
        let text = self.texts.events.get(key).unwrap_or_else(|| panic!("no event {key:?} in the texts"));
        fill(text.get(self.wish.lang), values)
    }

    /// Records what was expected and what was seen. Whether they agree.
    pub fn check(&mut self, key: &str, expected: impl Display, observed: impl Display) -> bool {
        let (expected, observed) = (expected.to_string(), observed.to_string());
        let ok = expected == observed;
        self.record(key, expected, observed, ok)
    }

    /// Records something that holds or not: `expected` says in short what should hold.
    pub fn check_that<T: Display>(
        &mut self,
        key: &str,
        expected: impl Display,
        observed: T,
        holds: impl FnOnce(&T) -> bool,
    ) -> bool {
        let ok = holds(&observed);
        self.record(key, expected.to_string(), observed.to_string(), ok)
    }

    /// Looks until it is as expected, or patience ends; then records it.
    pub fn expect<T: Display>(
        &mut self,
        key: &str,
        expected: impl Display,
        mut look: impl FnMut() -> T,
    ) -> bool {
        let expected = expected.to_string();
        let _ = self.until(key, || (look().to_string() == expected).then_some(()));
        self.check(key, expected, look())
    }

    fn record(&mut self, key: &str, expected: String, observed: String, ok: bool) -> bool {
        let text = self.texts.checks.get(key).unwrap_or_else(|| panic!("no check {key:?} in the texts"));
        let what = text.get(self.wish.lang).to_owned();
        let check = Check { claim: text.claim.clone(), key: key.into(), what, expected, observed, ok };
        tell(&self.wire, &Message::Check(check));
        ok
    }

    /// Says that this machine cannot make these checks, and why.
    pub fn skip_checks(&mut self, keys: &[&str], why: &str) {
        for key in keys {
            let text = self.texts.checks.get(*key).unwrap_or_else(|| panic!("no check {key:?} in the texts"));
            let (claim, what) = (text.claim.clone(), text.get(self.wish.lang).to_owned());
            tell(&self.wire, &Message::SkippedCheck { claim, what, why: why.into() });
        }
    }

    /// The reason for skipping all of it, in the reader's language: `Err(lab.skip(…))`.
    pub fn skip(&self, en: &str, zh: &str) -> Trouble {
        Trouble::Skip(self.either(en, zh).into())
    }

    /// The one of the two texts.
    pub fn either<'t>(&self, en: &'t str, zh: &'t str) -> &'t str {
        pick(self.wish.lang, en, zh)
    }

    /// The line to the audience.
    pub fn wire(&self) -> &OwnedFd {
        &self.wire
    }

    /// What the subject has written.
    pub fn output(&self) -> Option<String> {
        let output = self.subject.as_ref().map(super::actor::written).unwrap_or_default();
        (!output.is_empty()).then_some(output)
    }
}

/// Lets a moment pass between two looks.
pub fn pause(time: Duration) {
    let _ = poll::<PollTimeout>(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
}

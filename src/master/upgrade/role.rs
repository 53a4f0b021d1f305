//! What this process is to be, as the program before it left word in one variable of the environment:
//!
//! ```text
//! FORKD_UPGRADE=trial:PID:STATE:ANSWER           show that you could take over, answer, and end
//! FORKD_UPGRADE=become:PID:STATE:OLD             take over; OLD is the program to go back to
//! FORKD_UPGRADE=return:PID:STATE:[WHY]           you are the old program again: take back what you gave
//! ```
//!
//! STATE, ANSWER and OLD are descriptors; PID is the process that is meant, lest a child takes it for its own. The
//! variable is there until the process has taken over: whatever fails before can still be undone by [`abandon`].

use std::{convert::Infallible, env, ffi::OsString, io};

use super::state::{self, Rehearsal};
use crate::{
    error::{Error, Result},
    process::{
        image::Image,
        origin::{self, UPGRADE},
    },
    sys::{
        fork::exit_now,
        inherited::forget_variables,
        luggage::{Ticket, claim},
    },
};

/// What this process is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A server of its own.
    First,
    /// A trial child.
    Trial {
        /// What it would take over.
        state: Ticket,
        /// Where it says so.
        answer: Ticket,
    },
    /// The new program.
    Successor {
        /// What it takes over.
        state: Ticket,
        /// The program to go back to.
        old: Ticket,
    },
    /// The old program, once more.
    Returned {
        /// What it takes back.
        state: Ticket,
        /// Why the new program could not even begin; none if it began and then failed.
        why: Option<String>,
    },
}

impl Role {
    /// The role of this process.
    ///
    /// # Errors
    /// When the variable is there, but not for this process: a start as if nothing were would be a second server.
    pub fn of_this_process() -> Result<Self> {
        let Some(text) = env::var_os(UPGRADE) else { return Ok(Self::First) };
        let text = text.to_string_lossy();
        Self::read(&text, std::process::id()).ok_or_else(|| {
            Error::failed(format!("cannot serve: {UPGRADE}={text} is not for process {}", std::process::id()))
                .remedy("start the program in place of its wrapper, by exec")
        })
    }

    fn read(text: &str, me: u32) -> Option<Self> {
        let mut parts = text.splitn(5, ':');
        let mut next = || parts.next();
        let (role, pid, state) = (next()?, next()?, ticket(next()?)?);
        if pid.parse() != Ok(me) {
            return None;
        }
        match role {
            "trial" => Some(Self::Trial { state, answer: ticket(next()?)? }),
            "become" => Some(Self::Successor { state, old: ticket(next()?)? }),
            "return" => {
                let why = text.splitn(4, ':').nth(3)?;
                Some(Self::Returned { state, why: (!why.is_empty()).then(|| why.to_owned()) })
            }
            _ => None,
        }
    }

    /// The variable by which another program is given this role, as the process with that pid.
    pub fn variable(&self, pid: u32) -> (OsString, OsString) {
        let value = match self {
            Self::First => String::new(),
            Self::Trial { state, answer } => format!("trial:{pid}:{}:{}", state.number(), answer.number()),
            Self::Successor { state, old } => format!("become:{pid}:{}:{}", state.number(), old.number()),
            Self::Returned { state, why } => {
                format!("return:{pid}:{}:{}", state.number(), why.as_deref().unwrap_or_default())
            }
        };
        (UPGRADE.into(), value.replace('\0', "").into())
    }
}

/// Whether this process goes on with what another program began, so that it detaches from nothing and announces
/// nothing.
pub fn goes_on() -> bool {
    env::var_os(UPGRADE).is_some()
}

/// From here on this process is what it was to be; what it starts is not.
pub fn forget() {
    forget_variables(&[UPGRADE]);
}

/// What has failed before this process was what it was to be is undone: a trial says why and ends, and a new program
/// gives way to the old one. In any other process nothing happens; neither does it where the old program cannot be run.
pub fn abandon(why: &str) {
    match Role::of_this_process() {
        Ok(Role::Trial { answer, .. }) => {
            // A master that is gone needs no answer.
            let _ = claim(answer).map(|pipe| Rehearsal::from(pipe).failed(why));
            exit_now(1);
        }
        Ok(Role::Successor { state, old }) => {
            let Err(cause) = go_back(state, old, why);
            log::error!("cannot go back to the old program: {cause}");
        }
        Ok(Role::First | Role::Returned { .. }) | Err(_) => {}
    }
}

fn go_back(state: Ticket, old: Ticket, why: &str) -> io::Result<Infallible> {
    let image = Image::from(claim(old)?);
    // As it was started then, as far as that can be read: what failed may be the reading.
    let origin = state::read(state).ok().and_then(|state| Some(state.old?.origin));
    let role = Role::Returned { state, why: Some(why.to_owned()) };
    // What came across exec was not closed, nor has it the flag: it crosses once more.
    origin.as_ref().unwrap_or_else(|| origin::note()).run(&image, role.variable(std::process::id()))
}

fn ticket(text: &str) -> Option<Ticket> {
    text.parse().ok().filter(|number| *number > 2).map(Ticket::numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: i32) -> Ticket {
        Ticket::numbered(number)
    }

    #[test]
    fn a_role_is_read_as_it_was_given() {
        let (state, answer) = (numbered(7), numbered(8));
        for role in [
            Role::Trial { state, answer },
            Role::Successor { state, old: answer },
            Role::Returned { state, why: None },
            Role::Returned { state, why: Some("cannot open /x: gone (look: there)".into()) },
        ] {
            let (_, value) = role.variable(42);
            assert_eq!(Role::read(value.to_str().unwrap(), 42), Some(role.clone()));
            assert_eq!(Role::read(value.to_str().unwrap(), 43), None, "it is for one process");
        }
    }

    #[test]
    fn nonsense_is_no_role() {
        for text in ["", "1", "trial", "trial:42:7", "trial:42:2:8", "become:42:x:8", "serve:42:7:8"] {
            assert_eq!(Role::read(text, 42), None, "{text}");
        }
    }
}

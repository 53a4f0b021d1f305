//! What comes behind an answer on its connection: another request, or the end (RFC 9112, sections 9.3 and 9.6).

use std::time::Duration;

use super::{Response, answer::SMALL_FILE, outgoing::Coding};
use crate::{
    protocol::http::{Head, Persistence},
    worker::session::{Exchange, Flow},
};

/// What comes after a look at the input.
pub(super) enum Turn {
    /// Another look: a request was answered, another may stand behind it.
    Again,
    /// Nothing more for now.
    Over(Flow),
}

/// What comes behind a body that was made.
pub(super) fn behind(persistence: Persistence, io: &Exchange<'_>) -> Turn {
    match persistence {
        Persistence::Close => Turn::Over(Flow::CloseLingering),
        // The next request is looked at when this answer is sent.
        Persistence::Keep | Persistence::KeepAnnounced if io.full() => {
            Turn::Over(Flow::Wait(Some(Duration::ZERO)))
        }
        Persistence::Keep | Persistence::KeepAnnounced => Turn::Again,
    }
}

/// Whether nothing comes behind this request. Who asked for the end sends nothing more, mostly; whatever comes nevertheless
/// must not cost the client the end of an answer that is still on its way (RFC 9112, section 9.6).
pub(super) fn is_last(head: &Head<'_>, response: &Response, io: &Exchange<'_>) -> bool {
    head.persistence == Persistence::Close && io.input().is_empty() && response.body.len() <= SMALL_FILE
}

/// Whether another request may follow this one.
pub(super) fn persistence(
    head: &Head<'_>,
    response: &Response,
    coding: Coding,
    io: &Exchange<'_>,
) -> Persistence {
    // While the worker drains, an answer is the last one, unless more of the client's requests have come already:
    // those are answered too, and the last of them closes.
    let last = response.closes || coding == Coding::UntilClose;
    if last || io.draining() && io.input().is_empty() {
        return Persistence::Close;
    }
    head.persistence
}

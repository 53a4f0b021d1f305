//! The connection's next protocol (RFC 9110, section 7.8).

use std::{borrow::Cow, cell::RefCell, fmt, rc::Rc};

use crate::{
    protocol::http::{Head, Version},
    worker::session::Session,
};

/// A protocol, and the session that speaks it. Copies of an answer share it; the first one that is sent has it.
#[derive(Clone)]
pub struct Upgrade {
    pub(super) protocol: Cow<'static, str>,
    session: Rc<RefCell<Option<Box<dyn Session>>>>,
}

impl Upgrade {
    pub(super) fn new(protocol: Cow<'static, str>, session: Box<dyn Session>) -> Self {
        Self { protocol, session: Rc::new(RefCell::new(Some(session))) }
    }

    /// Whether this request asks for it. What HTTP/1.0 says of upgrades is to be ignored.
    pub(super) fn is_asked_by(&self, head: &Head<'_>) -> bool {
        head.version == Version::Http11
            && head.fields.lists("connection", "upgrade")
            && head.fields.lists("upgrade", &self.protocol)
    }

    /// The session, once.
    pub(super) fn take(&self) -> Option<Box<dyn Session>> {
        self.session.borrow_mut().take()
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

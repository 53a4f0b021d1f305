//! What is spoken at which door.

/// The protocols of a server's stream listeners, in the order of binding. A text is one for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    first: &'static str,
    /// From which listener on it is another one.
    then: Option<(usize, &'static str)>,
}

impl Protocols {
    /// The first so many listeners speak `first`, those behind them `then`.
    pub fn split(first: &'static str, count: usize, then: &'static str) -> Self {
        Self { first, then: Some((count, then)) }
    }

    /// What the listener with this number speaks, as `status` says it: `http`, `tcp`, `lines`.
    pub fn of(&self, number: usize) -> &'static str {
        match self.then {
            Some((count, then)) if number >= count => then,
            Some(_) | None => self.first,
        }
    }

    /// What stands in front of that listener's URL.
    pub fn scheme(&self, number: usize) -> &'static str {
        // What has no scheme of its own is bytes over TCP to whoever reads a URL.
        if self.of(number) == "http" { "http" } else { "tcp" }
    }
}

impl From<&'static str> for Protocols {
    fn from(first: &'static str) -> Self {
        Self { first, then: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_of_one_server_may_speak_differently() {
        let chat = Protocols::split("http", 2, "lines");
        assert_eq!([0, 1, 2, 3].map(|number| chat.of(number)), ["http", "http", "lines", "lines"]);
        assert_eq!([1, 2].map(|number| chat.scheme(number)), ["http", "tcp"]);
        assert_eq!((Protocols::from("tcp").of(7), Protocols::from("http").scheme(0)), ("tcp", "http"));
    }
}

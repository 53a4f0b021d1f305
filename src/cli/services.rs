//! The serving commands in one table: their word, where they listen unless told, and how the ready line names that.

/// A serving command.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its word, also the first half of a server's name.
    pub word: &'static str,
    /// Where it listens unless told; nowhere, where nothing can be guessed.
    pub listen: Option<&'static str>,
    /// What stands before `://` in the ready line of a TCP listener.
    pub scheme: &'static str,
}

/// `forkd http`
pub const HTTP: Service = Service { word: "http", listen: Some("127.0.0.1:8080"), scheme: "http" };

/// `forkd echo`
pub const ECHO: Service = Service { word: "echo", listen: Some("127.0.0.1:7007"), scheme: "tcp" };

/// `forkd files`
pub const FILES: Service = Service { word: "files", listen: Some("127.0.0.1:7008"), scheme: "tcp" };

/// `forkd run`
pub const RUN: Service = Service { word: "run", listen: None, scheme: "tcp" };

/// `forkd chat`: the browser's door.
pub const CHAT: Service = Service { word: "chat", listen: Some("127.0.0.1:7009"), scheme: "http" };

/// All of them, in the order of the help.
pub const SERVICES: [Service; 5] = [HTTP, ECHO, FILES, CHAT, RUN];

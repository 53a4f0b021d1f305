//! What to ask, of whom, how often at once and for how long: read from words like `connections=64`.

use std::{net::SocketAddr, str::FromStr, time::Duration};

/// Longer runs are refused: a generator that was forgotten must end.
const LONGEST_SECONDS: f64 = 600.0;

/// One run of the generator.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub to: SocketAddr,
    /// The path that every request asks for.
    pub path: String,
    /// How many connections are open at any time.
    pub connections: usize,
    /// What is done with a connection.
    pub mode: Mode,
    /// How long it lasts.
    pub time: Duration,
    /// The length that every body must have; any length passes without it.
    pub body: Option<u64>,
    /// What the generator does while no answer is there.
    pub wait: Wait,
    /// A request without an answer for so long has failed, and its connection is given up.
    pub patience: Duration,
}

/// What is done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Requests follow each other on it, `depth` of them on the wire at once.
    KeepAlive {
        /// How many requests are sent in one write.
        depth: usize,
    },
    /// One request, `Connection: close`, and the server must close.
    OneShot,
    /// No HTTP: bytes go, and the same come back.
    Echo(Transport),
}

/// What an echo travels by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Streams,
    /// UDP, from a socket of its own for each client.
    Datagrams,
}

/// How long what is sent to an echo is, unless the plan says so.
const ECHOED: u64 = 64;

/// What the generator does while no answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It sleeps, and the server pays for waking it.
    Sleep,
    /// It asks again: only for a generator that has a core to itself.
    Spin,
}

impl Plan {
    /// A plan with the usual figures.
    pub fn new(to: SocketAddr) -> Self {
        Self {
            to,
            path: String::from("/"),
            connections: 64,
            mode: Mode::KeepAlive { depth: 1 },
            time: Duration::from_secs(2),
            body: None,
            wait: Wait::Sleep,
            patience: Duration::from_secs(5),
        }
    }

    /// Reads `key=value` words, in any order; `to` is needed.
    pub fn read(words: &[String]) -> Result<Self, String> {
        let pairs = words.iter().map(|word| word.split_once('=').ok_or_else(|| unknown(word)));
        let pairs: Vec<(&str, &str)> = pairs.collect::<Result<_, _>>()?;
        let to = pairs.iter().find(|(key, _)| *key == "to");
        let (_, to) = to.ok_or("cannot start: nobody to ask (say to=ADDRESS:PORT)")?;
        let mut plan = Self::new(parse("to", to)?);
        for (key, value) in pairs {
            plan.set(key, value)?;
        }
        Ok(plan)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, value) {
            ("to", _) => {}
            ("path", _) => value.clone_into(&mut self.path),
            ("connections", _) => self.connections = parse(key, value)?,
            ("depth", _) => self.mode = Mode::KeepAlive { depth: parse(key, value)? },
            ("mode", "one-shot") => self.mode = Mode::OneShot,
            ("mode", "keep-alive") => {}
            ("mode", "echo") => self.mode = Mode::Echo(Transport::Streams),
            ("mode", "echo-udp") => self.mode = Mode::Echo(Transport::Datagrams),
            ("seconds", _) => {
                let seconds: f64 = parse(key, value)?;
                self.time = Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_SECONDS));
            }
            ("body", _) => self.body = Some(parse(key, value)?),
            ("wait", "spin") => self.wait = Wait::Spin,
            ("wait", "sleep") => self.wait = Wait::Sleep,
            _ => return Err(unknown(&format!("{key}={value}"))),
        }
        Ok(())
    }

    /// What is written to a connection at once: one request, or as many as are pipelined, or what is to come back.
    pub fn request(&self) -> Vec<u8> {
        let (last, times) = match self.mode {
            Mode::KeepAlive { depth } => ("", depth),
            Mode::OneShot => ("Connection: close\r\n", 1),
            Mode::Echo(_) => {
                return (0..self.body.unwrap_or(ECHOED).max(1)).map(|place| place as u8).collect();
            }
        };
        format!("GET {} HTTP/1.1\r\nHost: {}\r\n{last}\r\n", self.path, self.to).repeat(times).into_bytes()
    }

    /// How many answers one such write is owed.
    pub fn answers(&self) -> usize {
        match self.mode {
            Mode::KeepAlive { depth } => depth,
            Mode::OneShot | Mode::Echo(_) => 1,
        }
    }
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("cannot read {key}={value}"))
}

fn unknown(word: &str) -> String {
    format!(
        "cannot read `{word}` (to=ADDRESS:PORT path=/ connections=64 mode=keep-alive|one-shot|echo|echo-udp depth=1 \
         seconds=2 body=BYTES wait=sleep|spin)"
    )
}

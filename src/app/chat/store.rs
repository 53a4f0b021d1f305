//! What the workers of a room share: names, presence, order and history, behind a few verbs.
//!
//! Workers are processes and have no memory in common, so all of this lives outside them. [`Sqlite`](super::Sqlite) keeps
//! it in a file for the workers of one machine; a store across the network would be another [`Store`], and no session
//! would know.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::protocol::chat::{Name, Text, Wrong};

/// The verbs. Each is done wholly or not at all, whenever its worker may die, and all workers see the same order.
pub trait Store {
    /// Lets somebody in under a name that nobody else has, and writes a line about it.
    ///
    /// # Errors
    /// When the name or the address is somebody's, or there is no room.
    fn join(&mut self, guest: &Guest) -> Answer<Member>;

    /// Who shows this pass.
    ///
    /// # Errors
    /// Those of the store itself, as for all that follow.
    fn find(&mut self, pass: &Pass) -> Answer<Option<Member>>;

    /// Appends what a member says, one line each and nothing between them, as far as the member may say more now. A line
    /// with a ticket that was used before is not said again.
    ///
    /// # Errors
    /// When the member is gone, or speaks to somebody who is not here.
    fn say(&mut self, by: &Speaker, speeches: &[Speech], rate: Option<Rate>) -> Answer<Said>;

    /// Lets a member go, and writes a line about it; whether there was such a member.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn leave(&mut self, member: u64) -> Answer<bool>;

    /// A page of a member is connected to this worker now, and to no other; the number of that connection.
    ///
    /// # Errors
    /// When the member is gone.
    fn connect(&mut self, member: u64) -> Answer<u64>;

    /// That connection has ended; if it was the last one, the member has a while to come back.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn disconnect(&mut self, member: u64, connection: u64) -> Answer<()>;

    /// The lines behind number `after`, the oldest first, at most so many.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn news(&mut self, after: u64, most: u32) -> Answer<Vec<Line>>;

    /// The number of the last line; 0 before the first.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn last(&mut self) -> Answer<u64>;

    /// Who is here, the first to come first.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn present(&mut self) -> Answer<Vec<Member>>;

    /// Looks after the room, if no other worker does: lets go whom a dead worker has left behind, who has not come
    /// back, and who fell silent.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn keep(&mut self, patience: &Patience) -> Answer<Kept>;

    /// Up to which line the members by datagram were told; `Some` says that it is up to this one from now on.
    ///
    /// # Errors
    /// See [`Store::find`].
    fn posted(&mut self, up_to: Option<u64>) -> Answer<u64>;
}

/// What a verb answers.
pub type Answer<T> = Result<T, Refusal>;

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was written cannot be meant.
    Wrong(Wrong),
    /// Somebody has this name.
    Taken(Name),
    /// Nobody here has shown this pass: come in first.
    Stranger,
    /// Who writes is not who they say.
    NotYou(Name),
    /// Who comes in is in already, under this name.
    Already(Name),
    /// Nobody here has this name.
    Nobody(Name),
    /// No more members come by this door.
    Full,
    /// The wrong token for the admin's name.
    Token,
    /// So many lines were not said, because others were just now; after this time there is room for one.
    TooFast(usize, Duration),
    /// The store does not work; its own words.
    Trouble(String),
}

/// Where somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A page in a browser.
    Browser,
    /// Lines over TCP or a Unix-domain socket.
    Lines,
    /// Datagrams.
    Datagrams,
    /// The admin's token.
    Admin,
}

/// Somebody who comes in.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The name to be.
    pub name: Name,
    /// By which door.
    pub door: Door,
    /// What the member will be known by.
    pub pass: Option<Pass>,
}

/// What shows who somebody is, where it is not the connection itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// The address that datagrams come from.
    Address(SocketAddr),
    /// What the room gave to a browser when its member came in.
    Secret {
        /// The member.
        member: u64,
        /// What nobody else knows.
        secret: String,
    },
}

/// Somebody who is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// A number that nobody had before.
    pub id: u64,
    /// The name.
    pub name: Name,
    /// By which door.
    pub door: Door,
    /// Through which worker.
    pub via: Via,
    /// The line about the coming in.
    pub since: u64,
    /// Where datagrams go.
    pub address: Option<SocketAddr>,
}

/// A worker, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via {
    /// The slot that it fills.
    pub slot: u32,
    /// Its process.
    pub pid: u32,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// A member, by number.
    Member(u64),
    /// Who showed the admin's token and is no member.
    Admin,
}

/// Something to be said.
#[derive(Debug, Clone)]
pub struct Speech {
    /// What.
    pub text: Text,
    /// To whom alone, if not to all.
    pub to: Option<Name>,
    /// A word of the sender's choice, so that a line that is sent twice is said once.
    pub ticket: Option<String>,
}

/// How much a member may say: a bucket that holds `burst` lines and is filled by so many in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Lines in a second, in the long run; above zero.
    pub per_second: u32,
    /// How many at once, after a silence; above zero.
    pub burst: u32,
}

/// What became of speeches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The number of the last line.
    pub last: u64,
    /// How many lines were not said.
    pub unsaid: usize,
    /// How long it takes until there is room for one.
    pub again: Duration,
}

/// A line of the room: the same for everyone, under the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place in the one order of all lines.
    pub number: u64,
    /// When it was written, in milliseconds since 1970.
    pub at: u64,
    /// What happened.
    pub what: What,
    /// The member's number; 0 for the admin.
    pub member: u64,
    /// Whose line it is.
    pub name: Name,
    /// By which door.
    pub door: Door,
    /// Through which worker.
    pub via: Via,
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody spoke to all.
    Said(String),
    /// Somebody spoke to one.
    Told {
        /// The other's number.
        member: u64,
        /// The other's name.
        name: Name,
        /// What.
        text: String,
    },
    /// Somebody came in.
    Joined,
    /// Somebody left.
    Left,
    /// Somebody's page is connected to another worker now.
    Moved,
}

/// How long the room waits for whom.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a page that lost its connection.
    pub away: Duration,
    /// For a member by datagram who says nothing.
    pub silence: Duration,
    /// How many lines are kept.
    pub lines: u64,
}

/// What came of looking after the room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether this worker is the one that does.
    pub keeper: bool,
    /// Who was let go for silence: where to send them word of it.
    pub silent: Vec<SocketAddr>,
    /// Whether lines were written.
    pub told: bool,
    /// When to look again.
    pub again: Option<Duration>,
}

impl Line {
    /// Whether this is any of a member's business.
    pub fn is_for(&self, member: u64) -> bool {
        match &self.what {
            What::Told { member: other, .. } => *other == member || self.member == member,
            What::Said(_) | What::Joined | What::Left | What::Moved => true,
        }
    }
}

impl Door {
    /// All of them; their place here is their number in a store.
    pub const ALL: [Self; 4] = [Self::Browser, Self::Lines, Self::Datagrams, Self::Admin];

    /// Its word in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Lines => "lines",
            Self::Datagrams => "udp",
            Self::Admin => "admin",
        }
    }
}

impl Refusal {
    /// After how many whole seconds it would not be refused, where that is known.
    pub fn seconds(&self) -> Option<u64> {
        let Self::TooFast(_, again) = self else { return None };
        Some(again.as_millis().div_ceil(1000).max(1) as u64)
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.slot)
    }
}

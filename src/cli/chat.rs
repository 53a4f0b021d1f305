//! `forkd chat`: three doors to one room.

use std::{
    cell::OnceCell,
    fs, io,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
    str::FromStr,
    time::Duration,
};

use clap::Args;

use super::{
    common::Common,
    inspect::{self, args::Language},
    paths::{absolute, absolute_address},
    services::CHAT,
    serving::Serving,
};
use crate::{
    Error, Result, Worker,
    app::chat::{self, ByKeeper, Keeping, Lang, Patience, Plan, Rate, Rules},
    config::{Model, Settings, parse},
    ipc::bus::Bus,
    listener::Address,
    master::Protocols,
    server::{Blueprint, Estate},
    session::Datagrams,
};

/// The flags of `forkd chat`.
#[derive(Debug, Args)]
pub struct Chat {
    /// The door for nc and telnet: the first line is a name, each further one a message; or off [default: the port
    /// behind the browsers']
    #[arg(long, value_name = "ADDR")]
    pub lines: Option<Door>,
    /// The door for the course's datagrams: `L name`, `C name text`, `Q name`; or off [default: loopback, two ports
    /// behind the browsers']
    #[arg(long, value_name = "ADDR")]
    pub udp: Option<Door>,
    /// Where the room keeps its lines and members: sqlite:FILE [default: in the runtime directory, removed at stop]
    #[arg(long, value_name = "STORE")]
    pub store: Option<StoreAt>,
    /// Who knows what stands in this file may be 管理员
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// The language of what the room says at the doors without a page [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANG")]
    pub lang: Option<Language>,
    /// How long a member by datagram may say nothing
    #[arg(long, value_name = "T", default_value = "30m", value_parser = parse::duration)]
    pub udp_silence: Duration,
    /// How many lines a second each member may say, and how many at once [10 times as many]; or off
    #[arg(long, value_name = "N[+BURST]", default_value = "50+10000")]
    pub rate_limit: RateLimit,
    #[command(flatten)]
    pub common: Common,
}

/// What stands below the help.
pub const EXAMPLES: &str = "\
Examples:
  forkd chat                              a page on http://127.0.0.1:7009, lines on 7010, UDP on 7011
  nc 127.0.0.1 7010                       come in: a name, then what you want to say
  forkd chat -l :80 --store sqlite:room.db -d
  forkd chat --admin-token-file token     in which 管理员 may come in with that token";

/// A door that can be shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Open there.
    At(Address),
    /// Shut.
    Off,
}

/// Where a room is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAt(PathBuf);

/// How much each member may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(Option<Rate>);

/// How many lines may be said at once where that is not told, as a multiple of those in a second.
const BURST: u32 = 10;

/// How long a page that lost its connection has to come back: longer than it takes to notice a dead one by its silence
/// (45 s, in the page), and than a busy machine takes to let it in.
const AWAY: Duration = Duration::from_secs(60);

/// How many lines a room remembers.
const LINES: u64 = 100_000;

impl FromStr for Door {
    type Err = crate::listener::AddressError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if text == "off" { Ok(Self::Off) } else { text.parse().map(Self::At) }
    }
}

impl FromStr for RateLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "off" {
            return Ok(Self(None));
        }
        let number = |text: &str| text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
        let (first, burst) = match text.split_once('+') {
            Some((first, burst)) => (number(first), number(burst)),
            None => (number(text), number(text).map(|first| first * BURST)),
        };
        first.zip(burst).map(|(per_second, burst)| Self(Some(Rate { per_second, burst }))).ok_or_else(|| {
            Error::usage(format!("cannot limit members to {text:?}")).remedy("write 5, 5+100 or off")
        })
    }
}

impl FromStr for StoreAt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(path.into())),
            Some(_) | None => {
                Err(Error::usage(format!("cannot keep a room in {text:?}: unknown kind of store"))
                    .remedy("write sqlite:FILE"))
            }
        }
    }
}

thread_local! {
    /// The bell of this master's workers, of whichever generation: made once, before the first of them.
    static BUS: OnceCell<Rc<Bus>> = const { OnceCell::new() };
}

impl Serving for Chat {
    fn common(&self) -> &Common {
        &self.common
    }

    fn blueprint(&self) -> Result<Blueprint<'static>> {
        let mut settings = self.common.settings(CHAT.word)?;
        if settings.model != Model::Event {
            return Err(Error::usage(format!("cannot serve a chat by the {} model", settings.model))
                .remedy("leave --model out: the room is served by the event model"));
        }
        let doors = Doors::of(self, &mut settings)?;
        let rules = rules(self)?;
        let home = Home {
            kept: self.store.as_ref().map(|StoreAt(path)| absolute(path)).transpose()?,
            folder: settings.runtime_dir.clone().unwrap_or_default(),
        };
        let here = home.clone();
        let make = move |worker: &Worker| {
            let plan = Plan {
                store: here.path(worker.name()),
                keeping: here.keeping(),
                bus: bus()?,
                rules: rules.clone(),
                browsers: doors.browsers,
                datagrams: doors.datagrams,
            };
            chat::Chat::open(worker, plan)
        };
        let datagrams = |_: &Worker| -> io::Result<Box<dyn Datagrams>> { Ok(Box::new(ByKeeper)) };
        let protocols = Protocols::split(CHAT.scheme, doors.browsers, "lines");
        let blueprint = Blueprint::of_sessions(settings, protocols, make, Some(Box::new(datagrams)));
        // Whoever keeps the room reads them all.
        Ok(blueprint.with_estate(home).with_one_reader())
    }
}

/// The bell; whoever calls this first makes it.
fn bus() -> io::Result<Rc<Bus>> {
    BUS.with(|known| match known.get() {
        Some(bus) => Ok(Rc::clone(bus)),
        None => Ok(Rc::clone(known.get_or_init({
            let bus = Rc::new(Bus::new()?);
            || bus
        }))),
    })
}

/// Where the room's store is.
#[derive(Debug, Clone)]
struct Home {
    /// The file that was named.
    kept: Option<PathBuf>,
    /// Where it is otherwise, for as long as the server runs.
    folder: PathBuf,
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.kept.clone().unwrap_or_else(|| self.folder.join(format!("{name}.chat")))
    }

    fn keeping(&self) -> Keeping {
        if self.kept.is_some() { Keeping::ForGood } else { Keeping::UntilStop }
    }
}

impl Estate for Home {
    fn open(&self, name: &str) -> Result<()> {
        bus().map_err(|cause| Error::system("make a bus between workers", cause))?;
        if self.keeping() == Keeping::ForGood {
            return Ok(());
        }
        // What a server of this name left behind that was killed. What somebody has open is no such thing.
        let path = self.path(name);
        let wrong =
            |cause| Error::system(format!("use {path:?}"), cause).remedy("say where by --store sqlite:FILE");
        if chat::is_used(&path).map_err(wrong)? { Ok(()) } else { chat::remove(&path).map_err(wrong) }
    }

    /// One bell for the workers of both programs: those of the old one hear what is said by way of the new ones.
    fn cross(&self, put: &mut dyn FnMut(BorrowedFd<'_>)) {
        BUS.with(|known| known.get().into_iter().flat_map(|bus| bus.descriptors()).for_each(put));
    }

    fn take_over(&self, brought: Vec<OwnedFd>) -> Result<()> {
        // A program that has put nothing is older than this: its workers hear of news when they leave.
        let Ok(brought) = brought.try_into() else { return Ok(()) };
        let bus =
            Bus::from_descriptors(brought).map_err(|cause| Error::system("take over the bus", cause))?;
        BUS.with(|known| known.set(Rc::new(bus)))
            .map_err(|_| Error::failed("cannot take over the bus: there is one"))
    }

    /// Another worker looks after whom it has left behind, and takes over what it did for all.
    fn mourn(&self) {
        if let Err(cause) = bus().and_then(|bus| bus.ring(0)) {
            log::warn!("cannot ring for the chat's workers: {cause}");
        }
    }

    fn close(&self, name: &str) {
        if self.keeping() == Keeping::UntilStop
            && let Err(cause) = chat::remove(&self.path(name))
        {
            log::warn!("cannot remove the chat's store: {cause}");
        }
    }
}

/// Which of the listeners is for whom.
struct Doors {
    browsers: usize,
    datagrams: Option<usize>,
}

impl Doors {
    /// Adds the other doors to the browsers', which are in the settings.
    fn of(chat: &Chat, settings: &mut Settings) -> Result<Self> {
        let browsers = settings.listen.len();
        if let Some(address) = settings.listen.iter().find(|address| is_datagram(address)) {
            return Err(Error::usage(format!("cannot serve browsers on {address}: it takes datagrams"))
                .remedy("name the datagrams' door by --udp"));
        }
        let first = settings.listen.first().cloned();
        let lines = chat.lines.clone().unwrap_or_else(|| Door::At(behind(first.as_ref(), 1)));
        let udp = chat.udp.clone().unwrap_or_else(|| Door::At(loopback(behind(first.as_ref(), 2))));
        if let Door::At(address) = lines {
            if is_datagram(&address) {
                return Err(Error::usage(format!("cannot take lines on {address}: it takes datagrams"))
                    .remedy("name it by --udp"));
            }
            settings.listen.push(absolute_address(&address)?);
        }
        let datagrams = match udp {
            Door::At(address) => {
                settings.listen.push(datagram(address)?);
                Some(settings.listen.len() - 1)
            }
            Door::Off => None,
        };
        Ok(Self { browsers, datagrams })
    }
}

fn is_datagram(address: &Address) -> bool {
    matches!(address, Address::Udp(_) | Address::AnyUdp(_))
}

/// The address so many ports behind another one; those of the manual where that has no port.
fn behind(first: Option<&Address>, ports: u16) -> Address {
    let next = |port: u16| if port == 0 { 0 } else { port.saturating_add(ports) };
    match first {
        Some(Address::Tcp(inet)) => {
            let mut inet = *inet;
            inet.set_port(next(inet.port()));
            Address::Tcp(inet)
        }
        Some(Address::AnyTcp(port)) => Address::AnyTcp(next(*port)),
        Some(_) | None => Address::Tcp(([127, 0, 0, 1], 7009 + ports).into()),
    }
}

/// The same port, for this machine alone: a datagram's sender can be forged.
fn loopback(address: Address) -> Address {
    let own = if let Address::Tcp(inet) = address { Some(inet) } else { None };
    let own = own.filter(|inet| inet.ip().is_loopback());
    Address::Udp(own.unwrap_or_else(|| ([127, 0, 0, 1], address.port().unwrap_or(0)).into()))
}

/// An address for datagrams, with or without `udp:` in front.
fn datagram(address: Address) -> Result<Address> {
    match address {
        Address::Tcp(inet) => Ok(Address::Udp(inet)),
        Address::AnyTcp(port) => Ok(Address::AnyUdp(port)),
        Address::Udp(_) | Address::AnyUdp(_) | Address::Fd(_) | Address::Systemd(_) => Ok(address),
        Address::Unix(_) | Address::Abstract(_) => {
            Err(Error::usage(format!("cannot take datagrams at {address}"))
                .remedy("name an address and a port: --udp 127.0.0.1:7011"))
        }
    }
}

fn rules(chat: &Chat) -> Result<Rules> {
    let lang = match chat.lang {
        Some(Language::En) => Lang::En,
        Some(Language::Zh) => Lang::Zh,
        None => match inspect::locale() {
            crate::inspect::explain::words::Lang::En => Lang::En,
            crate::inspect::explain::words::Lang::Zh => Lang::Zh,
        },
    };
    let token = chat.admin_token_file.as_deref().map(token).transpose()?;
    let patience = Patience { away: AWAY, silence: chat.udp_silence, lines: LINES };
    Ok(Rules { lang, token, patience, rate: chat.rate_limit.0 })
}

fn token(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|cause| {
        Error::system(format!("read the admin token in {path:?}"), cause)
            .remedy("name a file with one line of text")
            .as_usage()
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Error::usage(format!("cannot use the admin token in {path:?}: it is empty"))
            .remedy("write a word that nobody guesses, such as openssl rand -hex 16 makes"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_doors_are_beside_the_browsers() {
        let doors = |first: &str| {
            let first: Address = first.parse().unwrap();
            let (lines, udp) = (behind(Some(&first), 1), loopback(behind(Some(&first), 2)));
            [lines.to_string(), udp.to_string()]
        };
        assert_eq!(doors("127.0.0.1:7009"), ["127.0.0.1:7010", "udp:127.0.0.1:7011"]);
        assert_eq!(doors("[::1]:80"), ["[::1]:81", "udp:[::1]:82"]);
        assert_eq!(doors("127.0.0.1:0"), ["127.0.0.1:0", "udp:127.0.0.1:0"]);
        // To all the world, but not by datagrams.
        assert_eq!(doors(":80"), [":81", "udp:127.0.0.1:82"]);
        assert_eq!(doors("192.0.2.1:80"), ["192.0.2.1:81", "udp:127.0.0.1:82"]);
        assert_eq!(doors("unix:/run/a"), ["127.0.0.1:7010", "udp:127.0.0.1:7011"]);
    }

    #[test]
    fn a_rate_has_a_burst() {
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        for (text, meant) in [("5", rate(5, 50)), ("1+3", rate(1, 3)), ("off", None)] {
            assert_eq!(text.parse::<RateLimit>().unwrap(), RateLimit(meant), "{text}");
        }
        for wrong in ["", "0", "-1", "5+", "5+0", "fast", "1+2+3", "9999999"] {
            let error = wrong.parse::<RateLimit>().unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("write 5"), "{error}");
        }
    }

    #[test]
    fn a_store_is_named_with_its_kind() {
        assert_eq!("sqlite:a.db".parse::<StoreAt>().unwrap(), StoreAt("a.db".into()));
        for wrong in ["a.db", "sqlite:", "redis:x"] {
            let error = wrong.parse::<StoreAt>().unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().ends_with("(write sqlite:FILE)"), "{error}");
        }
    }
}

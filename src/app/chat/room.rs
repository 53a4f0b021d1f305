//! The room as one worker sees it: the store, what it has read of it, and the bell by which workers wake each other.
//!
//! ```text
//! a member's line ─► store (its number) ─► bell ─► every worker: reads what is new ─► wakes its sessions
//! ```
//!
//! The worker that took a line hears of it by the same bell as the others: there is one road, so that each line reaches
//! each reader once and in one order, whichever workers they came in through.

use std::{
    cell::RefCell,
    fmt, io,
    net::UdpSocket,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    time::Duration,
};

use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags},
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

use super::{
    feed::Feed,
    post::Post,
    store::{Answer, Door, Guest, Kept, Line, Member, Pass, Patience, Rate, Refusal, Speaker, Speech, Store},
    words::Lang,
};
use crate::{
    ipc::bus::{Bus, Ear},
    protocol::chat::Name,
    sys::random,
};

/// See the module.
pub struct Room {
    inside: RefCell<Inside>,
    bus: Rc<Bus>,
    attention: Attention,
    rules: Rules,
}

/// What a room is told.
#[derive(Clone)]
pub struct Rules {
    /// The language of what it says at the doors without a page.
    pub lang: Lang,
    /// What the admin's name is had for; without one nobody has it.
    pub token: Option<String>,
    /// How long it waits for whom.
    pub patience: Patience,
    /// How much each member may say.
    pub rate: Option<Rate>,
}

struct Inside {
    store: Box<dyn Store>,
    feed: Feed,
    /// How often there was something new.
    round: u64,
    post: Option<Post>,
}

/// All that this worker's room is woken by, in one descriptor.
#[derive(Debug)]
struct Attention {
    set: Epoll,
    ear: Ear,
    timer: TimerFd,
}

impl Room {
    /// A room over a store that was opened by this worker, and the datagrams' door if it has one.
    ///
    /// # Errors
    /// When no descriptor is left, or the store does not work.
    pub fn open(
        mut store: Box<dyn Store>,
        bus: Rc<Bus>,
        rules: Rules,
        door: Option<UdpSocket>,
    ) -> io::Result<Rc<Self>> {
        // First the ear, then the store: what is written in between is heard.
        let attention = Attention::new(&bus)?;
        let feed = Feed::from(store.last().map_err(trouble)?);
        let post = door.map(|socket| Post::new(socket, rules.lang)).transpose()?;
        let room =
            Self { inside: RefCell::new(Inside { store, feed, round: 0, post }), bus, attention, rules };
        // Whoever was left behind by a worker before this one is looked after now, by this worker or by the keeper.
        room.ring()?;
        Ok(Rc::new(room))
    }

    /// What becomes readable when there is something for [`Room::look`].
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.attention.set.0.as_fd()
    }

    /// The language of the doors without a page.
    pub fn lang(&self) -> Lang {
        self.rules.lang
    }

    /// Reads what is new, and looks after the room if no other worker does.
    ///
    /// # Errors
    /// When the store cannot even be read: this worker is of no use then.
    pub fn look(&self) -> io::Result<()> {
        self.attention.ear.hear()?;
        if self.keep()?.told {
            self.ring()?;
        }
        self.receive()
    }

    /// Reads what is new, rung or not: the bell of a master that was upgraded is another one than that of its old
    /// workers, which drain.
    pub fn catch_up(&self) {
        let mut inside = self.inside.borrow_mut();
        let Inside { store, feed, .. } = &mut *inside;
        // What cannot be read now is read by whoever comes back.
        let _ = feed.read(&mut **store).inspect_err(complain);
    }

    /// Reads what is new, and does what the keeper does.
    fn keep(&self) -> io::Result<Kept> {
        let mut inside = self.inside.borrow_mut();
        let Inside { store, feed, round, post } = &mut *inside;
        *round += u64::from(feed.read(&mut **store).map_err(trouble)?);
        // What cannot be done now is tried again at the next news.
        let kept = store.keep(&self.rules.patience).inspect_err(complain).unwrap_or_default();
        if kept.keeper {
            self.attention.wake_in(kept.again)?;
            if let Some(post) = post {
                self.attention.wait_at(post)?;
                post.dismiss(&kept.silent);
                // As above.
                let _ = post.deliver(feed, &mut **store).inspect_err(complain);
            }
        }
        Ok(kept)
    }

    /// Answers the datagrams that wait, if this worker is the one that does.
    fn receive(&self) -> io::Result<()> {
        for _ in 0..Post::BURST {
            let letter = self.inside.borrow_mut().post.as_mut().and_then(Post::receive);
            let Some((from, bytes)) = letter else { break };
            let answers = super::datagrams::answer(self, from, &bytes);
            let inside = self.inside.borrow();
            let Some(post) = &inside.post else { break };
            answers.iter().for_each(|text| post.send(from, text));
        }
        Ok(())
    }

    /// Lets somebody in. For the admin's name the token is asked.
    ///
    /// # Errors
    /// Why not.
    pub fn join(&self, name: Name, door: Door, pass: Option<Pass>, token: Option<&str>) -> Answer<Member> {
        if name == Name::admin() && !token.is_some_and(|token| self.is_token(token)) {
            return Err(Refusal::Token);
        }
        let member = self.change(|store| store.join(&Guest { name, door, pass }))?;
        // What was said until then is history, whoever said it: other workers' lines may not have been read yet.
        let mut inside = self.inside.borrow_mut();
        let Inside { store, feed, .. } = &mut *inside;
        feed.read(&mut **store)?;
        Ok(member)
    }

    /// Says something; the number of the last line.
    ///
    /// # Errors
    /// Why not, or not all of it.
    pub fn say(&self, by: Speaker, speeches: &[Speech]) -> Answer<u64> {
        let said = self.change(|store| store.say(&by, speeches, self.rules.rate))?;
        if said.unsaid == 0 { Ok(said.last) } else { Err(Refusal::TooFast(said.unsaid, said.again)) }
    }

    /// Lets a member go; whether there was one.
    ///
    /// # Errors
    /// Those of the store.
    pub fn leave(&self, member: u64) -> Answer<bool> {
        self.change(|store| store.leave(member))
    }

    /// A page of a member is connected to this worker now; the number of the connection.
    ///
    /// # Errors
    /// When the member is gone.
    pub fn connect(&self, member: u64) -> Answer<u64> {
        self.change(|store| store.connect(member))
    }

    /// That connection has ended.
    pub fn disconnect(&self, member: u64, connection: u64) {
        if let Err(refusal) = self.change(|store| store.disconnect(member, connection)) {
            complain(&refusal);
        }
    }

    /// Who shows this pass.
    ///
    /// # Errors
    /// Those of the store, as for all that follow.
    pub fn find(&self, pass: &Pass) -> Answer<Option<Member>> {
        self.inside.borrow_mut().store.find(pass)
    }

    /// Who is here.
    ///
    /// # Errors
    /// See [`Room::find`].
    pub fn present(&self) -> Answer<Vec<Member>> {
        self.inside.borrow_mut().store.present()
    }

    /// Some lines behind number `after`, the oldest first; nothing at the end.
    ///
    /// # Errors
    /// See [`Room::find`].
    pub fn after(&self, after: u64) -> Answer<Vec<Rc<Line>>> {
        let mut inside = self.inside.borrow_mut();
        let Inside { store, feed, .. } = &mut *inside;
        feed.after(after, &mut **store)
    }

    /// The last line that this worker has read.
    pub fn last(&self) -> u64 {
        self.inside.borrow().feed.last()
    }

    /// How often this worker has read something new.
    pub fn round(&self) -> u64 {
        self.inside.borrow().round
    }

    /// Whether this is the admin's token. How long it takes to say so tells nothing.
    pub fn is_token(&self, given: &str) -> bool {
        self.rules.token.as_ref().is_some_and(|token| {
            let differences = token.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
            token.len() == given.len() && differences == 0
        })
    }

    /// A secret for a page.
    ///
    /// # Errors
    /// When the kernel has none.
    pub fn secret() -> Answer<String> {
        let bytes = random::bytes::<16>()?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn change<T>(&self, change: impl FnOnce(&mut dyn Store) -> Answer<T>) -> Answer<T> {
        let done = change(&mut *self.inside.borrow_mut().store);
        if let Err(refusal @ Refusal::Trouble(_)) = &done {
            complain(refusal);
        }
        self.ring()?;
        done
    }

    fn ring(&self) -> io::Result<()> {
        let last = self.inside.borrow_mut().store.last().map_err(trouble)?;
        self.bus.ring(last)
    }
}

impl Attention {
    fn new(bus: &Bus) -> io::Result<Self> {
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let ear = bus.listen()?;
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        set.add(&ear, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        set.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(Self { set, ear, timer })
    }

    /// From now on datagrams wake this worker.
    fn wait_at(&self, post: &mut Post) -> io::Result<()> {
        if post.open_once() {
            self.set.add(post, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        Ok(())
    }

    /// Sets the timer, which also quiets it.
    fn wake_in(&self, time: Option<Duration>) -> io::Result<()> {
        match time {
            Some(time) => {
                let once = Expiration::OneShot(TimeSpec::from_duration(time));
                self.timer.set(once, TimerSetTimeFlags::empty())?;
            }
            None => self.timer.unset()?,
        }
        Ok(())
    }
}

/// Says in the log what members are told in general terms.
pub fn complain(refusal: &Refusal) {
    if let Refusal::Trouble(words) = refusal {
        log::warn!("the chat's store does not work: {words}");
    }
}

fn trouble(refusal: Refusal) -> io::Error {
    let words = if let Refusal::Trouble(words) = refusal { words } else { format!("{refusal:?}") };
    io::Error::other(format!("the chat's store does not work: {words}"))
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("last", &self.last()).finish_non_exhaustive()
    }
}

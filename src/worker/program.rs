//! A program for each connection, as inetd(8) does it: the connection is its standard input and output.
//!
//! The connection's process starts the program, reads its standard error into the log, and sees to its end: when the
//! program is gone, what is left in its process group goes too. A drain lets it finish: a client that is silent for the
//! linger looks to the program as if it had no more to say.

use std::{
    io,
    net::Shutdown,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
};

use log::{Level, kv::Value};
use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};
use socket2::SockRef;

use super::{
    Worker,
    link::{Awaited, Link, Outside},
    streams::{Desk, Streams},
};
use crate::{
    listener::peer::PeerAddress,
    logging::{self, TARGET},
    process::{
        Pid,
        clock::Time,
        exit::ExitStatus,
        program::{Birth, Image, Program, output::Output},
        signal, wait,
    },
    sys::pidfd,
};

/// Starts this program for each connection.
#[derive(Debug)]
pub struct Programs(pub Rc<Program>);

/// The same in a worker.
#[derive(Debug)]
pub struct Starter {
    program: Rc<Program>,
    slot: u32,
    generation: u32,
    name: String,
}

/// A program that runs.
struct Running {
    pid: Pid,
    error: Output,
    /// Readable when it has said something, or has ended.
    news: Epoll,
    /// In that set as long as it is open.
    _end: OwnedFd,
}

/// How long a program may take to end when its client is gone.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

impl Streams for Programs {
    type Desk = Starter;

    fn open(&self, worker: &Worker) -> io::Result<Starter> {
        let (slot, generation, name) = (worker.slot(), worker.generation(), worker.name().to_owned());
        Ok(Starter { program: Rc::clone(&self.0), slot, generation, name })
    }
}

impl Desk for Starter {
    fn serve(&self, mut link: Link) -> io::Result<()> {
        let mut running = self.start(&link).inspect_err(|cause| {
            log::error!(target: TARGET, "connection closed: {cause}");
        })?;
        let end = self.attend(&mut running, &mut link);
        let status = running.end()?;
        running.error.finish(&mut |line| self.tell(running.pid, line));
        log::debug!(target: TARGET, "program of a connection ended: {status}");
        end
    }
}

impl Starter {
    fn start(&self, link: &Link) -> io::Result<Running> {
        let image = Image::new(&self.program, None).map_err(io::Error::other)?;
        // A program expects to wait; we never do, and touch the socket no more.
        SockRef::from(&link.socket()).set_nonblocking(false)?;
        let (error, stderr) = Output::pipe()?;
        let mut environment = vec![
            ("FORKD_SLOT", self.slot.to_string()),
            ("FORKD_GENERATION", self.generation.to_string()),
            ("FORKD_NAME", self.name.clone()),
        ];
        if let PeerAddress::Inet(peer) = &link.peer().address {
            environment.push(("REMOTE_ADDR", peer.ip().to_string()));
            environment.push(("REMOTE_PORT", peer.port().to_string()));
        }
        let stdio = [link.socket(), link.socket(), stderr.as_fd()];
        let pid =
            image.start(&Birth { stdio, sockets: Vec::new(), environment }).map_err(io::Error::other)?;
        let (end, news) = (pidfd::open(pid)?, Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        news.add(&end, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        if let Some(pipe) = error.fd() {
            news.add(pipe, EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
        }
        Ok(Running { pid, error, news, _end: end })
    }

    /// Until the program has ended, or must.
    fn attend(&self, running: &mut Running, link: &mut Link) -> io::Result<()> {
        let mut silent_at = None;
        while !wait::has_ended(running.pid) {
            let woken = {
                let news = Some(running.news.0.as_fd());
                link.wait_for(Awaited::Gone, news, Outside::Unwatched, silent_at)?
            };
            match woken {
                Some(woken) if woken.ready => return running.see_off(),
                Some(woken) => {
                    running.error.read(&mut |line| self.tell(running.pid, line));
                    if woken.stop {
                        silent_at = Some(Time::now() + link.watch().limits().linger);
                    }
                }
                None if silent_at.is_some_and(|at| at <= Time::now()) => {
                    silent_at = hush(link)?;
                }
                // The drain's limit.
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn tell(&self, pid: Pid, line: &str) {
        let facts = [
            ("event", Value::from("output")),
            ("slot", Value::from(self.slot)),
            ("gen", Value::from(self.generation)),
            ("pid", Value::from(pid.as_raw())),
            ("stream", Value::from("stderr")),
        ];
        logging::event(Level::Info, line, &facts);
    }
}

/// Ends the client's side for the program, unless there is something of the client's that it has not read yet; then the
/// answer is when to look again. shutdown(2).
fn hush(link: &Link) -> io::Result<Option<Time>> {
    let socket = link.socket();
    let mut waiting = [std::mem::MaybeUninit::uninit()];
    let unread = SockRef::from(&socket).recv_with_flags(&mut waiting, libc::MSG_PEEK | libc::MSG_DONTWAIT);
    if unread.is_ok_and(|count| count > 0) {
        return Ok(Some(Time::now() + link.watch().limits().linger));
    }
    match SockRef::from(&socket).shutdown(Shutdown::Read) {
        Err(cause) if cause.raw_os_error() != Some(libc::ENOTCONN) => Err(cause),
        Ok(()) | Err(_) => Ok(None),
    }
}

impl Running {
    /// Its client is gone: it may finish what it does, for a moment.
    fn see_off(&mut self) -> io::Result<()> {
        let _ = signal::send(self.pid, libc::SIGTERM);
        let deadline = Time::now() + FAREWELL;
        while !wait::has_ended(self.pid) && Time::now() < deadline {
            let left = deadline.since(Time::now()).as_millis() + 1;
            let timeout = EpollTimeout::try_from(left).unwrap_or(EpollTimeout::ZERO);
            match self.news.wait(&mut [EpollEvent::empty(); 2], timeout) {
                Ok(_) | Err(Errno::EINTR) => self.error.read(&mut |_| ()),
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(())
    }

    /// Ends it with all that it left in its process group, and reaps it.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // It is not reaped yet, so the group is its.
        let _ = signal::send_group(self.pid, libc::SIGKILL);
        Ok(wait::join(self.pid)?.status)
    }
}

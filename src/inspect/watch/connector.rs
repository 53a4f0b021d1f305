//! The kernel's news of processes: `linux/cn_proc.h`, over netlink. connector.rst of the kernel's documentation.

use std::{io, os::fd::AsFd, time::Duration};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{setsockopt, sockopt},
};

use crate::{
    inspect::netlink::{Fields, Netlink, message, messages},
    process::clock::Time,
};

/// `CN_IDX_PROC` and `CN_VAL_PROC`: the part of the connector that tells of processes; the first is its group too.
const PROC: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`: tell from now on.
const LISTEN: u32 = 1;
/// `NLMSG_DONE`, the kind of message that the connector uses for everything.
const DONE: u16 = 3;

/// How long the kernel may take to say that it listens to us. In a pid namespace of a container it never does.
const PATIENCE: Duration = Duration::from_millis(500);
/// Room for some 50,000 events while this process does not run.
const ROOM: usize = 4 << 20;

/// One event of a process, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When, by the kernel's own clock, which is [`Time`]'s.
    pub at: Time,
    /// What.
    pub what: What,
}

/// What happened. Threads are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The subscription works, or is refused with this error number.
    Answer(u32),
    /// A process made another.
    Fork {
        /// Who did.
        parent: i32,
        /// The new one.
        child: i32,
    },
    /// A process runs another program.
    Exec(i32),
    /// A process gave itself another name.
    Renamed(i32),
    /// The first thread of a process ended; mostly all of it did.
    Exit {
        /// The process.
        pid: i32,
        /// Its status as wait(2) has it.
        status: i32,
    },
}

/// Subscribes to the events of all processes.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN; `EPROTONOSUPPORT` where the kernel was built without it; `TimedOut` where it takes
/// the subscription and stays silent, as it does in containers with a pid namespace.
pub fn subscribe() -> io::Result<Netlink> {
    let mut netlink = Netlink::open(libc::NETLINK_CONNECTOR, PROC)?;
    // The larger room is root's to take. Without it a burst is lost sooner, and said to be.
    let _ = setsockopt(&netlink, sockopt::RcvBufForce, &ROOM);
    netlink.send(&subscription())?;
    let deadline = Time::now() + PATIENCE;
    loop {
        let mut ready = [PollFd::new(netlink.as_fd(), PollFlags::POLLIN)];
        let left = deadline.since(Time::now());
        // Events that the kernel tells to another subscriber come here as well, and are no answer.
        if left.is_zero() || poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO))? == 0
        {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let answer = told(netlink.receive()?).into_iter().find_map(|told| match told.what {
            What::Answer(errno) => Some(errno),
            What::Fork { .. } | What::Exec(_) | What::Renamed(_) | What::Exit { .. } => None,
        });
        match answer {
            Some(0) => {
                netlink.never_wait()?;
                return Ok(netlink);
            }
            Some(errno) => return Err(io::Error::from_raw_os_error(errno.cast_signed())),
            None => {}
        }
    }
}

/// `struct cn_msg` with the one word of the question.
fn subscription() -> Vec<u8> {
    let mut payload = Vec::new();
    for word in [PROC, PROC, 0, 0] {
        payload.extend(word.to_ne_bytes());
    }
    payload.extend(4_u16.to_ne_bytes());
    payload.extend(0_u16.to_ne_bytes());
    payload.extend(LISTEN.to_ne_bytes());
    message(DONE, 0, &payload)
}

/// The events in what was received.
pub fn told(bytes: &[u8]) -> Vec<Told> {
    messages(bytes).filter_map(|message| event(message.payload)).collect()
}

/// `struct cn_msg`, then `struct proc_event`; `None` for what is not of interest.
fn event(payload: &[u8]) -> Option<Told> {
    let mut fields = Fields(payload);
    let part = (fields.u32()?, fields.u32()?);
    let _sequence_acknowledged_length_flags = fields.bytes::<12>()?;
    if part != (PROC, PROC) {
        return None;
    }
    let (what, _cpu) = (fields.u32()?, fields.u32()?);
    let at = Time::ZERO + Duration::from_nanos(fields.u64()?);
    let mut number = || fields.u32().map(u32::cast_signed);
    let what = match what {
        0 => What::Answer(number()?.cast_unsigned()),
        1 => {
            let (_thread, parent, thread, child) = (number()?, number()?, number()?, number()?);
            (thread == child).then_some(What::Fork { parent, child })?
        }
        2 => What::Exec([number()?, number()?][1]),
        0x200 => {
            let (thread, pid) = (number()?, number()?);
            (thread == pid).then_some(What::Renamed(pid))?
        }
        0x8000_0000 => {
            let (thread, pid, status) = (number()?, number()?, number()?);
            (thread == pid).then_some(What::Exit { pid, status })?
        }
        _ => return None,
    };
    Some(Told { at, what })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a kernel said when a shell ran false(1): the answer, then fork, exec and exit.
    const SAID: [&str; 4] = [
        "4c000000030000000000000000000000010000000100000000000000010000002800000000000000010000005fa9b34d04030000000000\
         000000000000000000000000000000000000000000",
        "4c0000000300000001000000000000000100000001000000010000000000000028000000010000000100000071e2b84d040300003f4800\
         003f48000068480000684800000000000000000000",
        "4c00000003000000020000000000000001000000010000000200000000000000280000000200000001000000a465d44d04030000684800\
         006848000000000000000000000000000000000000",
        "4c000000030000000300000000000000010000000100000003000000000000002800000000000080010000002081d94d04030000684800\
         006848000000010000110000003f4800003f480000",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_life_is_read_as_the_kernel_tells_it() {
        let said: Vec<Told> = SAID.iter().flat_map(|hex| told(&bytes(hex))).collect();
        let what: Vec<What> = said.iter().map(|told| told.what).collect();
        assert_eq!(
            what,
            [
                What::Answer(0),
                What::Fork { parent: 0x483f, child: 0x4868 },
                What::Exec(0x4868),
                What::Exit { pid: 0x4868, status: 256 },
            ]
        );
        assert!(said.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_new_thread_is_no_new_process() {
        let mut fork = bytes(SAID[1]);
        // The number of the thread, before that of its process.
        fork[60..64].copy_from_slice(&0x5000_u32.to_ne_bytes());
        assert_eq!(told(&fork), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            told(&bytes);
            event(&bytes);
        }
    }
}

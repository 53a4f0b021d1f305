//! The loop: wait, look at each connection that has news, until the time is over.

use std::{
    io,
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout};

use crate::{
    client::{Client, Shared},
    plan::{Plan, Wait},
    tally::Tally,
};

/// How often connections are looked at that say nothing.
const CHECK: Duration = Duration::from_millis(20);

/// A read takes at most so much: large bodies are counted, not kept.
const BUFFER: usize = 256 * 1024;

/// Does what the plan says, and counts.
pub fn run(plan: &Plan) -> io::Result<Tally> {
    let mut shared = Shared {
        plan,
        request: plan.request(),
        epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        tally: Tally::new(),
        buffer: vec![0; BUFFER],
    };
    let mut clients: Vec<Client> = (0..plan.connections as u32).map(Client::new).collect();
    let start = Instant::now();
    for client in &mut clients {
        client.start(&mut shared);
    }
    serve(&mut clients, &mut shared, start)?;
    shared.tally.finish(start.elapsed());
    Ok(shared.tally)
}

fn serve(clients: &mut [Client], shared: &mut Shared<'_>, start: Instant) -> io::Result<()> {
    let timeout = match shared.plan.wait {
        Wait::Sleep => EpollTimeout::try_from(CHECK).unwrap_or(EpollTimeout::ZERO),
        Wait::Spin => EpollTimeout::ZERO,
    };
    let mut events = [EpollEvent::empty(); 512];
    let mut next_check = start + CHECK;
    loop {
        let count = shared.epoll.wait(&mut events, timeout)?;
        for event in &events[..count] {
            clients[event.data() as usize].look(event.events(), shared);
        }
        let now = Instant::now();
        if now.duration_since(start) >= shared.plan.time {
            return Ok(());
        }
        if now >= next_check {
            next_check = now + CHECK;
            clients.iter_mut().for_each(|client| client.check(now, shared));
        }
    }
}

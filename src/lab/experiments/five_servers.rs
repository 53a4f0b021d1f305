//! Five servers: the same page from one process, from many, from threads and from poll, and a client that is slow.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    thread,
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use crate::{
    lab::{
        Actor, Lab, Outcome,
        sockets::{accept, call, listener, port, receive},
    },
    process::signal,
    sys::{
        fork::{Fork, exit_now, fork},
        wait::{Patience, Target, wait4},
    },
};

/// A server takes clients from a door for ever.
type Serve = fn(&Socket) -> io::Result<()>;

const KINDS: [(&str, char, Serve, &str); 5] = [
    ("iterative", 'I', iterative, "held up"),
    ("forking", 'F', forking, "served"),
    ("pre-fork", 'P', pre_fork, "served"),
    ("threads", 'T', threads, "served"),
    ("poll", 'M', polling, "served"),
];

pub fn run(lab: &mut Lab) -> Outcome {
    let one_worker = lab.bug("iterative-poll");
    for (name, letter, serve, expected) in KINDS {
        let serve = if one_worker && name == "poll" { iterative } else { serve };
        let door = listener(600)?;
        let at = port(&door);
        let server = lab.actor(letter, |_| serve(&door))?;
        drop(door);
        let slow = call(at)?;
        slow.send(b"GET / HT")?; // and no more
        lab.check(
            name,
            expected,
            if fast_client(at, expected == "served").is_ok() { "served" } else { "held up" },
        );
        lab.event(name, &[("tasks", tasks(&server).to_string())]);
        look_closer(lab, name, &server, at)?;
        drop(slow);
        let _ = signal::send(server.pid(), libc::SIGKILL);
    }
    Ok(())
}

/// Asks for the page; who is sure to be served waits longer.
fn fast_client(at: u16, sure: bool) -> io::Result<String> {
    let client = call(at)?;
    client.set_read_timeout(Some(Duration::from_millis(if sure { 3000 } else { 200 })))?;
    client.send(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    receive(&client, 1024)
        .and_then(|page| if page.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(page) })
}

/// How many tasks the server is: processes, and threads in them.
fn tasks(server: &Actor) -> u64 {
    let threads = server.who.field("status", "Threads").unwrap_or(0);
    threads + server.who.children().len() as u64
}

fn look_closer(lab: &mut Lab, name: &str, server: &Actor, at: u16) -> Outcome {
    match name {
        // A connection, a process; and none of them is left as a zombie.
        "forking" => {
            let served = (0..200).filter(|_| fast_client(at, true).is_ok()).count();
            lab.check("forking-all", 200, served);
            lab.expect("forking-zombies", 0, || server.who.zombies());
        }
        "pre-fork" => {
            lab.expect("pre-fork-workers", 3, || server.who.children().len());
        }
        // Many clients that say nothing cost no thread and no process.
        "poll" => {
            let idle: Vec<Socket> = (0..200).map(|_| call(at)).collect::<io::Result<_>>()?;
            let served = (0..5).filter(|_| fast_client(at, true).is_ok()).count();
            lab.check("poll-tasks", "5 served by 1", format!("{served} served by {}", tasks(server)));
            drop(idle);
        }
        _ => {}
    }
    Ok(())
}

/// The page, once the whole head of a request has come.
fn answer(mut client: &Socket) -> io::Result<()> {
    let mut head = String::new();
    while !head.contains("\r\n\r\n") {
        let piece = receive(client, 1024)?;
        if piece.is_empty() {
            return Ok(());
        }
        head += &piece;
    }
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
}

/// 1. One after the other: the next client waits for the one before.
fn iterative(door: &Socket) -> io::Result<()> {
    loop {
        let (client, _) = accept(door)?;
        client.set_read_timeout(None)?;
        let _ = answer(&client);
    }
}

/// 2. A process for each client. The kernel collects them: their endings are of no interest.
fn forking(door: &Socket) -> io::Result<()> {
    signal::ignore(libc::SIGCHLD)?;
    loop {
        let (client, _) = accept(door)?;
        if fork()? == Fork::Child {
            exit_now(answer(&client).is_err().into());
        }
    }
}

/// 3. Processes that were made beforehand, all of them at the same door.
fn pre_fork(door: &Socket) -> io::Result<()> {
    for _ in 0..3 {
        if fork()? == Fork::Child {
            let _ = iterative(door);
            exit_now(1);
        }
    }
    wait4(Target::Any, Patience::Block).map(drop)
}

/// 4. A thread for each client: they share all memory, and one that crashes takes all along.
fn threads(door: &Socket) -> io::Result<()> {
    loop {
        let (client, _) = accept(door)?;
        thread::spawn(move || answer(&client));
    }
}

/// 5. One process that waits for all clients at once, and reads only where something has come.
fn polling(door: &Socket) -> io::Result<()> {
    let mut clients: Vec<(Socket, String)> = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(door.as_fd(), PollFlags::POLLIN)];
        fds.extend(clients.iter().map(|(client, _)| PollFd::new(client.as_fd(), PollFlags::POLLIN)));
        poll(&mut fds, PollTimeout::NONE)?;
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let mut place = 0;
        clients.retain_mut(|(client, head)| {
            place += 1;
            !ready[place] || step(client, head)
        });
        if ready[0] {
            clients.push((accept(door)?.0, String::new()));
        }
    }
}

/// Reads what has come; whether there is more to wait for.
fn step(mut client: &Socket, head: &mut String) -> bool {
    match receive(client, 1024) {
        Ok(piece) if !piece.is_empty() => *head += &piece,
        Ok(_) | Err(_) => return false,
    }
    if head.contains("\r\n\r\n") {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        return false;
    }
    true
}

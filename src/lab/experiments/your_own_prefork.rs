//! Your own pre-fork: a master that forks, collects and replaces its workers; by hand, then by ten lines.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use nix::{
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{getpid, getppid},
};
use socket2::Socket;

use crate::{
    lab::{
        Lab, Outcome,
        look::Who,
        sockets::{Protocol, accept, call, door_of, listener, receive},
    },
    process::{Pid, signal},
    server::Server,
    sys::{
        fork::{Fork, exit_now, fork},
        wait::{Patience, Target, wait4},
    },
};

const WORKERS: usize = 3;

pub fn run(lab: &mut Lab) -> Outcome {
    let leaves_empty = lab.bug("no-respawn");
    let m = lab.subject(|_| master(if leaves_empty { 0 } else { usize::MAX }))?;
    promises(lab, m.who, "hand")?;
    if lab.is_exam() {
        return Ok(());
    }
    let f = lab.actor('F', |_| {
        Server::bind("127.0.0.1:0")
            .workers(3)
            .serve(|mut conn| {
                let mut message = [0; 100];
                conn.read(&mut message)?;
                conn.write_all(b"Thanks")
            })
            .map(drop)
            .map_err(io::Error::other)
    })?;
    promises(lab, f.who, "framework")
}

/// The whole master: bind, fork, wait, fork again.
fn master(mut respawns: usize) -> io::Result<()> {
    let door = listener(128)?; // before the forks: all workers share it
    for _ in 0..WORKERS {
        spawn(&door)?;
    }
    loop {
        // Sleeps until a worker has ended, and collects it: no zombie stays.
        wait4(Target::Any, Patience::Block)?;
        if respawns > 0 {
            spawn(&door)?;
            respawns -= 1;
        }
    }
}

fn spawn(door: &Socket) -> io::Result<()> {
    let master = getpid();
    if fork()? == Fork::Child {
        let _ = worker(door, master);
        exit_now(1); // a child never returns into the master's code
    }
    Ok(())
}

fn worker(door: &Socket, master: Pid) -> io::Result<()> {
    // With its master a worker ends too: nobody would collect or replace it.
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != master {
        return Ok(()); // it has died before that: the signal is for later deaths alone
    }
    loop {
        let (mut client, _) = accept(door)?;
        let _ = receive(&client, 100).and_then(|_| client.write_all(b"Thanks"));
    }
}

/// What any pre-fork server promises, whoever wrote it.
fn promises(lab: &mut Lab, master: Who, name: &str) -> Outcome {
    let at = door_of(lab, master, Protocol::Tcp)?;
    let key = |check: &str| format!("{name}-{check}");
    let living = || {
        master
            .children()
            .into_iter()
            .filter(|child| !child.is_zombie())
            .map(|child| child.pid)
            .collect::<BTreeSet<_>>()
    };
    lab.expect(&key("workers"), WORKERS, || living().len());
    lab.event(&key("ready"), &[("port", at.to_string())]);
    lab.check(&key("serves"), "Thanks", ask(at));

    let before = living();
    let victim = before.first().copied().unwrap_or(0);
    signal::send(Pid::from_raw(victim), libc::SIGKILL)?;
    lab.expect(&key("replaced"), "3, 1 of them new", || {
        let now = living();
        format!("{}, {} of them new", now.len(), now.difference(&before).count())
    });
    lab.event(&key("killed"), &[("pid", victim.to_string())]);

    let before = living();
    for pid in &before {
        signal::send(Pid::from_raw(*pid), libc::SIGKILL)?;
    }
    lab.expect(&key("all-replaced"), "3, 3 of them new", || {
        let now = living();
        format!("{}, {} of them new", now.len(), now.difference(&before).count())
    });
    lab.expect(&key("zombies"), 0, || master.zombies());
    lab.check(&key("serves-on"), "Thanks", ask(at));
    lab.event(&key("all-killed"), &[]);

    let last = living();
    signal::send(master.pid, libc::SIGKILL)?;
    lab.expect(&key("orphans"), 0, || {
        last.iter()
            .filter(|pid| crate::lab::look::stat(**pid).is_some_and(|process| !process.is_zombie()))
            .count()
    });
    lab.event(&key("gone"), &[]);
    Ok(())
}

fn ask(at: u16) -> String {
    let answer = call(at).and_then(|client| client.send(b"hello").and_then(|_| receive(&client, 100)));
    answer.unwrap_or_else(|cause| cause.to_string())
}

//! The waiting room: who connects is let in by the kernel, before and without an accept of the server.

use std::io::Write;

use socket2::Socket;

use crate::{
    lab::{
        Lab, Outcome,
        sockets::{
            Line, accept, answer, call, listener, local, port, queue, receive, states_at, tcp, verdict,
        },
    },
    process::signal,
};

pub fn run(lab: &mut Lab) -> Outcome {
    backlog(lab)?;
    asleep(lab)?;
    stopped(lab)
}

/// listen(2) sizes a queue. Nobody accepts here; five call.
fn backlog(lab: &mut Lab) -> Outcome {
    let door = listener(2)?;
    let at = port(&door);
    lab.watch_as("queue", move || queue(at).0.to_string());
    let accepts = lab.bug("accepts");
    let mut callers = Vec::new();
    for _ in 0..5 {
        let caller = tcp()?;
        caller.set_nonblocking(true)?; // connect begins the call and does not wait for the answer
        let _ = caller.connect(&local(at));
        callers.push(caller);
        if accepts {
            accept(&door)?;
        }
    }
    let lines: Vec<Line> = callers.iter().map(Line::of).collect();
    lab.expect("queue", "3, 2", || format!("{}, {}", queue(at).0, queue(at).1));
    let inside = states_at(at).into_iter().filter(|state| *state == "ESTAB").count();
    lab.check("inside", 3, inside);
    let calling = |socket: &Socket| socket.peer_addr().is_err();
    lab.check("outside", 2, callers.iter().filter(|caller| calling(caller)).count());
    lab.event("full", &[("n", lines.len().to_string())]);
    // Who is in the queue may speak already.
    lab.check("early-send", 5, answer(callers[0].send(b"early")));
    lab.event("early", &[]);
    let served = accept(&door)?.0;
    lab.check("late-read", "early", answer(receive(&served, 100)));
    Ok(())
}

/// accept and recv sleep in the kernel: the process uses no processor, and /proc says which call it is in.
fn asleep(lab: &mut Lab) -> Outcome {
    let door = listener(5)?;
    let at = port(&door);
    let a = lab.actor('A', |_| {
        let (client, _) = accept(&door)?;
        receive(&client, 1).map(drop)
    })?;
    drop(door);
    if lab.until("a system call of A's", || a.who.syscall()).is_err() {
        let why =
            lab.either("/proc/PID/syscall cannot be read here", "这里读不到 /proc/PID/syscall").to_owned();
        lab.skip_checks(&["accept", "recv"], &why);
        return Ok(());
    }
    lab.expect("accept", libc::SYS_accept4, || a.who.syscall().unwrap_or(-1));
    lab.event("accepting", &[]);
    let _caller = call(at)?;
    lab.expect("recv", format!("S {}", libc::SYS_recvfrom), || {
        format!("{} {}", a.who.state(), a.who.syscall().unwrap_or(-1))
    });
    lab.event("receiving", &[]);
    Ok(())
}

/// Even a server that is stopped has its callers connected: it is the kernel that shakes hands.
fn stopped(lab: &mut Lab) -> Outcome {
    let door = listener(5)?;
    let at = port(&door);
    let b = lab.actor('B', |_| {
        loop {
            let (mut client, _) = accept(&door)?;
            let _ = receive(&client, 100)?;
            client.write_all(b"Thanks")?;
        }
    })?;
    drop(door);
    signal::send(b.pid(), libc::SIGSTOP)?;
    lab.expect("stopped", "T", || b.who.state());
    let caller = tcp()?;
    lab.check("connect", "ok", verdict(caller.connect(&local(at))));
    lab.check("send", 5, answer(caller.send(b"hello")));
    lab.event("stopped", &[]);
    signal::send(b.pid(), libc::SIGCONT)?;
    lab.check("thanks", "Thanks", answer(receive(&caller, 100)));
    lab.event("continued", &[]);
    Ok(())
}

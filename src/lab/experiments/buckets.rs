//! Buckets: send and recv talk to buffers of the kernel, and wait when their own buffer says so.

use std::io::Write;

use crate::lab::{
    Lab, Outcome,
    sockets::{Line, accept, answer, call, connection, listener, port, receive},
};

pub fn run(lab: &mut Lab) -> Outcome {
    at_most(lab)?;
    fill(lab)?;
    many_small(lab)?;
    deadlock(lab)
}

/// recv(n) gives at most n bytes; what is not taken stays. It waits only for an empty buffer.
fn at_most(lab: &mut Lab) -> Outcome {
    let (mut a, b) = connection()?;
    let line = Line::of(&b);
    lab.watch_as("Recv-Q", move || line.unread().to_string());
    a.write_all(b"0123456789")?;
    lab.expect("arrived", 10, || line.unread());
    lab.check("at-most", "0123", answer(receive(&b, 4)));
    lab.check("stays", 6, line.unread());
    lab.event("at-most", &[]);
    lab.check("rest", "456789", answer(receive(&b, 100)));
    b.set_nonblocking(true)?;
    // In place of a wait that would not end.
    lab.check("empty", "EAGAIN", answer(receive(&b, 100)));
    lab.event("empty", &[]);
    Ok(())
}

/// Nobody reads: the sender fills the reader's buffer, then its own, and then it would wait.
fn fill(lab: &mut Lab) -> Outcome {
    let (a, b) = connection()?;
    let (near, far) = (Line::of(&a), Line::of(&b));
    lab.watch_as("Send-Q", move || near.unsent().to_string());
    lab.watch_as("Recv-Q", move || far.unread().to_string());
    a.set_nonblocking(true)?;
    let reads_on = lab.bug("reads-on");
    let mut taken = 0;
    let block = [b'x'; 64 * 1024];
    let refusal = loop {
        match a.send(&block) {
            Ok(count) => taken += count,
            Err(cause) => break answer::<usize>(Err(cause)),
        }
        if reads_on {
            receive(&b, block.len())?;
            if taken > 64 << 20 {
                break "none".into();
            }
        }
    };
    lab.check("full", "EAGAIN", refusal);
    lab.event("full", &[("bytes", taken.to_string())]);
    if !reads_on {
        // What has arrived and is not acknowledged yet stands in both.
        let in_both = || (near.unsent() + far.unread()) as usize;
        let _ = lab.until("every byte taken in a buffer", || (in_both() >= taken).then_some(()));
        lab.check_that("both-buffers", format!(">= {taken}"), in_both(), |bytes| *bytes >= taken);
        // Room again, as soon as somebody reads enough.
        let drained = receive(&b, taken).map_or(0, |text| text.len());
        let again = lab.until("room in the sender's buffer", || a.send(b"x").ok())?;
        lab.check("room", 1, again);
        lab.event("room", &[("bytes", drained.to_string())]);
    }
    Ok(())
}

/// The buffer saves calls: what many sends have put in, one recv takes out.
fn many_small(lab: &mut Lab) -> Outcome {
    let (mut a, b) = connection()?;
    let line = Line::of(&b);
    for _ in 0..1000 {
        a.write_all(b"12345678")?;
    }
    lab.until("all bytes at the other end", || (line.unread() == 8000).then_some(()))?;
    let mut calls = 0;
    let mut bytes = 0;
    while bytes < 8000 {
        bytes += receive(&b, 4096)?.len();
        calls += 1;
    }
    lab.check_that("few-reads", "<= 10", calls, |calls| *calls <= 10);
    lab.event("few-reads", &[("calls", calls.to_string())]);
    Ok(())
}

/// Two ends that both wait for the other to speak first: nothing in the kernel will ever wake them.
fn deadlock(lab: &mut Lab) -> Outcome {
    let door = listener(1)?;
    let at = port(&door);
    let a = lab.actor('A', |_| {
        let (peer, _) = accept(&door)?;
        peer.set_read_timeout(None)?;
        receive(&peer, 100).map(drop)
    })?;
    drop(door);
    let b = lab.actor('B', |_| {
        let peer = call(at)?;
        peer.set_read_timeout(None)?;
        receive(&peer, 100).map(drop)
    })?;
    let waits = |who: crate::lab::look::Who| (who.state(), who.syscall().unwrap_or(libc::SYS_recvfrom));
    let both = ("S".to_owned(), libc::SYS_recvfrom);
    lab.expect("deadlock", "A waits for B, B waits for A", || {
        let each = [(a.who, "A waits for B"), (b.who, "B waits for A")];
        let waiting = each.into_iter().filter(|(who, _)| waits(*who) == both && sockets_are_empty(at));
        waiting.map(|(_, words)| words).collect::<Vec<_>>().join(", ")
    });
    lab.event("deadlock", &[]);
    Ok(())
}

/// Whether the connection at that port is there and nothing is on its way in it.
fn sockets_are_empty(at: u16) -> bool {
    crate::lab::sockets::states_at(at) == ["ESTAB"]
}

//! Goodbye: what the one end of a connection sees when the other has closed it, or has died.

use std::io::Write;

use crate::lab::{
    Lab, Outcome,
    hands::pause,
    sockets::{GONE, Line, answer, connection, letterbox, local, port, receive},
};

pub fn run(lab: &mut Lab) -> Outcome {
    end_of_stream(lab)?;
    empty_datagram(lab)?;
    broken_pipe(lab)?;
    reset(lab)?;
    death(lab)
}

/// A close is no message. It is the end of the stream, and recv says so as often as it is asked.
fn end_of_stream(lab: &mut Lab) -> Outcome {
    let (a, mut b) = connection()?;
    let line = Line::of(&a);
    lab.watch_as("a", move || line.state().into());
    lab.event("connected", &[]);
    b.write_all(b"bye")?;
    drop(b);
    lab.expect("close-wait", "CLOSE-WAIT", || line.state());
    lab.event("closed", &[]);
    lab.check("last-words", "bye", answer(receive(&a, 100)));
    let ends = [receive(&a, 100)?.len(), receive(&a, 100)?.len()];
    lab.check("end", "0, 0", format!("{}, {}", ends[0], ends[1]));
    Ok(())
}

/// For datagrams a length of 0 is a message like any other.
fn empty_datagram(lab: &mut Lab) -> Outcome {
    let (a, b) = (letterbox()?, letterbox()?);
    for text in ["", "still here"] {
        b.send_to(text.as_bytes(), &local(port(&a)))?;
    }
    let got = [receive(&a, 100)?, receive(&a, 100)?];
    lab.check("empty-datagram", "'', 'still here'", format!("'{}', '{}'", got[0], got[1]));
    lab.event("empty-datagram", &[]);
    Ok(())
}

/// The first send after the other's close still works: the kernel takes the bytes and learns only then that nobody
/// is there to read them.
fn broken_pipe(lab: &mut Lab) -> Outcome {
    let (a, b) = connection()?;
    let line = Line::of(&a);
    lab.watch_as("a", move || line.state().into());
    drop(b);
    lab.check("first-send", 1, answer(a.send_with_flags(b"1", libc::MSG_NOSIGNAL)));
    lab.event("first-send", &[]);
    lab.until("the reset of the connection", || (line.state() == GONE).then_some(()))?;
    lab.check("second-send", "EPIPE", answer(a.send_with_flags(b"2", libc::MSG_NOSIGNAL)));
    lab.event("second-send", &[]);
    Ok(())
}

/// Who closes without having read everything says so at once: the connection is reset, not ended.
fn reset(lab: &mut Lab) -> Outcome {
    let (mut a, b) = connection()?;
    a.write_all(b"never read")?;
    let far = Line::of(&b);
    lab.until("the bytes at the other end", || (far.unread() == 10).then_some(()))?;
    let line = Line::of(&a);
    drop(b);
    lab.until("the reset of the connection", || (line.state() == GONE).then_some(()))?;
    lab.check("unread", "ECONNRESET", answer(a.send_with_flags(b"1", libc::MSG_NOSIGNAL)));
    lab.event("unread", &[]);
    Ok(())
}

/// A program that has said nothing about SIGPIPE dies of its second send.
fn death(lab: &mut Lab) -> Outcome {
    let flags = if lab.bug("no-signal") { libc::MSG_NOSIGNAL } else { 0 };
    let w = lab.actor('W', |_| {
        let (a, b) = connection()?;
        drop(b);
        loop {
            a.send_with_flags(b"x", flags)?;
            pause(std::time::Duration::from_millis(1));
        }
    })?;
    lab.expect("sigpipe", libc::SIGPIPE, || w.who.status());
    lab.event("sigpipe", &[]);
    Ok(())
}

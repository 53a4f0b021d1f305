//! The handshake: what goes over the wire when a connection begins and ends, and what its two ends are at meanwhile.

use std::{io::Write, net::Shutdown};

use crate::lab::{
    Lab, Outcome,
    network::{Capture, Frame, move_out},
    sockets::{Line, accept, answer, call, letterbox, listener, local, port, receive, tcp, verdict},
};

pub fn run(lab: &mut Lab) -> Outcome {
    reuse(lab)?;
    match move_out(lab) {
        Ok(()) => on_the_wire(lab),
        Err(crate::lab::Trouble::Skip(why)) => {
            let keys = [
                "opens",
                "fin-wait",
                "close-wait",
                "half-closed",
                "closes",
                "time-wait",
                "layers-tcp",
                "sum-tcp",
                "layers-udp",
                "sum-udp",
            ];
            lab.skip_checks(&keys, &why);
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// A network of our own, in which we may listen in.
fn on_the_wire(lab: &mut Lab) -> Outcome {
    let capture = Capture::begin()?;
    let door = listener(1)?;
    let mut a = call(port(&door))?;
    let (mut b, _) = accept(&door)?;
    let (line_a, line_b) = (Line::of(&a), Line::of(&b));
    lab.watch_as("a", move || line_a.state().into());
    lab.watch_as("b", move || line_b.state().into());
    lab.check("opens", "SYN, SYN+ACK, ACK", words(&capture.frames()));
    lab.event("opened", &[]);

    a.write_all(b"hello")?;
    receive(&b, 100)?;
    lab.until("an acknowledgement", || (line_a.unsent() == 0).then_some(()))?;
    layers(lab, "tcp", &capture.frames());

    if lab.bug("closes-both") {
        b.shutdown(Shutdown::Write)?; // b does not wait for a
    }
    a.shutdown(Shutdown::Write)?;
    lab.expect("fin-wait", "FIN-WAIT-2", || line_a.state());
    lab.expect("close-wait", "CLOSE-WAIT", || line_b.state());
    lab.event("half-closed", &[]);
    // a has said that it sends no more. b may go on.
    let said = b.write_all(b"still here").and_then(|()| receive(&a, 100));
    lab.check("half-closed", "still here", answer(said));
    let _ = lab.until("an acknowledgement", || (line_b.unsent() == 0).then_some(()));
    drop(b);
    lab.expect("time-wait", "TIME-WAIT, -", || format!("{}, {}", line_a.state(), line_b.state()));
    lab.check("closes", "FIN, ACK, data, ACK, FIN, ACK", words(&capture.frames()));
    lab.event("closed", &[]);

    let (sender, reader) = (letterbox()?, letterbox()?);
    sender.send_to(b"hello", &local(port(&reader)))?;
    receive(&reader, 100)?;
    layers(lab, "udp", &capture.frames());
    lab.event("layers", &[]);
    Ok(())
}

fn words(frames: &[Frame]) -> String {
    frames.iter().map(Frame::word).collect::<Vec<_>>().join(", ")
}

/// Each layer has put its header in front; together they are the frame.
fn layers(lab: &mut Lab, name: &str, frames: &[Frame]) {
    let Some(frame) = frames.iter().find(|frame| frame.data == b"hello") else { return };
    let inside = String::from_utf8_lossy(&frame.data).into_owned();
    let expected = format!("Ethernet 14 > IP 20 > {} > hello", name.to_uppercase());
    lab.check(
        &format!("layers-{name}"),
        expected,
        format!("Ethernet {} > IP {} > {} > {inside}", frame.ethernet, frame.ip, frame.protocol),
    );
    let sum = frame.ethernet + frame.ip + frame.transport + frame.data.len();
    lab.check(&format!("sum-{name}"), frame.length, sum);
}

/// Who closes first keeps the port's name in TIME-WAIT for a minute. SO_REUSEADDR lets a new server have it all the
/// same, if the old one had set it too; two that live never share it.
fn reuse(lab: &mut Lab) -> Outcome {
    let mut answers = Vec::new();
    for (old, new) in [(false, false), (false, true), (true, true)] {
        let door = tcp()?;
        door.set_reuse_address(old)?;
        door.bind(&local(0))?;
        door.listen(1)?;
        let at = port(&door);
        let caller = call(at)?;
        let (served, _) = accept(&door)?;
        let line = Line::of(&served);
        drop((served, door)); // the server closes first
        drop(caller);
        lab.until("TIME-WAIT", || (line.state() == "TIME-WAIT").then_some(()))?;
        let next = tcp()?;
        next.set_reuse_address(new)?;
        answers.push(verdict(next.bind(&local(at)).and_then(|()| next.listen(1))));
    }
    lab.check("time-wait-bind", "EADDRINUSE, EADDRINUSE, ok", answers.join(", "));
    let (one, two) = (tcp()?, tcp()?);
    one.set_reuse_address(true)?;
    two.set_reuse_address(true)?;
    one.bind(&local(0))?;
    one.listen(1)?;
    lab.check("two-living", "EADDRINUSE", verdict(two.bind(&local(port(&one))).and_then(|()| two.listen(1))));
    lab.event("reuse", &[]);
    Ok(())
}

//! The small examples of sockets, clients as well as servers: each does what its first lines say.

use std::{
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
};

use super::examples::{Example, program};
use crate::support::*;

/// Runs a client to its end, with that on its standard input; gives what it prints.
fn client(name: &str, arguments: &[&str], typed: &str) -> String {
    let mut command = Command::new(program(name));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{name} {arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A server that knows no end of its own; dropping it ends it.
struct Endless(Child);

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("our own child");
    }
}

#[test]
fn udp_time_tells_the_time_and_never_more_than_it_was_asked() {
    let (_server, address) = Example::start("udp_time", &["udp:127.0.0.1:0"]);
    let told = client("udp_time", &["client", &address.to_string()], "");
    let seconds: u64 = told.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds");
    assert!(seconds > 1_700_000_000, "{told}");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"???", address).unwrap();
    assert_eq!(socket.recv(&mut [0; 64]).unwrap(), 3);
}

#[test]
fn broadcast_is_heard_with_its_sender() {
    let (listener, address) = Example::start("broadcast", &["listen", "udp:127.0.0.1:0"]);
    client("broadcast", &["send", &address.to_string(), "hello", "there"], "");
    listener.out.wait(": hello there");
}

#[test]
fn framing_gives_back_each_message_by_each_remedy() {
    let told = client("framing", &[], "");
    for message in ["one", "two", "three"] {
        assert!(told.matches(&format!("\n    \"{message}\"\n")).count() >= 2, "{told}");
    }
    assert!(told.contains("without: \"onetwothree\""), "{told}");
}

#[test]
fn line_chat_tells_everybody_what_a_client_types() {
    let mut command = Command::new(program("line_chat"));
    let mut child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().expect("it runs");
    let out = Log::of_pipe(child.stdout.take().expect("a pipe"));
    let _room = Endless(child);
    let line = out.wait("chat on ").0;
    let address = line.trim_start_matches("chat on ");
    let mut friend = TcpStream::connect(address).unwrap();
    friend.set_read_timeout(Some(DEADLINE)).unwrap();
    friend.write_all(b"first\n").unwrap();
    let mut heard = [0; 6];
    friend.read_exact(&mut heard).unwrap();
    // What the client types comes back to it before the room lets it go.
    assert_eq!(client("multiplexing", &[address], "hello all\n"), "hello all\n");
    let mut heard = [0; 10];
    friend.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello all\n");
}

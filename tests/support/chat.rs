//! Those who come into a chat room: by lines over TCP, by a page, by datagrams.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
};

use serde_json::{Value, json};

use super::{
    Answer, Client, Instance,
    wait::{DEADLINE, eventually},
};

/// One who talks by lines, as with nc.
pub struct Talker {
    reader: BufReader<TcpStream>,
    /// All lines that have come.
    pub heard: Vec<String>,
}

impl Talker {
    /// The address of the door of lines, for whoever comes again.
    pub fn door(server: &Instance) -> String {
        let url = server.urls().into_iter().find(|url| url.starts_with("tcp://")).expect("a door of lines");
        url.trim_start_matches("tcp://").to_owned()
    }

    /// A connection, before any name.
    pub fn connect(server: &Instance) -> Self {
        Self::at(&Self::door(server))
    }

    /// A connection to this door, before any name.
    pub fn at(door: &str) -> Self {
        let stream = TcpStream::connect(door).expect("a room can be entered");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { reader: BufReader::new(stream), heard: Vec::new() }
    }

    /// One who is in under this name.
    #[track_caller]
    pub fn enter(server: &Instance, name: &str) -> Self {
        Self::connect(server).named(name)
    }

    /// The same one, in under this name.
    #[track_caller]
    pub fn named(mut self, name: &str) -> Self {
        self.say(name);
        self.until("* here are ");
        self
    }

    /// Sends a line.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\n"));
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).expect("the room listens");
    }

    /// The next line; `None` at the end.
    #[track_caller]
    pub fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                let line = String::from_utf8(line).expect("UTF-8").trim_end_matches('\n').to_owned();
                self.heard.push(line.clone());
                Some(line)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing more came ({error}) after {:#?}", self.heard),
        }
    }

    /// Reads up to the first line with this in it.
    #[track_caller]
    pub fn until(&mut self, part: &str) -> String {
        loop {
            match self.next() {
                Some(line) if line.contains(part) => return line,
                Some(_) => {}
                None => panic!("closed before {part:?}, after {:#?}", self.heard),
            }
        }
    }

    /// Reads to the end, and gives the last line.
    #[track_caller]
    pub fn last(&mut self) -> String {
        while self.next().is_some() {}
        self.heard.last().cloned().unwrap_or_default()
    }
}

/// A page in a browser, without the browser.
pub struct Page {
    address: SocketAddr,
    member: u64,
    cookie: String,
    tickets: u32,
}

impl Page {
    /// A page whose person is in under this name.
    #[track_caller]
    pub fn enter(server: &Instance, name: &str) -> Self {
        let answer = Self::join(server, &json!({ "name": name }));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let document: Value = serde_json::from_slice(&answer.body).expect("a document");
        let cookie =
            answer.header("set-cookie").expect("a cookie").split(';').next().expect("a value").to_owned();
        let member = document["member"].as_u64().expect("a number");
        Self { address: server.address(), member, cookie, tickets: 0 }
    }

    /// Asks to come in.
    pub fn join(server: &Instance, document: &Value) -> Answer {
        post(server.address(), "/join", "", &document.to_string()).expect("the room answers")
    }

    /// Says something, again and again until the room has said that it has it; the line's number.
    pub fn say(&mut self, text: &str) -> u64 {
        self.tickets += 1;
        let document = json!({ "text": text, "ticket": self.tickets.to_string() });
        // A worker that is killed takes the connection with it, not the line.
        eventually("a line is acknowledged", || {
            let answer = self.post("say", &document).ok().filter(|answer| answer.status == 200)?;
            let document: Value = serde_json::from_slice(&answer.body).expect("a document");
            Some(document["number"].as_u64().expect("a number"))
        })
    }

    /// Posts a document.
    pub fn post(&self, verb: &str, document: &Value) -> io::Result<Answer> {
        let path = format!("/m/{}/{verb}", self.member);
        post(self.address, &path, &self.cookie, &document.to_string())
    }

    /// What it is told from here on, or behind the line with that number.
    pub fn listen(&self, after: Option<u64>) -> Reader {
        Reader { page: self.copy(), connection: None, last: after, events: VecDeque::new() }
    }

    fn copy(&self) -> Self {
        Self { address: self.address, member: self.member, cookie: self.cookie.clone(), tickets: 0 }
    }
}

/// A request with a body on a connection of its own.
fn post(address: SocketAddr, path: &str, cookie: &str, body: &str) -> io::Result<Answer> {
    let mut client = Client::connect(address)?;
    let length = body.len();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: room\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))?;
    client.answer()
}

/// What a browser's EventSource does: it reads events, and connects anew with the last id when it is cut off.
pub struct Reader {
    page: Page,
    connection: Option<BufReader<TcpStream>>,
    last: Option<u64>,
    events: VecDeque<Value>,
}

impl Reader {
    /// The next line of the room.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        eventually("the room says something", || {
            // An error is the worker's death.
            if self.events.is_empty() && self.read().is_err() {
                self.connection = None;
            }
            let event = self.events.pop_front()?;
            self.last = event["number"].as_u64().or(self.last);
            Some(event)
        })
    }

    /// How the room answers when it connects.
    pub fn status(&self) -> u16 {
        let (_, status) = connect(&self.page, self.last).expect("the room answers");
        status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line")
    }

    /// The next thing that anybody says.
    #[track_caller]
    pub fn next_said(&mut self) -> Value {
        loop {
            let line = self.next();
            if line["what"] == "said" {
                return line;
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let (connection, status) = connect(&self.page, self.last)?;
                assert!(status.is_empty() || status.contains(" 200 "), "the room refuses: {status}");
                self.connection.insert(connection)
            }
        };
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(data) = line.strip_prefix("data: ") else { return Ok(()) };
        // An event that was cut in two is none: its line has no end.
        let data = data.strip_suffix('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
        match serde_json::from_str::<Value>(data) {
            Ok(line) if line["what"].is_string() => self.events.push_back(line),
            Ok(_) | Err(_) => {}
        }
        Ok(())
    }
}

fn connect(page: &Page, last: Option<u64>) -> io::Result<(BufReader<TcpStream>, String)> {
    let stream = TcpStream::connect_timeout(&page.address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let last = last.map(|number| format!("Last-Event-ID: {number}\r\n")).unwrap_or_default();
    let (member, cookie) = (page.member, &page.cookie);
    // HTTP/1.0, so that the events are not cut into chunks.
    (&stream).write_all(
        format!("GET /m/{member}/events HTTP/1.0\r\nHost: room\r\nCookie: {cookie}\r\n{last}\r\n").as_bytes(),
    )?;
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    Ok((reader, status))
}

/// One who writes datagrams, as the course's client does.
pub struct Letters {
    socket: UdpSocket,
}

impl Letters {
    /// A client that has not come in yet.
    pub fn new(server: &Instance) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(server.udp()).expect("an address");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Self { socket }
    }

    /// One who is in under this name.
    #[track_caller]
    pub fn enter(server: &Instance, name: &str) -> Self {
        let letters = Self::new(server);
        assert_eq!(letters.ask(format!("L {name}")), "OK");
        letters
    }

    /// Sends a datagram.
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket.send(bytes.as_ref()).expect("a datagram can be sent");
    }

    /// The next datagram that comes.
    #[track_caller]
    pub fn next(&self) -> String {
        let mut room = [0; 8192];
        let count = self.socket.recv(&mut room).expect("a datagram comes");
        String::from_utf8(room[..count].to_vec()).expect("UTF-8")
    }

    /// Sends one and reads one.
    #[track_caller]
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes);
        self.next()
    }
}

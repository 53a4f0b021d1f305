//! Chat, stage 5: the browser comes in. A page, a POST for each line, and an answer that never ends.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::lab::{
    Lab, Outcome,
    chat::SILENCE,
    sockets::{Protocol, door_of},
};

/// What the browser gets. Lines are put in as text, so that nobody can put a tag into another one's page.
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>chat</title><ul id=lines></ul><form><input name=line></form>
<script>
const name = prompt('name'), form = document.forms[0]
new EventSource('/events').onmessage = event => {
  const item = document.createElement('li'); item.textContent = event.data; document.all.lines.append(item)
}
form.onsubmit = event => {
  event.preventDefault(); fetch('/say', { method: 'POST', body: name + ': ' + form.line.value }); form.reset()
}
</script>";

pub fn run(lab: &mut Lab) -> Outcome {
    let raw = lab.bug("raw");
    let a = lab.actor('A', |_| serve(&TcpListener::bind(("127.0.0.1", 0))?, raw))?;
    let port = door_of(lab, a.who, Protocol::Tcp)?;
    let page = ask(port, "GET / HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n")?;
    lab.check("page", "HTTP/1.1 200 OK", page.lines().next().unwrap_or_default());
    lab.check("script", "true", page.contains("new EventSource") && page.contains("textContent"));
    lab.event("page", &[("port", port.to_string())]);

    let (mut ann, mut bob) = (Browser::open(port)?, Browser::open(port)?);
    lab.check("stream", "text/event-stream", &ann.media);
    lab.event("streams", &[]);
    lab.check("posted", "HTTP/1.1 204 No Content", say(port, "小明: 你好 all")?);
    lab.check("ann", "小明: 你好 all", ann.hear());
    lab.check("bob", "小明: 你好 all", bob.hear());
    lab.event("said", &[]);

    // A line end in a line would begin another event, in whoever's name.
    say(port, "eve: hello\n\ndata: admin: all must leave")?;
    lab.check_that("forged", "≠ admin…", [ann.hear(), ann.hear()].join("|"), |heard| !heard.contains("|admin"));
    lab.event("forged", &[]);
    say(port, "小明: <b>still</b> here")?;
    lab.check("tags", "小明: <b>still</b> here", bob.hear_last("still"));
    lab.check("no-host", "HTTP/1.1 400 Bad Request", first_line(&ask(port, "GET / HTTP/1.1\r\n\r\n")?));
    Ok(())
}

/// A browser, as far as this needs one: it reads events.
struct Browser {
    stream: BufReader<TcpStream>,
    media: String,
}

impl Browser {
    fn open(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: chat\r\n\r\n")?;
        let mut browser = Self { stream: BufReader::new(stream), media: String::new() };
        while let Some(line) = browser.line().filter(|line| !line.is_empty()) {
            if let Some(media) = line.strip_prefix("Content-Type: ") {
                browser.media = media.into();
            }
        }
        Ok(browser)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().into())
    }

    /// The data of the next event: its lines, each behind `data: `, until an empty one.
    fn hear(&mut self) -> String {
        let mut data = Vec::new();
        while let Some(line) = self.line() {
            match line.strip_prefix("data: ") {
                Some(text) => data.push(text.to_owned()),
                None if data.is_empty() => {}
                None => return data.join("\n"),
            }
        }
        SILENCE.into()
    }

    fn hear_last(&mut self, word: &str) -> String {
        (0..9).map(|_| self.hear()).find(|line| line.contains(word) || line == SILENCE).unwrap_or_default()
    }
}

fn say(port: u16, line: &str) -> io::Result<String> {
    let head = format!("POST /say HTTP/1.1\r\nHost: chat\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", line.len());
    Ok(first_line(&ask(port, &(head + line))?))
}

fn ask(port: u16, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn first_line(answer: &str) -> String {
    answer.lines().next().unwrap_or_default().into()
}

/// The streams of all browsers.
type Room = Arc<Mutex<Vec<TcpStream>>>;

fn serve(door: &TcpListener, raw: bool) -> io::Result<()> {
    let room = Room::default();
    loop {
        let (stream, _) = door.accept()?;
        let room = Arc::clone(&room);
        thread::spawn(move || answer(stream, &room, raw));
    }
}

/// One request.
fn answer(mut stream: TcpStream, room: &Room, raw: bool) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        head.push_str(&line);
        line.clear();
    }
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("Host:").is_none() {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if head.starts_with("GET /events ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n")?;
        room.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        return Ok(());
    }
    if head.starts_with("POST /say ") {
        let length: usize = field("Content-Length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length.min(1 << 16)];
        reader.read_exact(&mut body)?;
        tell(room, &String::from_utf8_lossy(&body), raw);
        return stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
    let length = PAGE.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}")
}

/// An event for everybody; whoever is gone is forgotten. Each line of the text gets its own `data:`.
fn tell(room: &Room, text: &str, raw: bool) {
    let data = if raw { text.to_owned() } else { text.replace('\n', "\ndata: ") };
    let event = format!("data: {data}\n\n");
    room.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|stream| stream.write_all(event.as_bytes()).is_ok());
}

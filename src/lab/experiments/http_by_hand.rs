//! HTTP by hand: requests and answers are text with rules, and each missing piece has its price.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{self, Write},
    process::{Command, Stdio},
};

use socket2::Socket;

use crate::{
    http::{Request, Response},
    lab::{
        Lab, Outcome,
        sockets::{Protocol, accept, call, door_of, listener, port, receive, receive_all},
    },
    server::Server,
};

pub fn run(lab: &mut Lab) -> Outcome {
    methods(lab)?;
    answers_by_hand(lab)?;
    a_request_of_curl(lab)
}

/// What a server that knows the rules makes of requests.
fn methods(lab: &mut Lab) -> Outcome {
    let forgets = lab.bug("forgets");
    let s = lab.actor('S', |_| {
        let pages = RefCell::new(BTreeMap::from([("/".to_owned(), b"hello".to_vec())]));
        let serve = |request: &Request<'_>| page(&pages, request, forgets);
        Server::bind("127.0.0.1:0").workers(1).serve_http(serve).map(drop).map_err(io::Error::other)
    })?;
    let at = door_of(lab, s.who, Protocol::Tcp)?;
    lab.event("serving", &[("port", at.to_string())]);
    let ask = |head: &str, body: &str| -> io::Result<(String, String)> {
        let caller = call(at)?;
        caller.send(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes())?;
        let answer = receive_all(&caller)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        Ok((head.to_owned(), body.to_owned()))
    };
    let status = |head: &str| ask(head, "").map(status_of);
    let host = HOST;
    lab.check(
        "minimal",
        "200, 400",
        [status(&format!("GET / {host}"))?, status("GET / HTTP/1.1")?].join(", "),
    );
    let (get, head) = (ask(&format!("GET / {host}"), "")?, ask(&format!("HEAD / {host}"), "")?);
    let headers = |text: &str| text.lines().filter(|line| !line.starts_with("date")).count();
    lab.check(
        "head",
        format!("{} lines, 0 bytes", headers(&get.0)),
        format!("{} lines, {} bytes", headers(&head.0), head.1.len()),
    );
    change(lab, &ask)?;
    lab.event("methods", &[]);
    Ok(())
}

/// An answer, split into its head and its body.
type Ask<'a> = dyn Fn(&str, &str) -> io::Result<(String, String)> + 'a;

const HOST: &str = "HTTP/1.1\r\nHost: lab";

fn status_of((head, _): (String, String)) -> String {
    head.get(9..12).unwrap_or("-").to_owned()
}

/// Methods that change something, and those that are refused.
fn change(lab: &mut Lab, ask: &Ask<'_>) -> Outcome {
    let host = HOST;
    let status = |head: &str, body: &str| ask(head, body).map(status_of);
    let put = format!("PUT /page {host}\r\nContent-Length: 3");
    let twice = [status(&put, "new")?, status(&put, "new")?, ask(&format!("GET /page {host}"), "")?.1];
    lab.check("put", "201, 204, new", twice.join(", "));
    let gone = [status(&format!("DELETE /page {host}"), "")?, status(&format!("GET /page {host}"), "")?];
    lab.check("delete", "204, 404", gone.join(", "));
    let (refused, _) = ask(&format!("POST / {host}\r\nContent-Length: 0"), "")?;
    let allow = refused
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("allow:"))
        .unwrap_or("-")
        .to_owned();
    lab.check(
        "refused",
        "405, allow: GET, HEAD, PUT, DELETE",
        format!(
            "{}, {}",
            &refused[9..12],
            allow.to_lowercase().replace("get, head, put, delete", "GET, HEAD, PUT, DELETE")
        ),
    );
    lab.check("unknown", 501, status(&format!("BREW / {host}"), "")?);
    Ok(())
}

type Pages = RefCell<BTreeMap<String, Vec<u8>>>;

/// A site in memory: PUT makes or replaces a page, DELETE removes it.
fn page(pages: &Pages, request: &Request<'_>, forgets: bool) -> Response {
    let mut pages = pages.borrow_mut();
    match request.method() {
        "GET" | "HEAD" => match pages.get(request.path()) {
            Some(page) => Response::bytes(page.clone()),
            None => Response::empty(404),
        },
        "PUT" if forgets => Response::empty(204),
        "PUT" => match pages.insert(request.path().into(), request.body().to_vec()) {
            None => Response::empty(201),
            Some(_) => Response::empty(204),
        },
        "DELETE" => Response::empty(if pages.remove(request.path()).is_some() { 204 } else { 404 }),
        "POST" => Response::empty(405).header("Allow", "GET, HEAD, PUT, DELETE"),
        _ => Response::empty(501),
    }
}

/// Answers that were typed by hand, and what curl(1) makes of them: its exit codes stand in its manual.
fn answers_by_hand(lab: &mut Lab) -> Outcome {
    let keys = ["whole", "no-blank-line", "no-status-line", "no-length", "closed", "classes", "steps"];
    if Command::new("curl").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        let why = lab.either("there is no curl here", "这里没有 curl").to_owned();
        lab.skip_checks(&keys, &why);
        return Ok(());
    }
    let door = listener(5)?;
    let at = port(&door);
    let h = lab.actor('H', |_| {
        let mut kept = Vec::new();
        loop {
            let (client, _) = accept(&door)?;
            kept.extend(answer_by_hand(client)?);
        }
    })?;
    drop(door);
    let curl = |path: &str, more: &[&str]| -> io::Result<(i32, String)> {
        let done = Command::new("curl")
            .args(["--silent", "--max-time", "1", "--noproxy", "*"])
            .args(more)
            .arg(format!("http://127.0.0.1:{at}/{path}"))
            .stdin(Stdio::null())
            .output()?;
        Ok((done.status.code().unwrap_or(-1), String::from_utf8_lossy(&done.stdout).into_owned()))
    };
    lab.check("whole", "exit 0, hello", shown(curl("whole", &[])?));
    // 18: the promised bytes did not come. The body was taken for headers.
    lab.check("no-blank-line", "exit 18, ", shown(curl("no-blank-line", &[])?));
    // 1: what came is no answer of HTTP/1.x.
    lab.check("no-status-line", "exit 1, ", shown(curl("no-status-line", &[])?));
    // 28: the time was up, since nothing says where the body ends.
    lab.check("no-length", "exit 28, hello", shown(curl("no-length", &[])?));
    lab.check("closed", "exit 0, hello", shown(curl("closed", &[])?));
    lab.event("by-hand", &[("pid", h.pid().to_string())]);
    classes_and_steps(lab, &curl)
}

/// curl(1) with some options: how it ended, and what it printed.
type Curl<'a> = dyn Fn(&str, &[&str]) -> io::Result<(i32, String)> + 'a;

/// The five classes of answers, and the five steps of getting one.
fn classes_and_steps(lab: &mut Lab, curl: &Curl<'_>) -> Outcome {
    let classes = ["100", "200", "301", "404", "500"].map(|code| {
        curl(code, &["--location", "--output", "/dev/null", "--write-out", "%{http_code}"])
            .map_or("-".into(), |(_, code)| code)
    });
    // 1xx is followed by the answer itself, 301 by the place that it names.
    lab.check("classes", "200 200 200 404 500", classes.join(" "));
    let times = curl(
        "whole",
        &[
            "--output",
            "/dev/null",
            "--write-out",
            "%{time_namelookup} %{time_connect} %{time_pretransfer} %{time_starttransfer} %{time_total}",
        ],
    )?
    .1;
    let stamps: Vec<f64> = times.split_whitespace().filter_map(|time| time.parse().ok()).collect();
    lab.check(
        "steps",
        "5, in order",
        format!("{}, {}", stamps.len(), if stamps.is_sorted() { "in order" } else { "not in order" }),
    );
    lab.event("steps", &[("times", times)]);
    Ok(())
}

fn shown((code, body): (i32, String)) -> String {
    format!("exit {code}, {body}")
}

/// One request, one answer, byte for byte. A connection that is to stay open is given back.
fn answer_by_hand(mut client: Socket) -> io::Result<Option<Socket>> {
    let request = receive(&client, 4096)?;
    let answer = match request.split_whitespace().nth(1).unwrap_or("") {
        "/whole" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "/no-blank-line" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nhello",
        "/no-status-line" => "hello",
        "/no-length" | "/closed" => "HTTP/1.1 200 OK\r\n\r\nhello",
        "/100" => "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "/301" => "HTTP/1.1 301 Moved Permanently\r\nLocation: /whole\r\nContent-Length: 0\r\n\r\n",
        "/500" => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "/200" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    };
    client.write_all(answer.as_bytes())?;
    Ok(request.starts_with("GET /no-length ").then_some(client))
}

/// What a client really sends: a line, headers, a blank line.
fn a_request_of_curl(lab: &mut Lab) -> Outcome {
    let door = listener(1)?;
    let at = port(&door);
    let c = lab.actor('C', |_| {
        let caller = call(at)?;
        caller.send(b"GET /page?q=1 HTTP/1.1\r\nHost: lab\r\nAccept: */*\r\n\r\n")?;
        receive_all(&caller).and_then(|answer| io::stdout().write_all(answer.as_bytes()))
    })?;
    let (mut client, _) = accept(&door)?;
    let request = receive(&client, 4096)?;
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or(("-", "-"));
    let line = head.lines().next().unwrap_or("-");
    lab.check(
        "request",
        "GET /page?q=1 HTTP/1.1, 2 headers, 0 bytes",
        format!("{line}, {} headers, {} bytes", head.lines().count() - 1, body.len()),
    );
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")?;
    drop(client);
    lab.expect("page", "page", || {
        c.output().split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
    });
    lab.event("request", &[]);
    Ok(())
}

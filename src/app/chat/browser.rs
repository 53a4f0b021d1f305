//! The door for browsers: a page, what is written by POST, what is read as server-sent events.
//!
//! | request | what it is for |
//! |---|---|
//! | `GET /` | the page |
//! | `POST /join` `{"name", "token"?}` | come in: a number, and a cookie for all under `/m/NUMBER` |
//! | `GET /m/NUMBER/events` | what is said; `Last-Event-ID` is the line that was seen last |
//! | `POST /m/NUMBER/say` `{"text", "to"?, "ticket"?}` | say it; under a ticket that was used before, nothing is said twice |
//! | `POST /m/NUMBER/leave` | go |
//! | `GET /who` | who is here |
//! | `POST /admin` with `Authorization: Bearer TOKEN` | the text of the body, said by 管理员 |

use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    document,
    events::Seat,
    page,
    reader::Reader,
    room::Room,
    store::{Answer, Door, Member, Pass, Refusal, Speaker, Speech},
    words::Lang,
};
use crate::{
    app::http::{Handler, Request, Response},
    protocol::chat::{ADMIN, Name, Text, Wrong},
};

/// What answers browsers.
#[derive(Debug)]
pub struct Browser {
    room: Rc<Room>,
}

/// The body of `POST /join`.
#[derive(Debug, Deserialize)]
struct Joining {
    name: String,
    token: Option<String>,
}

/// The body of `POST …/say`.
#[derive(Debug, Deserialize)]
struct Saying {
    text: String,
    to: Option<String>,
    ticket: Option<String>,
}

/// The longest ticket.
const LONGEST_TICKET: usize = 64;

/// How many lines before now a page is told that comes new.
const HISTORY: u64 = 50;

impl Browser {
    /// The largest body of a request.
    pub const LONGEST: u64 = 4 * Text::LONGEST as u64;

    /// Answers for this room.
    pub fn new(room: Rc<Room>) -> Self {
        Self { room }
    }

    fn answer(&self, request: &Request<'_>) -> Answer<Response> {
        let path: Vec<&str> = request.path().trim_start_matches('/').split('/').collect();
        match (request.method(), path.as_slice()) {
            ("GET" | "HEAD", ["who"]) => self.who(),
            ("POST", ["join"]) => self.join(request),
            ("POST", ["admin"]) => self.admin(request),
            ("GET", ["m", member]) => self.member(member, request).map(|_| Response::empty(204)),
            ("GET", ["m", member, "events"]) => self.events(&self.member(member, request)?, request),
            ("POST", ["m", member, "say"]) => self.say(&self.member(member, request)?, request),
            ("POST", ["m", member, "leave"]) => self.leave(&self.member(member, request)?),
            ("GET" | "HEAD", [asset]) => Ok(page::asset(asset).unwrap_or_else(nothing_here)),
            ("GET" | "HEAD" | "POST", _) => Ok(nothing_here()),
            (_, _) => {
                let answer = Response::text("this method is not for here\n").status(405);
                Ok(answer.header("Allow", "GET, HEAD, POST"))
            }
        }
    }

    /// Who asks, by number and cookie.
    fn member(&self, number: &str, request: &Request<'_>) -> Answer<Member> {
        let member = number.parse().map_err(|_| Refusal::Stranger)?;
        let secret = cookie(request).ok_or(Refusal::Stranger)?.to_owned();
        self.room.find(&Pass::Secret { member, secret })?.ok_or(Refusal::Stranger)
    }

    fn who(&self) -> Answer<Response> {
        let present: Vec<Value> = self.room.present()?.iter().map(document::member).collect();
        Ok(document(&json!({ "present": present })))
    }

    fn join(&self, request: &Request<'_>) -> Answer<Response> {
        let Joining { name, token } = body(request)?;
        let name = if name.trim() == ADMIN { Name::admin() } else { Name::new(&name)? };
        let secret = Room::secret()?;
        let pass = Pass::Secret { member: 0, secret: secret.clone() };
        let member = self.room.join(name, Door::Browser, Some(pass), token.as_deref())?;
        let cookie = format!("chat={secret}; Path=/m/{}; HttpOnly; SameSite=Strict", member.id);
        Ok(document(&document::member(&member)).status(201).header("Set-Cookie", cookie))
    }

    fn say(&self, member: &Member, request: &Request<'_>) -> Answer<Response> {
        let Saying { text, to, ticket } = body(request)?;
        if ticket.as_ref().is_some_and(|ticket| ticket.len() > LONGEST_TICKET) {
            return Err(Wrong::Document.into());
        }
        let to = to.map(|name| Name::any(&name)).transpose()?;
        let speech = Speech { text: Text::new(&text)?, to, ticket };
        let number = self.room.say(Speaker::Member(member.id), &[speech])?;
        Ok(document(&json!({ "number": number })))
    }

    fn leave(&self, member: &Member) -> Answer<Response> {
        self.room.leave(member.id)?;
        Ok(Response::empty(204))
    }

    fn admin(&self, request: &Request<'_>) -> Answer<Response> {
        let token = request.header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.room.is_token(token.trim())) {
            return Err(Refusal::Token);
        }
        let speech = Speech { text: Text::from_bytes(request.body())?, to: None, ticket: None };
        let number = self.room.say(Speaker::Admin, &[speech])?;
        Ok(document(&json!({ "number": number })))
    }

    fn events(&self, member: &Member, request: &Request<'_>) -> Answer<Response> {
        let connection = self.room.connect(member.id)?;
        let seen = request.header("Last-Event-ID").or_else(|| request.query()?.strip_prefix("after="));
        let seen = seen.and_then(|number| number.parse().ok());
        // The first time nothing since the coming in may be left out; a page that is loaded anew begins where it can.
        let known = if connection == 1 { member.since } else { self.room.last() };
        let seen = seen.unwrap_or_else(|| known.saturating_sub(HISTORY));
        let reader = Reader::from(member.id, seen);
        let mut seat = Seat::new(Rc::clone(&self.room), member.id, connection, reader);
        Ok(Response::events(move |events| seat.tell(events)))
    }
}

impl Handler for Browser {
    fn handle(&self, request: &Request<'_>) -> Response {
        if request.method() == "POST" && comes_from_elsewhere(request) {
            return page::guarded(Response::text("only the room's own page may do that\n").status(403));
        }
        let answer = self.answer(request).unwrap_or_else(|refusal| refused(&refusal, language(request)));
        page::guarded(answer)
    }

    fn dress(&self, response: Response) -> Response {
        page::guarded(response)
    }
}

fn nothing_here() -> Response {
    Response::text("there is nothing here\n").status(404)
}

fn document(value: &Value) -> Response {
    Response::json(value.to_string()).header("Cache-Control", "no-store")
}

fn body<'a, T: Deserialize<'a>>(request: &Request<'a>) -> Answer<T> {
    str::from_utf8(request.body()).map_err(|_| Wrong::Utf8)?;
    serde_json::from_slice(request.body()).map_err(|_| Wrong::Document.into())
}

/// What the cookie holds; others under its path are not ours.
fn cookie<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.header("Cookie")?.split(';').find_map(|pair| pair.trim().strip_prefix("chat="))
}

/// Whether a browser says that a page of somebody else's sends this.
fn comes_from_elsewhere(request: &Request<'_>) -> bool {
    match (request.header("Sec-Fetch-Site"), request.header("Origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != request.host(),
        (None, None) => false,
    }
}

fn language(request: &Request<'_>) -> Lang {
    let chinese = request.header("Accept-Language").is_some_and(|value| value.trim_start().starts_with("zh"));
    if chinese { Lang::Zh } else { Lang::En }
}

fn refused(refusal: &Refusal, lang: Lang) -> Response {
    let status = match refusal {
        Refusal::Wrong(_) => 400,
        Refusal::Stranger | Refusal::NotYou(_) | Refusal::Token => 403,
        Refusal::Nobody(_) => 404,
        Refusal::Taken(_) | Refusal::Already(_) => 409,
        Refusal::TooFast(..) => 429,
        Refusal::Full | Refusal::Trouble(_) => 503,
    };
    let answer = document(&json!({ "why": lang.refusal(refusal) })).status(status);
    match refusal.seconds() {
        Some(seconds) => answer.header("Retry-After", seconds.to_string()),
        None => answer,
    }
}

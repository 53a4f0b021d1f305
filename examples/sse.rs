//! Server-sent events: a page that hears what others say, and a clock, without asking again and again.
//!
//! ```text
//! cargo run --example sse -- 127.0.0.1:8080          # then open http://127.0.0.1:8080 in two windows
//! curl -N http://127.0.0.1:8080/events &
//! curl -d 'hello' http://127.0.0.1:8080/say
//! ```
#![allow(clippy::print_stdout)]

use std::{cell::RefCell, rc::Rc, time::Duration, time::Instant};

use forkd::{
    Event, Outcome, Server,
    http::{self, Next, Request, Response, Router},
};

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>forkd</title><p id=clock></p><ul id=said></ul>\
    <form onsubmit=\"fetch('/say',{method:'POST',body:text.value});text.value='';return false\"><input id=text></form>\
    <script>const events=new EventSource('/events');events.onmessage=e=>{\
    said.append(Object.assign(document.createElement('li'),{textContent:e.data}))};\
    events.addEventListener('clock',e=>{clock.textContent=e.data})</script>";

fn main() -> forkd::Result<Outcome> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let model = words.next().unwrap_or_else(|| "event".into()).parse()?;
    // What is said stands in the memory of the one worker. Many workers need something between them.
    Server::bind(address).model(model).workers(1).on_event(show).serve_handler(|_worker| {
        let said = Rc::new(RefCell::new(Vec::<String>::new()));
        let heard = Rc::clone(&said);
        let say = move |request: &Request<'_>| {
            said.borrow_mut().push(String::from_utf8_lossy(request.body()).into_owned());
            Response::empty(204).announce()
        };
        let listen = move |_: &Request<'_>| events(Rc::clone(&heard));
        Ok(Router::new().get("/", |_| Response::html(PAGE)).get("/events", listen).post("/say", say))
    })
}

fn show(event: &Event) {
    if let Event::Started { urls, .. } = event {
        println!("{}", urls.join(", "));
    }
}

/// Everything that was and will be said, and every second the time.
fn events(said: Rc<RefCell<Vec<String>>>) -> Response {
    let (mut told, begin, mut ticks) = (0, Instant::now(), 0);
    Response::events(move |events| {
        said.borrow()[told..].iter().for_each(|text| events.send(text));
        told = said.borrow().len();
        if begin.elapsed().as_secs() >= ticks {
            events.send(http::Event::new(&format!("{ticks} s")).name("clock"));
            ticks += 1;
        }
        Next::News(Some(Duration::from_secs(ticks).saturating_sub(begin.elapsed())))
    })
}

//! How it looks.
//!
//! ```text
//! web is running: master 4711, 3 workers, event model, generation 2, up 1h 2m
//! http 127.0.0.1:8080   queue 3 of 128 ▏█         ▕
//! requests/s 412                  bytes out/s 1.2 MiB
//! ▁▂▃▅▇█▇▅▃▂▁                     ▁▁▂▂▃▃▅▅▇▇
//! SLOT  GEN      PID  STATE     …
//! ```

mod workers;

use std::collections::VecDeque;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Sparkline},
};

use super::{
    history::LOOKS,
    model::{Model, Prompt, Said, Server},
};
use crate::{
    cli::{
        operate::report::workers_in_words,
        words::{age, count, printable, size},
    },
    ipc::control::status::{Listener, ServerState, StatusDocument},
    process::clock::Time,
};

/// Servers, listeners and exits that are shown at most.
const SERVERS: usize = 6;
const LISTENERS: usize = 4;
const EXITS: usize = 5;
/// The cells of the bar that shows how full a queue is.
const BAR: u32 = 10;
/// The height of a minute's picture, heading included.
const PICTURE: u16 = 4;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    coloured: bool,
}

impl Palette {
    /// With colour or without; what stands out stands out either way.
    pub fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn colour(self, colour: Color) -> Style {
        if self.coloured { Style::new().fg(colour) } else { Style::new() }
    }

    fn good(self) -> Style {
        self.colour(Color::Green)
    }

    fn fair(self) -> Style {
        self.colour(Color::Yellow)
    }

    fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn state(self, state: ServerState) -> Style {
        match state {
            ServerState::Running => self.good(),
            ServerState::Degraded => self.bad(),
            ServerState::Starting | ServerState::Paused | ServerState::Stopping => self.fair(),
        }
    }
}

/// Draws everything; `busy` says that an order is under way.
pub fn draw(frame: &mut Frame<'_>, model: &Model, palette: &Palette, busy: bool, now: Time) {
    let palette = *palette;
    let [body, said, keys] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(1), Constraint::Length(1)])
            .areas(frame.area());
    let listed = if model.servers.len() > 1 { model.servers.len().min(SERVERS) + 2 } else { 0 };
    let [list, server] =
        Layout::vertical([Constraint::Length(cells(listed)), Constraint::Min(0)]).areas(body);
    if listed > 0 {
        frame.render_widget(Paragraph::new(servers(model, palette)), list);
    }
    match model.shown() {
        Some(shown) => draw_server(frame, server, shown, palette),
        None => frame.render_widget(Paragraph::new("no server runs here any more"), server),
    }
    frame.render_widget(Paragraph::new(bottom(model, palette, now)), said);
    let help = "↑↓ worker  ←→ server  + - s scale  r reload  p pause  k end a worker  q quit";
    let help = if busy { format!("{help}   (an order is under way)") } else { help.into() };
    frame.render_widget(Paragraph::new(help).style(palette.quiet()), keys);
}

/// One line per server, around the one that is shown.
fn servers(model: &Model, palette: Palette) -> Vec<Line<'static>> {
    let shown = model.shown_at().unwrap_or(0);
    let first = (shown + 1).saturating_sub(SERVERS);
    let line = |(at, server): (usize, &Server)| {
        let mut text = format!("{:20} ", short(&printable(&server.name), 20));
        text.push_str(&match &server.status {
            Some(status) => format!(
                "{:9} {:>11}  {:>8} requests/s  {} queued",
                status.state.word(),
                workers_in_words(status),
                last(&server.history.requests).map_or("-".into(), |rate| rate.to_string()),
                last(&server.history.queued).unwrap_or(0),
            ),
            None => "no answer yet".into(),
        });
        let style = if at == shown { palette.chosen() } else { Style::new() };
        let silent = server.silence.as_ref().map(|_| Span::styled("  no answer", palette.bad()));
        Line::from_iter([Span::styled(text, style)].into_iter().chain(silent))
    };
    let mut lines: Vec<Line<'static>> =
        model.servers.iter().enumerate().skip(first).take(SERVERS).map(line).collect();
    lines
        .insert(0, Line::styled(format!("{} here", count(model.servers.len(), "server")), palette.heading()));
    lines
}

fn draw_server(frame: &mut Frame<'_>, area: Rect, server: &Server, palette: Palette) {
    let head = head(server, palette);
    let exits = server.status.as_ref().map(|status| exits(status, palette)).unwrap_or_default();
    // What is least missed goes first where there is no room: exits, then the pictures.
    let pictures = if area.height >= 16 && area.width >= 40 { PICTURE } else { 0 };
    let room = area.height.saturating_sub(cells(head.len()) + pictures) / 3;
    let [top, middle, workers, bottom] = Layout::vertical([
        Constraint::Length(cells(head.len())),
        Constraint::Length(pictures),
        Constraint::Min(0),
        Constraint::Length(cells(exits.len()).min(room)),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(head), top);
    if pictures > 0 {
        draw_pictures(frame, middle, server, palette);
    }
    workers::draw(frame, workers, server, palette);
    frame.render_widget(Paragraph::new(exits), bottom);
}

/// Who it is, and its listeners.
fn head(server: &Server, palette: Palette) -> Vec<Line<'static>> {
    let name = printable(&server.name).into_owned();
    let mut lines = Vec::new();
    match &server.status {
        None if server.silence.is_none() => lines.push(Line::raw(format!("{name} is asked …"))),
        None => {}
        Some(status) => {
            let rest = format!(
                ": master {}, {}, {} model, generation {}, up {}",
                status.master.pid,
                workers_in_words(status),
                printable(&status.model),
                status.generation,
                age(status.uptime_s),
            );
            let state = Span::styled(status.state.word(), palette.state(status.state));
            lines.push(Line::from_iter([
                Span::styled(name.clone(), palette.heading()),
                Span::raw(" is "),
                state,
                Span::raw(rest),
            ]));
            lines.extend(status.listeners.iter().take(LISTENERS).map(|listener| queue(listener, palette)));
            let more = status.listeners.len().saturating_sub(LISTENERS);
            lines.extend((more > 0).then(|| Line::raw(format!("and {}", count(more, "listener more")))));
        }
    }
    if let Some(why) = &server.silence {
        let since = if server.status.is_some() { "; what is shown is old" } else { "" };
        lines.push(Line::styled(format!("{name}: {}{since}", printable(why)), palette.bad()));
    }
    lines
}

/// A listener and how full its accept queue is.
fn queue(listener: &Listener, palette: Palette) -> Line<'static> {
    let address = format!("{} {}", listener.protocol, printable(&listener.address));
    let (Some(queued), Some(backlog)) = (listener.queue, listener.backlog) else { return Line::raw(address) };
    let full = (queued.saturating_mul(BAR)).div_ceil(backlog.max(1)).min(BAR);
    let style = if full * 10 >= BAR * 8 {
        palette.bad()
    } else if queued > 0 {
        palette.fair()
    } else {
        palette.good()
    };
    let bar = format!("▏{}{}▕", "█".repeat(full as usize), " ".repeat((BAR - full) as usize));
    Line::from_iter([
        Span::raw(format!("{address}   queue {queued} of {backlog} ")),
        Span::styled(bar, style),
    ])
}

/// What a minute's picture shows, and how its numbers are written.
struct Picture<'h> {
    what: &'static str,
    values: &'h VecDeque<u64>,
    words: fn(u64) -> String,
}

/// The last minute in two pictures, or four where there is room.
fn draw_pictures(frame: &mut Frame<'_>, area: Rect, server: &Server, palette: Palette) {
    let history = &server.history;
    let plain: fn(u64) -> String = |value| value.to_string();
    let picture = |what, values, words| Picture { what, values, words };
    let pictures = [
        picture("requests/s", &history.requests, plain),
        picture("out/s", &history.bytes_out, size),
        picture("connections", &history.active, plain),
        picture("queued", &history.queued, plain),
    ];
    let shown = if area.width >= 120 { 4 } else { 2 };
    let columns = Layout::horizontal(vec![Constraint::Fill(1); shown]).spacing(2).split(area);
    for (Picture { what, values, words }, column) in pictures.into_iter().zip(columns.iter()) {
        let [title, picture, _gap] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
                .areas(*column);
        let now = last(values).map_or("-".into(), words);
        let most = values.iter().max().copied().map_or("-".into(), words);
        let title_line = Line::from_iter([
            Span::raw(format!("{what} ")),
            Span::styled(now, palette.heading()),
            Span::styled(format!("  max {most}"), palette.quiet()),
        ]);
        frame.render_widget(title_line, title);
        // The present is at the right edge; what was not looked at yet is left empty.
        let width = usize::from(picture.width).min(LOOKS);
        let known = values.iter().skip(values.len().saturating_sub(width)).copied().map(Some);
        let bars = vec![None; width.saturating_sub(values.len())].into_iter().chain(known);
        let bars: Vec<Option<u64>> = bars.collect();
        frame.render_widget(Sparkline::default().data(bars).style(palette.colour(Color::Cyan)), picture);
    }
}

/// The last children that ended, the youngest first.
fn exits(status: &StatusDocument, palette: Palette) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = status
        .last_exits
        .iter()
        .rev()
        .take(EXITS)
        .map(|exit| {
            let during =
                exit.during.as_deref().map_or(String::new(), |at| format!(", during {}", printable(at)));
            let text = format!(
                "{:>8} ago  slot {} gen {} pid {}: {}{during}",
                age(exit.age_s),
                exit.slot,
                exit.generation,
                exit.pid,
                printable(&exit.reason),
            );
            Line::raw(text)
        })
        .collect();
    if !lines.is_empty() {
        lines.insert(0, Line::styled("LAST EXITS", palette.heading()));
    }
    lines
}

/// The question that waits for a key, or what came of the last order.
fn bottom(model: &Model, palette: Palette, now: Time) -> Line<'static> {
    let name = model.shown().map(|server| printable(&server.name).into_owned()).unwrap_or_default();
    let question = match &model.prompt {
        None => {
            return match model.message(now) {
                None => Line::default(),
                Some(Said::Well(text)) => Line::styled(printable(text).into_owned(), palette.good()),
                Some(Said::Badly(text)) => Line::styled(printable(text).into_owned(), palette.bad()),
            };
        }
        Some(Prompt::Scale(typed)) => {
            format!("{name}: how many workers? {typed}_   (Enter; any arrow leaves it)")
        }
        Some(Prompt::Reload) => {
            format!("{name}: replace all workers by new ones? y, any other key leaves it")
        }
        Some(Prompt::End { slot, pid }) => format!(
            "{name}: end worker {slot} (pid {pid})? d drains it (TERM), k kills it (KILL), any other key leaves it"
        ),
    };
    Line::styled(question, palette.fair().add_modifier(Modifier::BOLD))
}

fn last(values: &VecDeque<u64>) -> Option<u64> {
    values.back().copied()
}

/// The beginning of a text that is too long.
fn short(text: &str, letters: usize) -> String {
    let mut cut: String = text.chars().take(letters).collect();
    if cut.len() < text.len() {
        cut.pop();
        cut.push('…');
    }
    cut
}

fn cells(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;

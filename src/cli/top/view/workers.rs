//! The workers: as many columns as there is room for.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Rect},
    style::Style,
    text::{Line, Text},
    widgets::{Cell, Row, Table, TableState},
};

use super::{Palette, Server};
use crate::{
    cli::{
        top::history::Rate,
        words::{age, printable, size},
    },
    ipc::{control::status::Worker, reading::State},
};

/// A column: its heading, its width, which edge its cells stand at, how wide the screen must be for it, what stands in
/// it.
struct Column {
    head: &'static str,
    width: Constraint,
    edge: Alignment,
    from: u16,
    cell: fn(&Worker, Option<Rate>) -> String,
}

const COLUMNS: &[Column] = &[
    number("SLOT", 4, 0, |worker, _| worker.slot.to_string()),
    number("GEN", 4, 30, |worker, _| worker.generation.to_string()),
    number("PID", 8, 0, |worker, _| worker.pid.to_string()),
    Column {
        head: "STATE",
        width: Constraint::Length(8),
        edge: Alignment::Left,
        from: 0,
        cell: |worker, _| worker.state.word().into(),
    },
    number("AGE", 7, 50, |worker, _| age(worker.age_s)),
    number("ACTIVE", 6, 60, |worker, _| worker.active.to_string()),
    number("ACCEPTED", 9, 120, |worker, _| worker.accepted.to_string()),
    number("REQUESTS", 10, 130, |worker, _| worker.requests.to_string()),
    number("REQ/S", 8, 45, |_, rate| rate.map_or("-".into(), |rate| format!("{:.0}", rate.requests))),
    number("OUT/S", 10, 80, |_, rate| rate.map_or("-".into(), |rate| size(rate.bytes_out.round() as u64))),
    number("CPU", 5, 70, |_, rate| rate.map_or("-".into(), |rate| format!("{:.0}%", rate.cpu * 100.0))),
    number("RSS", 10, 95, |worker, _| worker.rss_bytes.map_or("-".into(), size)),
    number("PSS", 10, 140, |worker, _| worker.pss_bytes.map_or("-".into(), size)),
    Column {
        head: "NOW",
        width: Constraint::Fill(1),
        edge: Alignment::Left,
        from: 75,
        cell: |worker, _| now(worker),
    },
];

const fn number(
    head: &'static str,
    width: u16,
    from: u16,
    cell: fn(&Worker, Option<Rate>) -> String,
) -> Column {
    Column { head, width: Constraint::Length(width), edge: Alignment::Right, from, cell }
}

/// Draws the table; it scrolls with the worker that is chosen.
pub fn draw(frame: &mut Frame<'_>, area: Rect, server: &Server, palette: Palette) {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let generation = server.status.as_ref().map_or(0, |status| status.generation);
    let rows = server.workers().into_iter().map(|worker| {
        let rate = server.history.rate(worker.pid);
        let cells = columns.iter().map(|column| cell((column.cell)(worker, rate), column.edge));
        Row::new(cells).style(style(worker, generation, palette))
    });
    let heads = columns.iter().map(|column| cell(column.head.into(), column.edge));
    let table = Table::new(rows, columns.iter().map(|column| column.width))
        .header(Row::new(heads).style(palette.heading()))
        .row_highlight_style(palette.chosen())
        .column_spacing(2);
    let mut state = TableState::default().with_selected(server.chosen());
    frame.render_stateful_widget(table, area, &mut state);
}

fn cell(text: String, edge: Alignment) -> Cell<'static> {
    Cell::new(Text::from(Line::from(text).alignment(edge)))
}

/// Those of an older generation are on their way out.
fn style(worker: &Worker, generation: u32, palette: Palette) -> Style {
    if worker.generation < generation {
        return palette.quiet();
    }
    match worker.state {
        State::Booting | State::Draining => palette.fair(),
        State::Busy => palette.good(),
        State::Idle => Style::new(),
    }
}

/// The request that it serves, and for how long.
fn now(worker: &Worker) -> String {
    let Some(current) = &worker.current else { return String::new() };
    let since = worker.current_s.map_or(String::new(), |seconds| format!("  for {}", age(seconds)));
    format!("{}{since}", printable(current))
}

//! Screens of many sizes, read back as text.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::cli::top::{keys::Key, sample};

/// A server in the middle of a reload, looked at twice within a second.
fn model() -> Model {
    let mut model = Model::default();
    model.set_names(&["web".into()]);
    let mut status = sample::status();
    model.answered("web", status.clone(), Time::ZERO);
    status.workers[2].requests += 250;
    model.answered("web", status, Time::ZERO + Duration::from_secs(1));
    model
}

/// The screen as lines of text.
fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let palette = Palette::new(true);
    terminal.draw(|frame| draw(frame, model, &palette, false, Time::ZERO)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned()).collect()
}

fn find<'a>(lines: &'a [String], part: &str) -> &'a str {
    lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part:?} in {lines:#?}"))
}

#[test]
fn a_server_is_shown_with_its_queue_and_its_generations_side_by_side() {
    let lines = screen(&model(), 110, 26);
    assert_eq!(lines[0], "web is running: master 100, 3 workers, event model, generation 2, up 1h 2m");
    assert_eq!(lines[1], "http 127.0.0.1:8080   queue 90 of 100 ▏█████████ ▕");
    assert!(find(&lines, "requests/s").contains("250"));
    let first = lines.iter().position(|line| line.contains("draining")).unwrap();
    assert!(lines[first - 1].trim_start().starts_with("SLOT"));
    assert!(lines[first].contains("101") && lines[first + 1].contains("201"));
    let busy = find(&lines, "102  busy");
    assert!(busy.contains("250") && busy.ends_with("GET /a  for 250 ms"), "{busy}");
    assert!(find(&lines, "slot 2 gen 1 pid 99").ends_with("killed by signal 9 (KILL), during GET /slow"));
}

#[test]
fn several_servers_are_listed_above_the_one_that_is_shown() {
    let mut model = model();
    model.set_names(&["blog".into(), "web".into()]);
    model.silent("blog", "its master does not answer".into());
    let lines = screen(&model, 110, 30);
    assert_eq!(lines[0], "2 servers here");
    assert_eq!(lines[1], "blog                 no answer yet  no answer");
    assert!(lines[2].starts_with("web                  running"));
    assert_eq!(lines[4], "blog: its master does not answer");
}

#[test]
fn what_is_old_is_said_to_be() {
    let mut model = model();
    model.silent("web", "its master does not answer".into());
    let lines = screen(&model, 110, 26);
    assert_eq!(lines[2], "web: its master does not answer; what is shown is old");
}

#[test]
fn questions_and_answers_stand_above_the_keys() {
    let mut model = model();
    model.key(Key::Letter('k'));
    let lines = screen(&model, 120, 26);
    assert!(lines[24].starts_with("web: end worker 1 (pid 101)? d drains it (TERM), k kills it (KILL)"));
    model.key(Key::Escape);
    model.say(Said::Badly("web: reload failed:\n\u{1b}[2J".into()), Time::ZERO);
    let lines = screen(&model, 120, 26);
    assert_eq!(lines[24], "web: reload failed:\\n\\u{1b}[2J");
}

#[test]
fn every_size_of_a_terminal_can_be_drawn_on() {
    let mut model = model();
    for servers in [1, 9] {
        let names: Vec<String> =
            (0..servers).map(|number| format!("web{number}")).chain(["web".into()]).collect();
        model.set_names(&names);
        model.key(Key::After);
        for (width, height) in [(1, 1), (10, 3), (20, 5), (40, 12), (80, 24), (81, 17), (300, 80)] {
            screen(&model, width, height);
        }
    }
}

#[test]
fn in_a_narrow_terminal_the_workers_stay() {
    let lines = screen(&model(), 40, 12);
    assert!(find(&lines, "101").contains("draining"));
    assert!(lines[11].starts_with("↑↓ worker"));
}

#[test]
fn a_long_name_is_cut() {
    assert_eq!(short("short", 20), "short");
    assert_eq!(short(&"群".repeat(30), 4), "群群群…");
}

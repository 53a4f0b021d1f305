//! Keys and answers, told to the model.

use super::*;
use crate::cli::top::sample;

fn model() -> Model {
    let mut model = Model::default();
    model.set_names(&["blog".into(), "web".into()]);
    model.answered("web", sample::status(), Time::ZERO);
    assert_eq!(model.key(Key::After), None);
    model
}

fn press(model: &mut Model, keys: &str) -> Option<Order> {
    keys.chars().fold(None, |_, letter| model.key(Key::Letter(letter)))
}

fn asked(request: Request) -> Option<Order> {
    Some(Order::Ask { server: "web".into(), request })
}

#[test]
fn keys_ask_the_server_that_is_shown() {
    let mut model = model();
    assert_eq!(press(&mut model, "+"), asked(Request::Scale(Scale::Up(1))));
    assert_eq!(press(&mut model, "-"), asked(Request::Scale(Scale::Down(1))));
    assert_eq!(press(&mut model, "ry"), asked(Request::Reload { timeout: None }));
    assert_eq!(press(&mut model, "p"), asked(Request::Pause));
    model.servers[1].status.as_mut().unwrap().state = ServerState::Paused;
    assert_eq!(press(&mut model, "p"), asked(Request::Resume));
}

#[test]
fn a_number_is_typed_and_corrected() {
    let mut model = model();
    assert_eq!(press(&mut model, "s1x28"), None);
    assert_eq!(model.prompt, Some(Prompt::Scale("128".into())));
    assert_eq!(model.key(Key::Backspace), None);
    assert_eq!(model.key(Key::Enter), asked(Request::Scale(Scale::To(12))));
    assert_eq!(model.prompt, None);
    press(&mut model, "s");
    assert_eq!((model.key(Key::Enter), model.prompt.clone()), (None, None));
}

#[test]
fn a_worker_is_ended_after_a_question_alone() {
    let mut model = model();
    model.key(Key::Down);
    model.key(Key::Down);
    // The list is at its end, and the one below stays chosen.
    model.key(Key::Down);
    assert_eq!(press(&mut model, "k"), None);
    assert_eq!(model.prompt, Some(Prompt::End { slot: 2, pid: 102 }));
    let signal = |signal| Some(Order::Signal { master: 100, pid: 102, signal });
    assert_eq!(press(&mut model, "k"), signal(libc::SIGKILL));
    assert_eq!(press(&mut model, "kd"), signal(libc::SIGTERM));
    // Every other key takes the question back, and does not mean what it means elsewhere.
    for key in [Key::Letter('y'), Key::Letter('q'), Key::Enter, Key::Escape, Key::Up] {
        press(&mut model, "k");
        assert_eq!((model.key(key), model.prompt.clone()), (None, None));
    }
}

#[test]
fn workers_stand_by_slot_and_generation_and_the_chosen_one_stays_chosen() {
    let mut model = model();
    let pids = |model: &Model| model.shown().unwrap().workers().iter().map(|w| w.pid).collect::<Vec<_>>();
    assert_eq!(pids(&model), [101, 201, 102]);
    model.key(Key::Down);
    let mut status = sample::status();
    status.workers.remove(0);
    model.answered("web", status, Time::from_millis(1000));
    assert_eq!(pids(&model), [201, 102]);
    let server = model.shown().unwrap();
    assert_eq!(server.chosen(), Some(0));
    assert_eq!(server.worker, Some(201));
}

#[test]
fn one_goes_round_the_servers_and_one_that_left_is_not_shown() {
    let mut model = model();
    assert_eq!(model.shown().unwrap().name, "web");
    model.key(Key::After);
    assert_eq!(model.shown().unwrap().name, "blog");
    model.key(Key::Before);
    model.set_names(&["blog".into()]);
    assert_eq!(model.shown().unwrap().name, "blog");
    model.set_names(&[]);
    for letter in "+-sprk".chars() {
        assert_eq!(model.key(Key::Letter(letter)), None);
        assert_eq!(model.prompt, None, "{letter}");
    }
    assert_eq!(model.key(Key::Interrupt), Some(Order::Quit));
}

#[test]
fn what_an_order_came_to_is_news_for_a_while() {
    let mut model = model();
    let said = Said::Badly("no".into());
    model.say(said.clone(), Time::ZERO);
    assert_eq!(model.message(Time::from_millis(14_000)), Some(&said));
    assert_eq!(model.message(Time::from_millis(16_000)), None);
}

#[test]
fn a_server_that_falls_silent_keeps_what_it_said() {
    let mut model = model();
    model.silent("web", "stopped".into());
    let web = model.shown().unwrap();
    assert!(web.status.is_some() && web.silence.is_some());
    model.answered("web", sample::status(), Time::from_millis(10));
    assert!(model.shown().unwrap().silence.is_none());
}

//! Looking at families of processes: `forkd tree`.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    process::Stdio,
};

use serde_json::Value;

use crate::support::*;

fn text(args: &[&str]) -> String {
    forkd(args).done().out
}

fn json(args: &[&str]) -> Value {
    forkd(args).json()
}

/// The node with this pid anywhere in a document.
fn find(nodes: &Value, pid: i32) -> Option<&Value> {
    let nodes = nodes.as_array()?;
    nodes.iter().find_map(|node| if node["pid"] == pid { Some(node) } else { find(&node["children"], pid) })
}

fn state(pid: i32) -> Option<char> {
    Process::read(pid).map(|process| process.state)
}

fn parent(pid: i32) -> Option<i32> {
    Process::read(pid).map(|process| process.ppid)
}

#[test]
fn a_zombie_is_shown_with_its_status_and_whose_duty_it_is() {
    let (family, zombie) = family_with_zombie();
    let tree = text(&["tree", &family.pid().to_string()]);
    let row = tree.lines().find(|row| row.trim_start().starts_with(&zombie.to_string())).expect("its row");
    assert!(row.contains("Z zombie, exited with code 7"), "{tree}");
    assert!(row.contains(&format!("its parent {} (sleep) must wait for it", family.pid())), "{tree}");
    assert!(!tree.contains('\x1b'), "no colour into a pipe: {tree}");

    let document = json(&["tree", &family.pid().to_string(), "--json"]);
    assert_eq!(document[0]["pid"], family.pid());
    let node = find(&document, zombie).expect("the zombie is there");
    assert_eq!((&node["state"], &node["state_name"]), (&"Z".into(), &"zombie".into()));
    assert_eq!((&node["zombie"], &node["rss_bytes"]), (&true.into(), &0.into()));
    assert_eq!((&node["exit_status"], &node["ppid"]), (&"exit:7".into(), &family.pid().into()));
    assert!(node["children"].as_array().is_some_and(Vec::is_empty));
    assert!(node["dead_s"].as_f64().is_none_or(|dead| dead <= node["age_s"].as_f64().unwrap_or(0.0)));
}

#[test]
fn zombies_alone_are_an_exit_code_of_their_own() {
    let (family, zombie) = family_with_zombie();
    let pid = family.pid().to_string();
    let output = forkd(&["tree", &pid, "--zombies"]);
    assert_eq!(output.code, 4);
    assert!(output.out.contains("2 processes, 1 zombie\n"), "{output:?}");
    let all = json(&["tree", "--zombies", "--json"]);
    assert!(all.as_array().is_some_and(|nodes| nodes.iter().all(|node| node["zombie"] == true)), "{all}");
    assert!(find(&all, zombie).is_some());

    let healthy = Family::of("exec sleep 300 >/dev/null");
    let output = forkd(&["tree", &healthy.pid().to_string(), "--zombies"]);
    assert_eq!((output.code, &*output.out), (0, "0 processes, 0 zombies\n"));
}

#[test]
fn an_orphan_is_told_with_its_adopter() {
    let mut family = Family::of("sh -c 'echo $$; exec sleep 300 >/dev/null' & wait $! & exit");
    let orphan = family.printed_pid();
    family.strays.push(orphan);
    family.shell.wait().expect("the shell ends");
    eventually("it was adopted", || (parent(orphan)? != family.pid()).then_some(()));
    let adopter = parent(orphan).expect("it lives");
    let document = json(&["tree", &orphan.to_string(), "--json"]);
    assert_eq!((&document[0]["orphan"], &document[0]["ppid"]), (&true.into(), &adopter.into()), "{document}");
    let tree = text(&["tree", &orphan.to_string(), "--parents"]);
    assert!(tree.contains(&format!("orphan, probably: adopted by {adopter} (")), "{tree}");
    let why = json(&["why", &orphan.to_string(), "--json"]);
    assert_eq!((&why["lesson"], &why["parent"]["pid"]), (&"orphanage".into(), &adopter.into()), "{why}");
    assert_eq!(why["orphan"], true);
}

#[test]
fn a_child_in_its_family_is_no_orphan() {
    let mut family = Family::of("sleep 300 >/dev/null & echo $!; wait");
    let child = family.printed_pid();
    let document = json(&["tree", &family.pid().to_string(), "--json"]);
    for pid in [family.pid(), child] {
        let node = find(&document, pid).expect("it is there");
        assert_eq!(
            (&node["orphan"], &node["adopted"], &node["zombie"]),
            (&false.into(), &false.into(), &false.into())
        );
    }
}

#[test]
fn what_a_process_waits_in_is_said_in_words() {
    let mut family = Family::of("echo ready; read line");
    assert_eq!(family.line(), "ready");
    let pid = family.pid().to_string();
    eventually("it reads", || (state(family.pid()) == Some('S')).then_some(()));
    let row = eventually("it waits in read", || {
        let tree = text(&["tree", &pid]);
        tree.contains("S sleeping, waits in read of a pipe").then_some(tree)
    });
    assert!(row.contains("sh"), "{row}");
    let document = json(&["tree", &pid, "--json"]);
    assert_eq!(document[0]["waits"], "waits in read of a pipe");
    assert!(document[0]["wchan"].as_str().is_some_and(|wchan| wchan.contains("pipe")), "{document}");

    send(family.pid(), Signal::SIGSTOP);
    eventually("it is stopped", || (state(family.pid()) == Some('T')).then_some(()));
    assert!(text(&["tree", &pid]).contains("T stopped"));
    let why = text(&["why", &pid]);
    assert!(why.contains(&format!("kill -CONT {pid}")), "{why}");
}

#[test]
fn children_that_are_alike_are_one_row_and_each_has_its_node() {
    let mut family = Family::of(
        "for i in 1 2 3 4; do sleep 300 >/dev/null & done; sleep 301 >/dev/null & echo ready; wait",
    );
    assert_eq!(family.line(), "ready");
    let pid = family.pid().to_string();
    let tree = eventually("all are sleep and asleep", || {
        let tree = text(&["tree", &pid]);
        tree.contains("4 × sleep").then_some(tree)
    });
    assert_eq!(tree.lines().filter(|row| row.ends_with("  sleep 301")).count(), 1, "{tree}");
    assert!(text(&["tree", &pid, "--ascii"]).is_ascii());
    assert!(!text(&["tree", &pid, "--all"]).contains('×'));
    let document = json(&["tree", &pid, "--json"]);
    assert_eq!(document[0]["children"].as_array().map(Vec::len), Some(5), "{document}");
}

#[test]
fn no_name_forges_a_row_or_moves_the_cursor() {
    let names = [r") R 0 1 2", r"two\nlines", r"\033[2Jgone", "工作 (进程)", r"\\x", "x) Z 1 1"];
    for name in names {
        let mut family = Family::of(&format!("printf '{name}' > /proc/$$/comm; echo ready; read line"));
        assert_eq!(family.line(), "ready");
        let pid = family.pid().to_string();
        let (tree, document) = (text(&["tree", &pid]), json(&["tree", &pid, "--json"]));
        assert_eq!(
            document[0]["comm"].as_str(),
            Process::read(family.pid()).map(|process| process.comm).as_deref()
        );
        assert_eq!(
            (&document[0]["ppid"], &document[0]["zombie"]),
            (&std::process::id().into(), &false.into())
        );
        // A heading, one row, an empty line, the sum.
        assert_eq!(tree.lines().count(), 4, "{tree}");
        assert!(!tree.chars().any(|c| c.is_control() && c != '\n'), "{tree:?}");
        assert!(!text(&["why", &pid]).contains('\x1b'));
    }
}

#[test]
fn the_line_of_parents_leads_to_the_one_that_was_asked_for() {
    let mut family = Family::of("sleep 300 >/dev/null & echo $!; wait");
    let child = family.printed_pid();
    let document = json(&["tree", &child.to_string(), "--parents", "--json"]);
    let mut node = &document[0];
    let mut line = vec![node["pid"].as_i64().expect("a pid")];
    while let Some(next) = node["children"].as_array().and_then(|children| children.first()) {
        assert_eq!(node["children"].as_array().map(Vec::len), Some(1), "no neighbours: {document}");
        node = next;
        line.push(node["pid"].as_i64().expect("a pid"));
    }
    let own = i64::from(std::process::id());
    assert_eq!(line[line.len() - 3..], [own, family.pid().into(), child.into()], "{line:?}");
}

#[test]
fn a_port_and_a_name_are_found_too() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let document = json(&["tree", &format!(":{port}"), "--json"]);
    assert_eq!(document[0]["pid"], std::process::id(), "{document}");

    let name = format!("insp{}", std::process::id());
    let mut family = Family::of(&format!("printf '{name}' > /proc/$$/comm; echo ready; read line"));
    assert_eq!(family.line(), "ready");
    assert_eq!(json(&["tree", &name, "--json"])[0]["pid"], family.pid());
}

#[test]
fn a_family_that_changes_all_the_time_can_be_looked_at() {
    let family = Family::of("while :; do sh -c : & sh -c : & wait; done >/dev/null");
    for _ in 0..30 {
        let all = json(&["tree", "--json"]);
        assert!(find(&all, family.pid()).is_some() && find(&all, std::process::id().cast_signed()).is_some());
    }
}

#[test]
fn the_dead_stay_visible_for_one_who_watches() {
    let mut family = Family::of("sleep 300 >/dev/null & echo $!; sleep 301 >/dev/null & wait $!; wait");
    let child = family.printed_pid();
    let mut watch = forkd_command()
        .args(["tree", &family.pid().to_string(), "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut pages = BufReader::new(watch.stdout.take().expect("a pipe"));
    let mut until = |what: &str| {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert_ne!(
                pages.read_line(&mut line).expect("its output"),
                0,
                "it ended before {what:?} was seen"
            );
        }
        line
    };
    until("sleep 301");
    send(child, Signal::SIGKILL);
    let row = until("gone");
    assert!(row.contains(&child.to_string()), "{row}");
    // What was asked for ends: so does the watch.
    drop(family);
    let mut rest = String::new();
    pages.read_to_string(&mut rest).expect("the rest");
    let status = watch.wait().expect("it ends");
    assert_eq!((status.code(), status.signal()), (Some(0), None), "{rest}");
}

#[test]
fn a_watch_ends_when_nobody_reads_it() {
    let family = Family::of("exec sleep 300 >/dev/null");
    let mut watch = forkd_command()
        .args(["tree", &family.pid().to_string(), "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut pages = BufReader::new(watch.stdout.take().expect("a pipe"));
    pages.read_line(&mut String::new()).expect("its output");
    drop(pages);
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
}

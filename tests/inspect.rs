//! Looking at processes: real zombies, orphans, stopped ones and ones with hostile names, made by small shell scripts.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A script of sh(1) with its children, all gone when it is dropped.
struct Family {
    shell: Child,
    out: BufReader<std::process::ChildStdout>,
    /// Those who are no children of the shell any more.
    strays: Vec<i32>,
}

impl Family {
    /// Starts the script. Whatever it starts must not hold its standard output, see [`Family::line`].
    fn of(script: &str) -> Self {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().expect("sh and setsid are there");
        let out = BufReader::new(shell.stdout.take().expect("a pipe was asked for"));
        Self { shell, out, strays: Vec::new() }
    }

    fn pid(&self) -> i32 {
        self.shell.id().cast_signed()
    }

    /// The next line that the script prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("its output can be read");
        line.trim_end().to_owned()
    }

    /// The next line as a pid.
    fn printed_pid(&mut self) -> i32 {
        self.line().parse().expect("a pid")
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // The shell leads its session and group, and is not reaped before the signal is sent.
        let _ = nix::sys::signal::killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.shell.kill();
        for stray in &self.strays {
            let _ = kill(Pid::from_raw(*stray), Signal::SIGKILL);
        }
        let _ = self.shell.wait();
    }
}

/// A process that was a shell, made a child, and is sleep now; the child exited with code 7, and sleep never waits.
fn family_with_zombie() -> (Family, i32) {
    // The child ends after its parent became sleep: before, the shell might still wait for it.
    let mut family = Family::of(
        "sh -c 'until read comm < /proc/$PPID/comm && [ \"$comm\" = sleep ]; do :; done; exit 7' >/dev/null & \
         echo $!; exec sleep 300 >/dev/null",
    );
    let zombie = family.printed_pid();
    eventually("it is a zombie", || (state_of(zombie) == Some('Z')).then_some(()));
    (family, zombie)
}

fn forkd(args: &[&str]) -> Output {
    command(args).output().expect("forkd runs")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkd"));
    command
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", "C.UTF-8");
    command
}

#[track_caller]
fn text(args: &[&str]) -> String {
    let output = forkd(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn json(args: &[&str]) -> Value {
    let output = forkd(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error} in {output:?}"))
}

/// The node with this pid anywhere in a document.
fn find(nodes: &Value, pid: i32) -> Option<&Value> {
    let nodes = nodes.as_array()?;
    nodes.iter().find_map(|node| if node["pid"] == pid { Some(node) } else { find(&node["children"], pid) })
}

fn stat_of(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn state_of(pid: i32) -> Option<char> {
    stat_of(pid)?.rsplit_once(')')?.1.trim_start().chars().next()
}

fn comm_of(pid: i32) -> Option<String> {
    Some(stat_of(pid)?.split_once('(')?.1.rsplit_once(')')?.0.to_owned())
}

fn parent_of(pid: i32) -> Option<i32> {
    stat_of(pid)?.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Looks again and again until it is so; what /proc shows has no event of its own.
#[track_caller]
fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "still not so: {what}");
        thread::sleep(Duration::from_millis(5));
    }
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
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 processes, 1 zombie\n"), "{output:?}");
    let all = json(&["tree", "--zombies", "--json"]);
    assert!(all.as_array().is_some_and(|nodes| nodes.iter().all(|node| node["zombie"] == true)), "{all}");
    assert!(find(&all, zombie).is_some());

    let healthy = Family::of("exec sleep 300 >/dev/null");
    let output = forkd(&["tree", &healthy.pid().to_string(), "--zombies"]);
    assert_eq!(
        (output.status.code(), &*String::from_utf8_lossy(&output.stdout)),
        (Some(0), "0 processes, 0 zombies\n")
    );
}

#[test]
fn an_orphan_is_told_with_its_adopter() {
    let mut family = Family::of("sh -c 'echo $$; exec sleep 300 >/dev/null' & wait $! & exit");
    let orphan = family.printed_pid();
    family.strays.push(orphan);
    family.shell.wait().expect("the shell ends");
    eventually("it was adopted", || (parent_of(orphan)? != family.pid()).then_some(()));
    let adopter = parent_of(orphan).expect("it lives");
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
    eventually("it reads", || (state_of(family.pid()) == Some('S')).then_some(()));
    let row = eventually("it waits in read", || {
        let tree = text(&["tree", &pid]);
        tree.contains("S sleeping, waits in read of a pipe").then_some(tree)
    });
    assert!(row.contains("sh"), "{row}");
    let document = json(&["tree", &pid, "--json"]);
    assert_eq!(document[0]["waits"], "waits in read of a pipe");
    assert!(document[0]["wchan"].as_str().is_some_and(|wchan| wchan.contains("pipe")), "{document}");

    kill(Pid::from_raw(family.pid()), Signal::SIGSTOP).expect("it is ours");
    eventually("it is stopped", || (state_of(family.pid()) == Some('T')).then_some(()));
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
        assert_eq!(document[0]["comm"].as_str(), comm_of(family.pid()).as_deref());
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
fn what_is_not_there_is_said_in_one_line() {
    let mut gone = Family::of("exit 0");
    gone.shell.wait().expect("it ends");
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let pid = gone.pid().to_string();
    let nobody = format!(":{free}");
    for (args, code) in [
        (vec!["tree", &pid], 3),
        (vec!["why", &pid], 3),
        (vec!["tree", "no-such-name"], 3),
        (vec!["tree", &nobody], 3),
        (vec!["tree", ":http"], 2),
        (vec!["decode", "seven"], 2),
        (vec!["why", "0"], 2),
    ] {
        let output = forkd(&args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?} {error}");
        assert!(output.stdout.is_empty() && error.starts_with("forkd: cannot "), "{args:?} {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn why_explains_a_zombie_in_two_languages() {
    let (family, zombie) = family_with_zombie();
    let pid = zombie.to_string();
    let english = text(&["why", &pid]);
    let joined = english.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["zombie (Z)", "exited with code 7", "(sleep), must call wait(2)", "lab explain zombie", "probably"]
    {
        assert!(joined.contains(part), "{part}: {english}");
    }
    assert!(joined.contains("The parent neither catches nor ignores SIGCHLD"), "{english}");
    let chinese = text(&["why", &pid, "--lang", "zh"]);
    let joined: String = chinese.split_whitespace().collect();
    for part in ["僵尸进程（zombie）", "退出码7", "必须对它调用wait(2)", "没有用，KILL也没有用"]
    {
        assert!(joined.contains(part), "{part}: {chinese}");
    }
    let by_locale = command(&["why", &pid]).env("LC_ALL", "zh_CN.UTF-8").output().expect("it runs");
    assert!(String::from_utf8_lossy(&by_locale.stdout).contains("僵尸进程"), "{by_locale:?}");

    let document = json(&["why", &pid, "--json"]);
    assert_eq!((&document["zombie"], &document["lesson"]), (&true.into(), &"zombie".into()));
    assert_eq!(document["who_must_act"]["pid"], family.pid());
    let topics: Vec<_> = document["passages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|passage| passage["topic"].clone())
        .collect();
    assert_eq!(topics, ["state", "history", "duty", "adopter", "kill", "lesson"]);
    assert!(json(&["why", &family.pid().to_string(), "--json"])["lesson"] == "reap-wait");
}

#[test]
fn every_process_of_the_machine_can_be_explained() {
    let mut explained = 0;
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.bytes().all(|byte| byte.is_ascii_digit()) && explained < 150 {
            let output = forkd(&["why", &name, "--lang", "zh"]);
            let page = String::from_utf8(output.stdout).expect("UTF-8");
            // It may have ended meanwhile.
            assert!(matches!(output.status.code(), Some(0 | 3)), "{name}: {page}");
            assert!(
                !page.contains('{') || page.lines().next().is_some_and(|title| title.contains('{')),
                "{page}"
            );
            explained += 1;
        }
    }
    assert!(explained > 2);
}

#[test]
fn a_status_is_decoded() {
    for (status, words) in [
        ("768", "exited with code 3\n"),
        ("0x300", "exited with code 3\n"),
        ("0", "exited with code 0\n"),
        (
            "139",
            "was killed by signal 11 (SEGV), core dumped\nas a shell's $?: was killed by signal 11 (SEGV)\n",
        ),
        ("-9", "as Python's returncode: was killed by signal 9 (KILL)\n"),
    ] {
        assert_eq!(text(&["decode", status]), words);
    }
    assert_eq!(json(&["decode", "9", "--json"])["short"], "signal:KILL");
}

#[test]
fn the_doctor_says_what_each_finding_means() {
    let findings = json(&["doctor", "--json"]);
    let ids: Vec<_> =
        findings.as_array().into_iter().flatten().filter_map(|finding| finding["id"].as_str()).collect();
    for id in [
        "descriptors",
        "sigchld",
        "somaxconn",
        "overcommit",
        "ptrace",
        "hidepid",
        "namespaces",
        "cgroup",
        "io_uring",
        "landlock",
    ] {
        assert!(ids.contains(&id), "{id}: {findings}");
    }
    for finding in findings.as_array().into_iter().flatten() {
        assert!(finding["means"].as_str().is_some_and(|means| !means.is_empty()), "{finding}");
        assert!(finding["verdict"] == "good" || finding["remedy"].is_string(), "{finding}");
    }
    let ignored = Command::new("env")
        .args(["--ignore-signal=CHLD", env!("CARGO_BIN_EXE_forkd"), "doctor", "--json"])
        .output()
        .expect("env is there");
    let ignored: Value = serde_json::from_slice(&ignored.stdout).expect("a document");
    let sigchld = ignored.as_array().into_iter().flatten().find(|finding| finding["id"] == "sigchld");
    assert_eq!(sigchld.map(|finding| &finding["verdict"]), Some(&"bad".into()), "{ignored}");
    assert!(text(&["doctor"]).contains("as they should be"));
}

#[test]
fn a_family_that_changes_all_the_time_can_be_looked_at() {
    let family = Family::of("while :; do sh -c : & sh -c : & wait; done >/dev/null");
    for _ in 0..30 {
        let output = forkd(&["tree", "--json"]);
        assert!(output.status.success(), "{output:?}");
        let all: Value = serde_json::from_slice(&output.stdout).expect("a document");
        assert!(find(&all, family.pid()).is_some() && find(&all, std::process::id().cast_signed()).is_some());
    }
}

#[test]
fn the_dead_stay_visible_for_one_who_watches() {
    let mut family = Family::of("sleep 300 >/dev/null & echo $!; sleep 301 >/dev/null & wait $!; wait");
    let child = family.printed_pid();
    let mut watch = command(&["tree", &family.pid().to_string(), "--watch"])
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
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("it is ours");
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
    let mut watch = command(&["tree", &family.pid().to_string(), "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut pages = BufReader::new(watch.stdout.take().expect("a pipe"));
    pages.read_line(&mut String::new()).expect("its output");
    drop(pages);
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
}

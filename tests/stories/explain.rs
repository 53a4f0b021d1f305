//! What is said of processes in words: `forkd why`, `decode` and `doctor`.

use std::{net::TcpListener, process::Command};

use serde_json::Value;

use crate::support::*;

fn text(args: &[&str]) -> String {
    forkd(args).done().out
}

fn json(args: &[&str]) -> Value {
    forkd(args).json()
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
        let error = &output.err;
        assert_eq!(output.code, code, "{args:?} {error}");
        assert!(output.out.is_empty() && error.starts_with("forkd: cannot "), "{args:?} {error}");
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
    let by_locale = run(forkd_command().args(["why", &pid]).env("LC_ALL", "zh_CN.UTF-8"));
    assert!(by_locale.out.contains("僵尸进程"), "{by_locale:?}");

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
            let page = &output.out;
            // It may have ended meanwhile.
            assert!(matches!(output.code, 0 | 3), "{name}: {page}");
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
    assert!(text(&["doctor", "--lang", "en"]).contains("as they should be"));
}

#[test]
fn the_doctor_speaks_chinese_and_finds_the_same() {
    let [english, chinese] = ["en", "zh"].map(|lang| json(&["doctor", "--json", "--lang", lang]));
    let pairs = english.as_array().into_iter().flatten().zip(chinese.as_array().into_iter().flatten());
    for (english, chinese) in pairs {
        assert_eq!(english["id"], chinese["id"]);
        let is_chinese = |value: &Value| {
            value.as_str().is_some_and(|text| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)))
        };
        assert!(is_chinese(&chinese["means"]) && !is_chinese(&english["means"]), "{chinese}");
    }
    assert!(text(&["doctor", "--lang", "zh"]).contains("项正常"));
}

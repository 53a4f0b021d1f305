//! Every experiment of the course, run as a learner runs it, and what the course promises of all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::support::{Finished, eventually, forkd, forkd_command, run};

/// The variable by which the processes of one run are found, also those that nobody is the parent of any more.
const MARK: &str = "FORKD_LAB_TEST";

/// One test for each experiment: it holds, each of its bugs is caught, and nothing is left of it.
macro_rules! experiments {
    ($($name:ident $id:literal;)*) => {
        $(#[test] fn $name() { experiment($id); })*

        const TESTED: &[&str] = &[$($id),*];
    };
}

experiments! {
    hello_process "hello-process";
    family "family";
    count_the_forks "count-the-forks";
    two_worlds "two-worlds";
    shared_bookmark "shared-bookmark";
    who_first "who-first";
    echo_twice "echo-twice";
    states "states";
    one_core_two_core "one-core-two-core";
    orphanage "orphanage";
    zombie "zombie";
    last_words "last-words";
    reap_wait "reap-wait";
    reap_handler "reap-handler";
    reap_double "reap-double";
    reap_ignore "reap-ignore";
    daemon "daemon";
    addresses "addresses";
    two_hosts "two-hosts";
    phone_call "phone-call";
    waiting_room "waiting-room";
    goodbye "goodbye";
    handshake "handshake";
    buckets "buckets";
    sticky "sticky";
    postcards "postcards";
    tcp_or_udp "tcp-or-udp";
    file_server "file-server";
    http_by_hand "http-by-hand";
    five_servers "five-servers";
    your_own_prefork "your-own-prefork";
    chat_1 "chat-1";
    chat_2 "chat-2";
    chat_3 "chat-3";
    chat_4 "chat-4";
    chat_5 "chat-5";
}

#[test]
fn every_experiment_is_tested_here() {
    assert_eq!(list().iter().map(|row| text(&row["id"])).collect::<Vec<_>>(), TESTED);
}

#[test]
fn a_run_tells_the_same_story_in_both_languages() {
    let (en, zh) = (read(&["run", "zombie", "--lang", "en"]), read(&["run", "zombie", "--lang", "zh"]));
    assert!(en.contains("B has ended with code 7") && en.contains("11 of 11 checks hold"), "{en}");
    assert!(zh.contains("B 以退出码 7 结束") && zh.contains("11 项检查通过了 11 项"), "{zh}");
    let claims = |page: &str| page.lines().filter(|line| line.contains("  P18  ")).count();
    assert_eq!(claims(&en), claims(&zh));
}

#[test]
fn a_word_that_names_no_experiment_or_bug_is_a_usage_error() {
    for words in
        [&["run", "no-such"][..], &["run", "zombie", "--bug", "none"], &["check", "no-such", "--", "true"]]
    {
        let finished = lab(words);
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.err.starts_with("forkd: cannot "), "{finished:?}");
    }
}

#[test]
fn a_learners_program_is_checked_as_ours_is() {
    let right = "import os,sys\np=os.fork()\nif p==0: os._exit(7)\nsys.stdin.readline()\nos.waitpid(p,0)\nsys.stdin.readline()";
    let hasty = "import os,sys\np=os.fork()\nif p==0: os._exit(7)\nos.waitpid(p,0)\nsys.stdin.readline()";
    let right = lab(&["check", "zombie", "--json", "--", "python3", "-c", right]);
    assert_eq!(right.code, 0, "{right:?}");
    let hasty = lab(&["check", "zombie", "--json", "--", "python3", "-c", hasty]);
    assert_eq!(hasty.code, 1, "{hasty:?}");
    assert_eq!(failed(&hasty.json()[0])[0], "state");
}

#[test]
fn nothing_is_left_of_an_experiment_that_is_killed() {
    // Whoever of the three above the actors is killed, the other two see to the rest.
    for victim in ["forkd", "lab-guard", "lab-stage"] {
        let mark = mark();
        let mut command = forkd_command();
        command.args(["lab", "run", "reap-double", "--step", "--lang", "en"]).env(MARK, &mark);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("forkd can be run");
        // The first nod lets it begin; then it waits for the second one behind its first event.
        std::io::Write::write_all(child.stdin.as_mut().expect("a pipe"), b"\n").expect("it reads");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let begun = out.lines().map_while(Result::ok).any(|line| line.contains("A begins"));
        assert!(begun, "no first event");
        let members = processes(&mark);
        let (pid, _) = members.iter().find(|(_, comm)| comm.as_str() == victim).expect("the victim is there");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL)
            .expect("ours");
        drop(child.stdin.take());
        child.wait().expect("our child");
        eventually(&format!("the end of all after {victim} was killed"), || {
            processes(&mark).is_empty().then_some(())
        });
    }
}

#[test]
fn no_text_is_in_one_language_only() {
    for file in files("src/lab/texts", "toml") {
        let text: toml::Table = fs::read_to_string(&file).expect("a text file").parse().expect("TOML");
        let keys = |lang: &str| text[lang].as_table().expect("a table").keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys("en"), keys("zh"), "{file}");
        let hints =
            |lang: &str| text[lang].get("hints").map_or(0, |hints| hints.as_array().map_or(0, Vec::len));
        assert_eq!(
            hints("en"),
            if text["en"].get("task").is_some() { 3 } else { 0 },
            "{file}: three hints for a task"
        );
        assert_eq!(hints("en"), hints("zh"), "{file}");
        pairs(&file, &toml::Value::Table(text.clone()));
        for (key, en) in text["en"].as_table().expect("a table").iter().filter(|(_, text)| text.is_str()) {
            both(&file, key, en.as_str().expect("text"), text["zh"][key].as_str().expect("text"));
        }
    }
}

/// Each table that has `en` beside `zh` as texts has both in their own script, with the same places to fill in.
fn pairs(file: &str, value: &toml::Value) {
    let Some(table) = value.as_table() else { return };
    if let (Some(en), Some(zh)) =
        (table.get("en").and_then(|en| en.as_str()), table.get("zh").and_then(|zh| zh.as_str()))
    {
        both(file, en, en, zh);
        return;
    }
    for (key, inner) in table {
        let alone = inner.as_table().is_some_and(|inner| {
            inner.get("en").is_some_and(toml::Value::is_str)
                != inner.get("zh").is_some_and(toml::Value::is_str)
        });
        assert!(!alone, "{file}: {key} is in one language only");
        pairs(file, inner);
    }
}

fn both(file: &str, what: &str, en: &str, zh: &str) {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let places = |text: &str| {
        let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        names.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(!en.trim().is_empty() && !zh.trim().is_empty(), "{file}: {what} is empty");
    assert!(chinese(zh), "{file}: {what} is no Chinese: {zh}");
    assert_eq!(places(en), places(zh), "{file}: {what} fills in other things");
    let code =
        |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>().concat();
    let prose = zh.split('`').step_by(2).collect::<String>();
    let half_width = [", ", "? ", "! "].iter().any(|mark| prose.contains(mark));
    assert!(!half_width, "{file}: {what} has half-width punctuation, {}: {zh}", code(zh));
}

/// Runs an experiment and each of its bugs.
fn experiment(id: &str) {
    let text: toml::Table = fs::read_to_string(format!("src/lab/texts/{}.toml", id.replace('-', "_")))
        .expect("its texts")
        .parse()
        .expect("TOML");
    let report = observed(id, &[]);
    if report["skipped"].is_string() {
        return;
    }
    assert_eq!(report["ok"], true, "{report:#}");
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for check in report["checks"].as_array().expect("checks") {
        *made.entry(text_of(check, "key")).or_default() += 1;
    }
    let left = report["skipped_checks"].as_array().expect("skipped checks").len();
    let declared: Vec<_> = text["checks"].as_table().expect("a table").keys().cloned().collect();
    assert_eq!(made.len() + left, declared.len(), "{id} declares {declared:?} and makes {made:?}");
    for (bug, words) in text.get("bugs").and_then(|bugs| bugs.as_table()).into_iter().flatten() {
        let report = observed(id, &["--bug", bug]);
        let failed = failed(&report);
        assert_eq!(
            failed.first().map(String::as_str),
            words["fails"].as_str(),
            "{id} --bug {bug}: {report:#}"
        );
    }
}

/// One run: its report, after a look that nothing of it is left, and that its exit code says the same.
fn observed(id: &str, more: &[&str]) -> Value {
    let mark = mark();
    let mut command = forkd_command();
    command.args(["lab", "run", id, "--json", "--lang", "en", "--seed", "7"]).args(more).env(MARK, &mark);
    let finished = run(&mut command);
    assert_eq!(processes(&mark), [], "{id} {more:?} left processes");
    let report = finished.json()[0].clone();
    let held = report["ok"] == true || report["skipped"].is_string();
    assert_eq!(finished.code, i32::from(!held), "{finished:?}");
    report
}

/// The keys of the checks that failed.
fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().filter(|check| check["ok"] == false).map(|check| text_of(check, "key")).collect()
}

/// The living processes that were started with that mark, and their names.
fn processes(mark: &str) -> Vec<(i32, String)> {
    let mark = format!("{MARK}={mark}").into_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ.split(|byte| *byte == 0).any(|variable| variable == mark) {
            let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push((pid, comm.trim().to_owned()));
        }
    }
    found
}

/// Another mark for each run.
fn mark() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    format!("{}-{}", std::process::id(), now.as_nanos())
}

pub fn lab(words: &[&str]) -> Finished {
    forkd(&[&["lab"], words].concat())
}

pub fn read(words: &[&str]) -> String {
    lab(words).done().out
}

fn list() -> Vec<Value> {
    let list = lab(&["list", "--json"]).done().json();
    list.as_array().expect("a list").clone()
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

pub fn text_of(value: &Value, key: &str) -> String {
    text(&value[key])
}

/// The files of a directory with that extension.
fn files(dir: &str, extension: &str) -> Vec<String> {
    let paths = fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    files.sort();
    files
}

/// Every claim of the course that can be tested.
const CLAIMS: [(char, u32); 4] = [('P', 22), ('N', 31), ('H', 7), ('W', 8)];

#[test]
fn every_claim_of_the_course_has_a_check() {
    let listed: BTreeSet<String> = list().iter().flat_map(|row| strings(&row["claims"])).collect();
    let wanted: BTreeSet<String> = CLAIMS
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")))
        .collect();
    let missing: Vec<_> = wanted.difference(&listed).collect();
    assert_eq!(missing, Vec::<&String>::new(), "without a check");
    let unknown: Vec<_> = listed.difference(&wanted).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "in no course");
}

#[test]
fn every_row_of_the_errata_is_shown_by_a_check_that_exists() {
    let rows = lab(&["errata", "--json"]).done().json();
    let mut shown = 0;
    for row in rows.as_array().expect("rows") {
        both("errata", &text_of(row, "written"), &text_of(row, "en"), &text_of(row, "zh"));
        let place = text_of(row, "shown");
        let Some((id, check)) = place.split_once('/') else { continue };
        let file = format!("src/lab/texts/{}.toml", id.replace('-', "_"));
        let texts: toml::Table = fs::read_to_string(&file).expect(&file).parse().expect("TOML");
        assert!(texts["checks"].get(check).is_some(), "{place} does not exist");
        shown += 1;
    }
    assert!(shown > 30, "{shown} rows are shown by a check");
}

#[test]
fn the_pages_of_errata_are_what_the_table_says() {
    for (lang, file) in [("en", "docs/errata.md"), ("zh", "docs/errata.zh.md")] {
        let page = fs::read_to_string(file).expect(file);
        let made = read(&["errata", "--lang", lang]);
        assert!(page == made, "{file} is old: forkd lab errata --lang {lang} > {file}");
    }
}

#[test]
fn a_run_can_be_recorded_and_played() {
    let cast = read(&["record", "zombie", "--lang", "zh", "--seed", "3"]);
    let mut lines = cast.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON in each line"));
    let header = lines.next().expect("a header");
    assert_eq!((header["version"].as_i64(), header["width"].as_i64()), (Some(2), Some(100)));
    let (mut last, mut screen) = (0.0, String::new());
    for line in lines {
        let time = line[0].as_f64().expect("a time");
        assert!(time >= last && line[1] == "o", "{line}");
        last = time;
        screen += line[2].as_str().expect("output");
    }
    assert!(screen.contains("B 以退出码 7 结束") && screen.contains("--seed 3"), "{screen}");
}

#[test]
fn a_hint_says_more_at_each_step() {
    let hints: BTreeSet<_> =
        ["1", "2", "3"].map(|step| read(&["check", "zombie", "--lang", "en", "--hint", step])).into();
    assert_eq!(hints.len(), 3);
    assert!(hints.iter().any(|page| page.contains("os.fork()")));
    let code = read(&["show", "zombie"]);
    assert!(code.contains("pub fn run(lab: &mut Lab)"), "{code}");
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(text).collect()
}

//! Learners' programs, checked and graded as a teacher does it.

use std::fs;

use crate::lab::{lab, read, text_of};

/// Learners' programs in three languages, each graded as a class of one: the right ones get every point, those that
/// follow the notes fail where the notes are wrong.
macro_rules! programs {
    ($($name:ident $file:literal $remark:literal;)*) => {
        $(#[test] fn $name() { program($file, $remark); })*
    };
}

programs! {
    right_zombie "right/zombie.rs" "";
    right_reap_double "right/reap-double.c" "";
    right_reap_handler "right/reap-handler.py" "";
    right_daemon "right/daemon.c" "";
    right_echo_twice "right/echo-twice.py" "";
    right_shared_bookmark "right/shared-bookmark.py" "";
    right_count_the_forks "right/count-the-forks.c" "";
    right_phone_call "right/phone-call.py" "";
    right_chat_1 "right/chat-1.py" "";
    notes_reap_double "notes/reap-double.py" "zombies while both work: 0 / 1";
    notes_reap_handler "notes/reap-handler.py" "zombies after all but one have ended: 0 / ";
    notes_echo_twice "notes/echo-twice.py" "copies of the word, child by _exit: 1 / 2";
    notes_shared_bookmark "notes/shared-bookmark.py" "right copies of three: 3 / ";
    notes_chat_1 "notes/chat-1.py" "the room answers after Q nobody: OK / ";
}

fn program(file: &str, remark: &str) {
    let class = tempfile::tempdir().expect("a directory");
    let learner = class.path().join("小明");
    fs::create_dir(&learner).expect("a directory");
    let name = file.split('/').next_back().expect("a name");
    fs::copy(format!("examples/lab/{file}"), learner.join(name)).expect("the program");
    let class = class.path().to_str().expect("a plain path");
    let mark = lab(&["grade", class, "--json", "--lang", "en"]).done().json()[0].clone();
    assert_eq!(mark["learner"], "小明");
    if remark.is_empty() {
        assert!(mark["points"] == mark["of"] && mark["of"].as_u64() > Some(0), "{mark:#}");
    } else {
        assert!(mark["points"].as_u64() < mark["of"].as_u64(), "{mark:#}");
        assert!(text_of(&mark, "remark").starts_with(remark), "{mark:#}");
    }
}

#[test]
fn a_class_gets_a_table_and_a_file_for_a_spreadsheet() {
    let class = tempfile::tempdir().expect("a directory");
    for (learner, file) in [("ann", "right/echo-twice.py"), ("=小明", "notes/echo-twice.py")] {
        fs::create_dir(class.path().join(learner)).expect("a directory");
        fs::copy(format!("examples/lab/{file}"), class.path().join(learner).join("echo-twice.py"))
            .expect("a program");
    }
    let class = class.path().to_str().expect("a plain path");
    let table = read(&["grade", class, "--lang", "zh"]);
    assert!(
        table.contains("ann           1/1      1") && table.contains("=小明         0/1      0"),
        "{table}"
    );
    let csv = read(&["grade", class, "--csv", "--lang", "en"]);
    assert!(
        csv.starts_with("learner,experiment,points,of,remark\r\n\"'=小明\",\"echo-twice\",0,1,"),
        "{csv}"
    );
}

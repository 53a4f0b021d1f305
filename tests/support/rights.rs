//! Who a process is, for stories that only root can tell.

use super::Process;

/// The user nobody: a number, so that the stories need no account.
pub const NOBODY: u32 = 65534;

/// Whether there is anything to give up here.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        #[expect(clippy::print_stderr, reason = "what was skipped is said")]
        {
            eprintln!("skipped: only root can become somebody else");
        }
    }
    root
}

/// What /proc says of a process, in the words of proc_pid_status(5).
pub fn says(process: i32, key: &str) -> String {
    let process = Process::read(process).expect("a process");
    process.status(key).expect(key).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// That a process is nobody, in every respect and for good.
#[track_caller]
pub fn check_is_nobody(process: i32) {
    for key in ["Uid", "Gid"] {
        assert_eq!(says(process, key), [NOBODY; 4].map(|id| id.to_string()).join(" "), "{key}");
    }
    assert_eq!(says(process, "Groups"), NOBODY.to_string());
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(says(process, capabilities), "0000000000000000", "{capabilities}");
    }
    assert_eq!(says(process, "NoNewPrivs"), "1");
}

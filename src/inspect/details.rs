//! What is read of a process only when it is shown: its command line and what it waits in.

use std::fs;

use super::{stat::Process, waits};

/// What the files beside `stat` tell of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Its command line or title **as it is**, words apart by blanks; empty for zombies and threads of the kernel.
    pub title: String,
    /// The function of the kernel that it sleeps in, as the kernel calls it; `None` when it runs or when this user may
    /// not know. proc_pid_wchan(5).
    pub wchan: Option<String>,
    /// The system call that it is in, and its arguments; `None` likewise. proc_pid_syscall(5).
    pub call: Option<Call>,
    /// What it waits for, in words: `waits in accept`.
    pub waits: Option<String>,
}

/// A system call that has not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number on this kind of machine.
    pub number: i64,
    /// What it was given.
    pub arguments: [u64; 6],
}

impl Details {
    /// Reads them; what cannot be read is left out, as for a process that is gone by now.
    pub fn read(process: &Process) -> Self {
        // A zombie has nothing left to read, and a thread of the kernel makes no system calls.
        let user = !process.is_zombie() && !process.kernel;
        let wchan = if process.is_zombie() { None } else { wchan(process.pid) };
        let call = if user { call(process.pid) } else { None };
        let waits = waits::words(call.as_ref(), wchan.as_deref());
        Self { title: if user { title(process.pid) } else { String::new() }, wchan, call, waits }
    }
}

fn title(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    // Words end with a zero each; a process that writes a title of its own fills the rest with zeros.
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ").trim_end().to_owned()
}

fn wchan(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/wchan")).ok()?;
    // The compiler's marks are no part of the name: `poll_schedule_timeout.constprop.0`.
    let name = name.split('.').next().unwrap_or_default();
    (!name.is_empty() && name != "0").then(|| name.to_owned())
}

fn call(pid: i32) -> Option<Call> {
    Call::parse(&fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?)
}

impl Call {
    /// Reads `0 0x4 0x7ffd… sp pc`. A process that runs has `running` there, one that was stopped elsewhere `-1 sp pc`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
        let mut arguments = [0; 6];
        for argument in &mut arguments {
            *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(Self { number, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_with_its_arguments() {
        let line = "230 0x0 0x0 0x7ffdab94f970 0x7ffdab94f9b0 0x0 0x0 0x7ffdab94f958 0x7fca1635b503\n";
        let call = Call::parse(line).expect("a call");
        assert_eq!((call.number, call.arguments[2]), (230, 0x7ffd_ab94_f970));
    }

    #[test]
    fn who_runs_is_in_no_call() {
        for line in ["running\n", "-1 0x7ffd 0x7fca\n", "", "0 0x1", "x y"] {
            assert_eq!(Call::parse(line), None, "{line}");
        }
    }
}

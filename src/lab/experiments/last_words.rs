//! Last words: everything that wait(2) can say of a child, as the number that it gives.

use nix::sys::resource::{Resource, setrlimit};

use crate::{
    lab::{Cue, Lab, Outcome},
    process::{exit::ExitStatus, signal},
    sys::{
        fork::exit_now,
        wait::{Patience, Target, change, wait4},
    },
};

pub fn run(lab: &mut Lab) -> Outcome {
    let code = if lab.bug("four") { 4 } else { 3 };
    let a = lab.actor('A', |_| exit_now(code))?;
    let status = change(a.pid())?;
    lab.check("exit", 768, status);
    lab.event("exit", &[("status", status.to_string())]);
    lab.check("decode", "exited with code 3", ExitStatus::from_raw(status).words());

    let b = lab.actor('B', Cue::wait)?;
    signal::send(b.pid(), libc::SIGKILL)?;
    let status = change(b.pid())?;
    lab.check("kill", 9, status);
    lab.event("kill", &[("status", status.to_string())]);

    let c = lab.actor('C', Cue::wait)?;
    for (key, number, expected) in [
        ("stop", libc::SIGSTOP, "0x137f"),
        ("continue", libc::SIGCONT, "0xffff"),
        ("term", libc::SIGTERM, "0xf"),
    ] {
        signal::send(c.pid(), number)?;
        let status = change(c.pid())?;
        lab.check(key, expected, format!("{status:#x}"));
        lab.event(key, &[("status", format!("{status:#x}"))]);
    }
    core(lab)?;
    let nobody = wait4(Target::Child(c.pid()), Patience::Poll);
    lab.check("nobody", libc::ECHILD, nobody.err().and_then(|error| error.raw_os_error()).unwrap_or(0));
    lab.event("nobody", &[]);
    Ok(())
}

/// Bit 0x80 says that there is a core dump. Whether there is one is up to a limit, and to where the machine puts them.
fn core(lab: &mut Lab) -> Outcome {
    let d = lab.actor('D', |cue| {
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        cue.wait()
    })?;
    lab.until("D waits", || d.who.awaits_cue().then_some(()))?;
    signal::send(d.pid(), libc::SIGSEGV)?;
    let status = change(d.pid())?;
    lab.check("fault", libc::SIGSEGV, status & 0x7f);
    lab.event("fault", &[("status", format!("{status:#x}"))]);
    Ok(())
}

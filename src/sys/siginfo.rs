//! Who sent a signal.

use libc::siginfo_t;
use nix::unistd::{Pid, Uid};

/// Who sent a signal, as far as the kernel vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The kernel, on its own behalf: a terminal, a timer, a child's end.
    Kernel,
    /// A process that called kill(2) or a relative of it. The pid is 0 for one outside of our PID namespace.
    Process {
        /// Its pid; it may be gone by now.
        pid: Pid,
        /// Its real user.
        uid: Uid,
    },
}

/// Who sent the signal that came with this information. sigaction(2), "The siginfo_t argument".
///
/// A terminal's hang-up and window change come as `Kernel`, an operator's `kill -HUP` as `Process`.
pub fn sender(info: &siginfo_t) -> Sender {
    match info.si_code {
        libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL => {
            // SAFETY: for these three codes the kernel fills the pid and the uid of the sender.
            let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
            Sender::Process { pid: Pid::from_raw(pid), uid: Uid::from_raw(uid) }
        }
        _ => Sender::Kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(code: i32) -> siginfo_t {
        // SAFETY: all zeroes is a valid siginfo_t: plain numbers.
        let mut info: siginfo_t = unsafe { std::mem::zeroed() };
        info.si_code = code;
        info
    }

    #[test]
    fn the_codes_of_kill_and_its_relatives_name_a_process() {
        for code in [libc::SI_USER, libc::SI_QUEUE, libc::SI_TKILL] {
            let nobody = Sender::Process { pid: Pid::from_raw(0), uid: Uid::from_raw(0) };
            assert_eq!(sender(&info(code)), nobody);
        }
    }

    #[test]
    fn everything_else_is_the_kernel() {
        for code in [libc::SI_KERNEL, libc::CLD_EXITED, libc::CLD_KILLED, libc::SI_TIMER] {
            assert_eq!(sender(&info(code)), Sender::Kernel);
        }
    }
}

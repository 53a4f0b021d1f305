//! What a sleeping process waits for, in words.
//!
//! Two files tell: `/proc/PID/syscall` the call that it made, `/proc/PID/wchan` the place in the kernel where it
//! sleeps. The call is the better answer, the place often the only one: the call is told to tracers alone. Where both
//! are known, the place tells what the call's descriptor is: a pipe, a terminal, a socket.

use super::details::Call;

/// What it waits for: `waits in accept`, `waits in read of a pipe`, `sleeps in nanosleep`; `None` when nothing is known.
pub fn words(call: Option<&Call>, wchan: Option<&str>) -> Option<String> {
    let place = wchan.and_then(place);
    let said = match (call.and_then(|call| name(call.number)), place) {
        (Some("read" | "write" | "readv" | "writev"), Some(place)) => place.to_owned(),
        (Some(name), _) => by_call(name),
        (None, Some(place)) => place.to_owned(),
        (None, None) => format!("waits in {}", super::text::printable(wchan?)),
    };
    Some(said)
}

fn by_call(name: &str) -> String {
    match name {
        "wait4" | "waitid" => "waits for a child".into(),
        "nanosleep" | "clock_nanosleep" => "sleeps in nanosleep".into(),
        "futex" => "waits in futex".into(),
        "pause" | "rt_sigsuspend" | "rt_sigtimedwait" => "waits for a signal".into(),
        "vfork" | "clone" | "clone3" => "waits for its vfork child".into(),
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => "waits in epoll".into(),
        "accept4" => "waits in accept".into(),
        "ppoll" => "waits in poll".into(),
        "pselect6" => "waits in select".into(),
        "recvfrom" | "recvmsg" => "waits in recv".into(),
        "sendto" | "sendmsg" => "waits in send".into(),
        other => format!("waits in {other}"),
    }
}

/// What the names of the kernel's functions mean; the first that the name begins with.
const PLACES: &[(&str, &str)] = &[
    ("inet_csk_accept", "waits in accept"),
    ("unix_accept", "waits in accept"),
    ("ep_poll", "waits in epoll"),
    ("do_epoll_wait", "waits in epoll"),
    ("poll_schedule_timeout", "waits in poll"),
    ("do_poll", "waits in poll"),
    ("do_sys_poll", "waits in poll"),
    ("do_select", "waits in select"),
    ("do_wait", "waits for a child"),
    ("kernel_wait4", "waits for a child"),
    ("wait_for_vfork", "waits for its vfork child"),
    ("futex", "waits in futex"),
    ("hrtimer_nanosleep", "sleeps in nanosleep"),
    ("do_nanosleep", "sleeps in nanosleep"),
    ("anon_pipe_read", "waits in read of a pipe"),
    ("pipe_read", "waits in read of a pipe"),
    ("anon_pipe_write", "waits in write to a full pipe"),
    ("pipe_write", "waits in write to a full pipe"),
    ("pipe_wait", "waits on a pipe"),
    ("fifo_open", "waits in open of a named pipe"),
    ("wait_for_partner", "waits in open of a named pipe"),
    ("n_tty_read", "waits in read of a terminal"),
    ("n_tty_write", "waits in write to a terminal"),
    ("wait_woken", "waits in read of a socket or terminal"),
    ("unix_stream_read", "waits in read of a Unix socket"),
    ("unix_stream_data_wait", "waits in read of a Unix socket"),
    ("unix_wait_for_peer", "waits in send to a Unix socket"),
    ("__skb_wait_for_more", "waits in recv"),
    ("sk_wait_data", "waits in read of a socket"),
    ("sk_stream_wait", "waits in write to a socket"),
    ("inet_wait_for_connect", "waits in connect"),
    ("inet_stream_connect", "waits in connect"),
    ("sigsuspend", "waits for a signal"),
    ("__x64_sys_pause", "waits for a signal"),
    ("do_sigtimedwait", "waits for a signal"),
    ("signalfd", "waits for a signal"),
    ("do_signal_stop", "stopped by a signal"),
    ("ptrace_stop", "held by its tracer"),
    ("eventfd_read", "waits in read of an eventfd"),
    ("timerfd_read", "waits in read of a timer"),
    ("inotify_read", "waits in read of inotify"),
    ("locks_lock_inode_wait", "waits for a file lock"),
    ("posix_lock_inode_wait", "waits for a file lock"),
    ("flock_lock", "waits for a file lock"),
    ("fcntl_setlk", "waits for a file lock"),
    ("io_schedule", "waits for a disk"),
    ("folio_wait", "waits for a disk"),
    ("wait_on_page", "waits for a disk"),
    ("io_cqring_wait", "waits in io_uring"),
    ("worker_thread", "waits for work"),
    ("rescuer_thread", "waits for work"),
    ("kthreadd", "waits for work"),
];

fn place(wchan: &str) -> Option<&'static str> {
    PLACES.iter().find(|(name, _)| wchan.starts_with(name)).map(|(_, words)| *words)
}

/// The name of a call that can take long. Numbers differ between kinds of machine, so libc's names stand for them; a
/// 32-bit program on a 64-bit machine has other numbers, which /proc does not tell.
pub fn name(number: i64) -> Option<&'static str> {
    CALLS.iter().chain(OLD_CALLS).find(|(known, _)| *known == number).map(|(_, name)| *name)
}

macro_rules! calls {
    ($($constant:ident $name:literal),* $(,)?) => { &[$((libc::$constant as i64, $name)),*] };
}

/// Those that every kind of machine has.
#[allow(clippy::unnecessary_cast, reason = "c_long is narrower than i64 on 32-bit machines")]
const CALLS: &[(i64, &str)] = calls![
    SYS_read "read", SYS_write "write", SYS_readv "readv", SYS_writev "writev", SYS_pread64 "pread",
    SYS_pwrite64 "pwrite", SYS_accept "accept", SYS_accept4 "accept4", SYS_connect "connect",
    SYS_recvfrom "recvfrom", SYS_recvmsg "recvmsg", SYS_recvmmsg "recvmmsg", SYS_sendto "sendto",
    SYS_sendmsg "sendmsg", SYS_sendfile "sendfile", SYS_splice "splice", SYS_wait4 "wait4", SYS_waitid "waitid",
    SYS_nanosleep "nanosleep", SYS_clock_nanosleep "clock_nanosleep", SYS_futex "futex", SYS_ppoll "ppoll",
    SYS_pselect6 "pselect6", SYS_epoll_pwait "epoll_pwait", SYS_epoll_pwait2 "epoll_pwait2",
    SYS_rt_sigsuspend "rt_sigsuspend", SYS_rt_sigtimedwait "rt_sigtimedwait", SYS_flock "flock",
    SYS_fcntl "fcntl", SYS_fsync "fsync", SYS_fdatasync "fdatasync", SYS_openat "openat", SYS_ioctl "ioctl",
    SYS_msgrcv "msgrcv", SYS_msgsnd "msgsnd", SYS_semop "semop", SYS_semtimedop "semtimedop",
    SYS_mq_timedreceive "mq_receive", SYS_mq_timedsend "mq_send", SYS_io_getevents "io_getevents",
    SYS_io_uring_enter "io_uring", SYS_clone "clone", SYS_clone3 "clone3", SYS_getrandom "getrandom",
];

/// Those that newer kinds of machine never had.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[(i64, &str)] = calls![
    SYS_poll "poll", SYS_select "select", SYS_epoll_wait "epoll_wait", SYS_pause "pause", SYS_vfork "vfork",
    SYS_open "open",
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[(i64, &str)] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: i64) -> Option<Call> {
        Some(Call { number, arguments: [0; 6] })
    }

    #[test]
    fn the_call_is_the_better_answer_and_the_place_says_what_it_reads() {
        for (call, wchan, words) in [
            (call(libc::SYS_accept4), Some("inet_csk_accept"), Some("waits in accept")),
            (call(libc::SYS_read), Some("anon_pipe_read"), Some("waits in read of a pipe")),
            (call(libc::SYS_read), Some("a_new_driver"), Some("waits in read")),
            (call(libc::SYS_wait4), Some("do_wait"), Some("waits for a child")),
            (call(libc::SYS_epoll_pwait), None, Some("waits in epoll")),
            (None, Some("poll_schedule_timeout"), Some("waits in poll")),
            (None, Some("futex_do_wait"), Some("waits in futex")),
            (call(99_999), Some("hwrng_fillfn"), Some("waits in hwrng_fillfn")),
            (None, None, None),
        ] {
            assert_eq!(self::words(call.as_ref(), wchan).as_deref(), words, "{call:?} {wchan:?}");
        }
    }

    #[test]
    fn no_place_is_hidden_behind_a_shorter_one() {
        for (at, (name, _)) in PLACES.iter().enumerate() {
            let first = PLACES.iter().position(|(known, _)| name.starts_with(known));
            assert_eq!(first, Some(at), "{name}");
        }
    }
}

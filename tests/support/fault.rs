//! Faults of the machine, on demand: a preloaded library in which one call of the C library fails, or hangs, for as
//! long as a file is there.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{Launch, run};

/// A fault that a server was started with; it is off until it [`begin`](Fault::begin)s.
pub struct Fault {
    gate: PathBuf,
    library: PathBuf,
}

/// No worker of the event model gets its epoll descriptor: it cannot start. The master gets its own.
pub const BOOT_FAILS: &str = "
    int epoll_create1(int flags) {
        if (worker() && on()) { errno = EMFILE; return -1; }
        return syscall(SYS_epoll_create1, flags);
    }";

/// A worker of the event model waits for the end of the fault before it becomes ready.
pub const BOOT_HANGS: &str = "
    int epoll_create1(int flags) {
        while (worker() && on()) usleep(1000);
        return syscall(SYS_epoll_create1, flags);
    }";

/// No process can be made.
pub const FORK_FAILS: &str = "
    pid_t fork(void) {
        if (on()) { errno = EAGAIN; return -1; }
        return ((pid_t (*)(void)) dlsym(RTLD_NEXT, \"fork\"))();
    }";

/// Nothing more may be written: the quota of whoever writes is used up.
pub const QUOTA_EXCEEDED: &str = "
    ssize_t pwrite64(int fd, const void *from, size_t count, off_t at) {
        if (on()) { errno = EDQUOT; return -1; }
        return syscall(SYS_pwrite64, fd, from, count, at);
    }";

/// Whether this process calls itself a worker.
const WORKER: &str = "
    static int worker(void) {
        char name[16] = { 0 };
        return prctl(PR_GET_NAME, name) == 0 && strncmp(name, \"forkd-w\", 7) == 0;
    }
";

impl Fault {
    /// Builds the library; `code` is one of the constants above. Whoever can build forkd has a C compiler: Rust links
    /// with it.
    pub fn new(launch: &Launch, code: &str) -> Self {
        let (gate, library) = (launch.folder().join("fault"), launch.folder().join("fault.so"));
        let includes =
            ["errno.h", "unistd.h", "dlfcn.h", "sys/syscall.h", "sys/types.h", "sys/prctl.h", "string.h"];
        let mut source = String::from("#define _GNU_SOURCE\n");
        source.extend(includes.map(|name| format!("#include <{name}>\n")));
        source.push_str(&format!("static int on(void) {{ return access({gate:?}, F_OK) == 0; }}\n"));
        source.push_str(WORKER);
        source.push_str(code);
        let file = launch.folder().join("fault.c");
        fs::write(&file, source).expect("the test's own folder can be written");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-w", "-o"])
            .arg(&library)
            .arg(&file)
            .arg("-ldl")
            .stdin(Stdio::null());
        run(&mut compiler).done();
        Self { gate, library }
    }

    /// A server that has the fault in it.
    pub fn inside(&self, launch: Launch) -> Launch {
        launch.env("LD_PRELOAD", &self.library.to_string_lossy())
    }

    /// A command that has the fault in it.
    pub fn in_command<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.library)
    }

    /// From now on the call fails.
    pub fn begin(&self) {
        fs::write(&self.gate, "").expect("the test's own folder can be written");
    }

    /// From now on it does not.
    pub fn end(&self) {
        fs::remove_file(&self.gate).expect("the fault had begun");
    }
}

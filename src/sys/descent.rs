//! Giving up rights for good: the system calls, in the one order in which all of them work, and the proof that none of it
//! can be taken back.
//!
//! A worker does this to itself before it serves, and a child that borrows its parent's memory until exec does it to
//! become a program. So all that is needed is made before, and nothing here allocates, locks or panics. The calls are
//! the kernel's own: the C library's wrappers would tell threads of the parent, which has none.

use std::{
    cell::Cell,
    ffi::CString,
    fmt, io,
    os::fd::{AsRawFd, OwnedFd},
    ptr,
};

use libc::{c_int, c_long, gid_t, uid_t};

/// What a process gives up.
#[derive(Debug, Default)]
pub struct Descent {
    /// What it may use of the machine.
    pub limits: Vec<(c_int, libc::rlimit)>,
    /// The directory that is `/` for it from then on.
    pub root: Option<CString>,
    /// The only groups that it is in; the first is its primary one.
    pub groups: Option<Groups>,
    /// The user that it becomes.
    pub user: Option<uid_t>,
    /// What it may do with files and ports: a ruleset of Landlock. landlock(7).
    pub ruleset: Option<OwnedFd>,
    /// Which system calls it may make, by programs that the kernel runs before each. seccomp(2).
    pub filters: Vec<Vec<libc::sock_filter>>,
}

/// A list of groups, and room to read it back from the kernel.
#[derive(Debug)]
pub struct Groups {
    list: Vec<gid_t>,
    room: Vec<Cell<gid_t>>,
}

/// What could not be done, and why.
#[derive(Debug)]
pub struct Failure {
    /// How far it came.
    pub step: Step,
    /// The kernel's answer.
    pub errno: c_int,
}

/// What is done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Setting the limits.
    Limits,
    /// Making a directory the root.
    Root,
    /// Leaving all groups but those that are listed.
    Groups,
    /// Becoming the user.
    User,
    /// Giving up all capabilities, and all ways to new ones.
    Capabilities,
    /// Finding itself as it should be now, and unable to change back.
    Proof,
    /// Keeping to some files.
    Files,
    /// Keeping to some system calls.
    Calls,
}

/// The kernel's version of the form in which it takes capabilities. capset(2).
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// More capabilities than there are.
const CAPABILITIES: c_long = 64;

impl Groups {
    /// This list, the primary group first.
    pub fn new(list: Vec<gid_t>) -> Self {
        Self { room: list.iter().map(|_| Cell::new(0)).collect(), list }
    }

    /// Whether the kernel's list is this one, in any order: it sorts.
    fn are_ours(&self) -> bool {
        // SAFETY: the room has as many elements as it is said to have, and a cell may be written through its pointer.
        let count = unsafe {
            libc::syscall(libc::SYS_getgroups, self.room.len(), self.room.as_ptr().cast_mut().cast::<gid_t>())
        };
        usize::try_from(count).is_ok_and(|count| count == self.list.len())
            && self.room.iter().all(|group| self.list.contains(&group.get()))
    }
}

impl Descent {
    /// Whether it changes who the process is or what it sees: then all capabilities go, too.
    pub fn gives_up(&self) -> bool {
        self.root.is_some() || self.groups.is_some() || self.user.is_some()
    }

    /// Limits, root, groups, user, capabilities; then the proof.
    ///
    /// The order: limits may be raised, and a root entered, by the privileged alone; groups change while the user still
    /// may; and the bounding set goes while there is the capability to empty it. setrlimit(2), chroot(2),
    /// setgroups(2), setresgid(2), setresuid(2), capabilities(7).
    ///
    /// # Errors
    /// What failed. The process is then neither what it was nor what it should be, and must end.
    pub fn descend(&self) -> Result<(), Failure> {
        for (resource, limit) in &self.limits {
            // SAFETY: the limit is live and only read.
            let answer = unsafe {
                libc::syscall(libc::SYS_prlimit64, 0, *resource, ptr::from_ref(limit), ptr::null::<u8>())
            };
            check(Step::Limits, answer)?;
        }
        if let Some(root) = &self.root {
            // SAFETY: both are strings that end with NUL.
            unsafe {
                check(Step::Root, libc::syscall(libc::SYS_chroot, root.as_ptr()))?;
                check(Step::Root, libc::syscall(libc::SYS_chdir, c"/".as_ptr()))?;
            }
        }
        if !self.gives_up() {
            return Ok(());
        }
        empty_bounding_set();
        self.change_identity()?;
        give_up_capabilities()?;
        no_new_privileges(Step::Capabilities)?;
        if self.is_there() && self.cannot_return() {
            Ok(())
        } else {
            Err(Failure { step: Step::Proof, errno: 0 })
        }
    }

    fn change_identity(&self) -> Result<(), Failure> {
        if let Some(Groups { list, .. }) = &self.groups {
            // SAFETY: the list is live, only read, and as long as it is said to be.
            let answer = unsafe { libc::syscall(libc::SYS_setgroups, list.len(), list.as_ptr()) };
            check(Step::Groups, answer)?;
            let group = list.first().copied().unwrap_or(gid_t::MAX);
            // SAFETY: it takes numbers.
            check(Step::Groups, unsafe { libc::syscall(libc::SYS_setresgid, group, group, group) })?;
        }
        if let Some(user) = self.user {
            // SAFETY: it takes numbers.
            check(Step::User, unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) })?;
        }
        Ok(())
    }

    /// Whether the kernel says of this process what it should. getresuid(2), getresgid(2), getgroups(2).
    fn is_there(&self) -> bool {
        let user = self.user.is_none_or(|user| three(libc::SYS_getresuid) == Some([user; 3]));
        let groups = self.groups.as_ref().is_none_or(|groups| {
            let group = groups.list.first().copied().unwrap_or(gid_t::MAX);
            three(libc::SYS_getresgid) == Some([group; 3]) && groups.are_ours()
        });
        user && groups
    }

    /// Tries what it must not be able to do any more: to be root again, to take groups, to move its root.
    fn cannot_return(&self) -> bool {
        let is_root = self.user.is_none_or(|user| user == 0);
        // SAFETY: the calls take numbers, a string that ends with NUL, and no list at all.
        unsafe {
            let is_refused = |answer: c_long| answer == -1;
            (is_root
                || is_refused(libc::syscall(libc::SYS_setresuid, 0, 0, 0))
                    && is_refused(libc::syscall(libc::SYS_setuid, 0)))
                && libc::syscall(libc::SYS_setgroups, 0, ptr::null::<gid_t>()) == -1
                && libc::syscall(libc::SYS_chroot, c"/".as_ptr()) == -1
        }
    }

    /// Keeps to the files of the ruleset from now on; so does whatever it becomes. landlock_restrict_self(2).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn fence_files(&self) -> Result<(), Failure> {
        let Some(ruleset) = &self.ruleset else { return Ok(()) };
        no_new_privileges(Step::Files)?;
        // SAFETY: it takes numbers.
        let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
        check(Step::Files, answer)
    }

    /// Keeps to the system calls that the filters let through; so does whatever it becomes. The kernel's audit log gets
    /// a line for each that they do not. seccomp(2).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn fence_calls(&self) -> Result<(), Failure> {
        for filter in &self.filters {
            no_new_privileges(Step::Calls)?;
            let program = libc::sock_fprog {
                len: libc::c_ushort::try_from(filter.len()).unwrap_or(0),
                // The kernel only reads it.
                filter: filter.as_ptr().cast_mut(),
            };
            // SAFETY: the program is live and as long as it says.
            let answer = unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    libc::SECCOMP_FILTER_FLAG_LOG,
                    ptr::from_ref(&program),
                )
            };
            check(Step::Calls, answer)?;
        }
        Ok(())
    }
}

/// From now on no program that this process executes gets more than it has. prctl(2), `PR_SET_NO_NEW_PRIVS`.
fn no_new_privileges(step: Step) -> Result<(), Failure> {
    // SAFETY: it takes numbers.
    check(step, unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// So that no program that it executes as root gets any. Where it may not, there is no way to programs with more either.
fn empty_bounding_set() {
    for capability in 0..CAPABILITIES {
        // SAFETY: it takes numbers, and refuses those that are no capability.
        unsafe { libc::syscall(libc::SYS_prctl, libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
}

/// A user other than root has lost them by becoming that; root has not.
fn give_up_capabilities() -> Result<(), Failure> {
    let header: [u32; 2] = [CAPABILITY_VERSION, 0];
    let none = [0_u32; 6];
    // SAFETY: both are as long as this version of the form has it, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    check(Step::Capabilities, answer)
}

/// The real, effective and saved one.
fn three(call: c_long) -> Option<[u32; 3]> {
    let mut ids = [0_u32; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: three live places for the numbers that these two calls write.
    let answer =
        unsafe { libc::syscall(call, ptr::from_mut(real), ptr::from_mut(effective), ptr::from_mut(saved)) };
    (answer == 0).then_some(ids)
}

fn check(step: Step, answer: c_long) -> Result<(), Failure> {
    if answer != -1 {
        return Ok(());
    }
    // SAFETY: the C library's own place for it.
    Err(Failure { step, errno: unsafe { *libc::__errno_location() } })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limits => "set limits on resources",
            Self::Root => "enter the new root",
            Self::Groups => "change groups",
            Self::User => "change the user",
            Self::Capabilities => "give up capabilities",
            Self::Proof => "give up root for good: it can be had back",
            Self::Files => "keep to some files",
            Self::Calls => "keep to some system calls",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            0 => write!(f, "cannot {}", self.step),
            errno => write!(f, "cannot {}: {}", self.step, nix::errno::Errno::from_raw(errno).desc()),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::new(Self::from_raw_os_error(failure.errno).kind(), failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_up_nothing_stays_what_it_was() {
        let before = three(libc::SYS_getresuid);
        assert!(!Descent::default().gives_up());
        Descent::default().descend().expect("nothing to do");
        assert_eq!(three(libc::SYS_getresuid), before);
    }

    #[test]
    fn a_list_of_groups_is_read_back_from_the_kernel() {
        let own = nix::unistd::getgroups().expect("groups");
        let own: Vec<gid_t> = own.iter().map(|group| group.as_raw()).collect();
        assert!(Groups::new(own.clone()).are_ours());
        assert!(!Groups::new([own, vec![gid_t::MAX - 1]].concat()).are_ours());
    }
}

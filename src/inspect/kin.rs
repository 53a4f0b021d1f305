//! Who was adopted, by whom, and who would adopt.
//!
//! When a parent ends, each of its children goes to the nearest living *subreaper* above it, else to PID 1 of its
//! namespace. /proc shows neither who is a subreaper nor who was whose first parent, so what is said here is a
//! conclusion and must be told as "probably". It rests on sessions: a child is born into its parent's session and
//! can only leave it to lead one of its own. A process that does neither, and has a parent of another session, came
//! to that parent later.

use super::{snapshot::Snapshot, stat::Process};

/// That a process has, probably, another parent than the one who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// Who its parent is now.
    pub adopter: i32,
    /// Whether the leader of its session has ended as well: then it is an orphan of a family that is gone.
    pub leader_gone: bool,
}

/// Programs that are known to make themselves subreapers.
const SUBREAPERS: &[&str] =
    &["systemd", "containerd-shim", "conmon", "docker-init", "tini", "dumb-init", "catatonit", "s6-svscan"];

/// Whether a process was adopted, as far as sessions tell.
pub fn adoption(snapshot: &Snapshot, process: &Process) -> Option<Adoption> {
    let parent = snapshot.parent(process)?;
    let strange = process.session != process.pid && process.session != parent.session && process.session != 0;
    if process.kernel || !strange {
        return None;
    }
    let leader_gone = is_gone(snapshot, process.session);
    // A parent that became the leader of a new session after it made this child looks the same, so anybody who is not
    // known to adopt needs the second sign.
    let believable = leader_gone || adopts_by_trade(parent);
    believable.then_some(Adoption { adopter: parent.pid, leader_gone })
}

/// Who would be the next parent of a process if its parent ended: the nearest one above that is known to adopt, or
/// was seen to have adopted.
pub fn adopter<'s>(snapshot: &'s Snapshot, process: &Process) -> Option<&'s Process> {
    let above = snapshot.ancestors(process);
    let mut candidates = above.iter().skip(1).copied();
    candidates.find(|above| adopts(snapshot, above)).or_else(|| snapshot.get(1))
}

/// Whether it is known to adopt, by its trade or because it has adopted.
pub fn adopts(snapshot: &Snapshot, process: &Process) -> bool {
    let has_adopted = |child| adoption(snapshot, child).is_some();
    adopts_by_trade(process) || snapshot.children(process.pid).any(has_adopted)
}

fn adopts_by_trade(process: &Process) -> bool {
    process.pid == 1 || SUBREAPERS.contains(&process.comm.as_str())
}

/// Whether the leader of this session has ended. A session keeps the number of its leader, which nobody else gets as
/// long as the session has members.
fn is_gone(snapshot: &Snapshot, session: i32) -> bool {
    snapshot.get(session).is_none_or(Process::is_zombie)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A family by pid, parent and session.
    fn snapshot(all: &[(i32, i32, i32)]) -> Snapshot {
        let line = |(pid, ppid, session): &(i32, i32, i32)| {
            let zeros = "0 ".repeat(45);
            Process::parse(format!("{pid} (p) S {ppid} {pid} {session} 0 {zeros}").as_bytes())
                .expect("a line")
        };
        Snapshot::new(all.iter().map(line).collect(), Duration::ZERO)
    }

    fn adopted(all: &[(i32, i32, i32)], pid: i32) -> Option<Adoption> {
        let snapshot = snapshot(all);
        adoption(&snapshot, snapshot.get(pid).expect("it is there"))
    }

    #[test]
    fn a_child_of_the_first_process_whose_session_died_is_an_orphan() {
        let found = adopted(&[(1, 0, 1), (30, 1, 20)], 30);
        assert_eq!(found, Some(Adoption { adopter: 1, leader_gone: true }));
    }

    #[test]
    fn one_whose_parent_ended_in_a_shell_that_lives_was_adopted_but_its_family_is_there() {
        let found = adopted(&[(1, 0, 1), (20, 1, 20), (30, 1, 20)], 30);
        assert_eq!(found, Some(Adoption { adopter: 1, leader_gone: false }));
    }

    #[test]
    fn services_children_and_leaders_were_not_adopted() {
        let all = [(1, 0, 1), (20, 1, 20), (21, 20, 20), (22, 20, 22), (23, 1, 1), (24, 1, 0)];
        for pid in [1, 20, 21, 22, 23, 24] {
            assert_eq!(adopted(&all, pid), None, "{pid}");
        }
    }

    #[test]
    fn a_subreaper_is_known_by_what_it_adopted() {
        let all = [(1, 0, 1), (10, 1, 10), (30, 10, 20), (40, 10, 10), (50, 40, 10), (60, 50, 10)];
        assert_eq!(adopted(&all, 30), Some(Adoption { adopter: 10, leader_gone: true }));
        let snapshot = snapshot(&all);
        let adopter_of =
            |pid| adopter(&snapshot, snapshot.get(pid).expect("it is there")).map(|found| found.pid);
        assert_eq!((adopter_of(60), adopter_of(50), adopter_of(40)), (Some(10), Some(10), Some(1)));
    }

    #[test]
    fn a_parent_that_began_a_session_after_the_birth_is_not_called_an_adopter() {
        // 10 was of session 5, made 11, and then led a session of its own; 5 still lives.
        assert_eq!(adopted(&[(1, 0, 1), (5, 1, 5), (10, 5, 10), (11, 10, 5)], 11), None);
    }
}

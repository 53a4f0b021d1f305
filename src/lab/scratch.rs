//! Files of an experiment's own: a directory in memory that nobody else sees and that vanishes with the last process
//! of the experiment. mount_namespaces(7), tmpfs(5).

use std::{fs, io};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::{getgid, getuid},
};

use super::{Lab, Outcome};

/// Gives the stage, and all processes that it makes from then on, an empty `/tmp` of their own.
///
/// # Errors
/// A reason to skip, where the machine does not let an ordinary user have one.
pub fn own_tmp(lab: &Lab) -> Outcome {
    let (user, group) = (getuid(), getgid());
    let made = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(io::Error::from)
        .and_then(|()| fs::write("/proc/self/setgroups", "deny"))
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")))
        .and_then(|()| Ok(mount(Some("lab"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>)?));
    made.map_err(|cause| {
        let en = format!("no namespaces for ordinary users here: {cause}");
        lab.skip(&en, &format!("这里普通用户不能创建命名空间：{cause}"))
    })
}

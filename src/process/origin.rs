//! How this process was started, kept for the day when it is to become a newer program: afterwards it may have left its
//! directory, and changed its environment.

use std::{
    convert::Infallible,
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::image::Image;

/// The variables that spoke of descriptors which were taken long ago.
const STALE: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", UPGRADE];

/// The variable that tells a program what it takes over.
pub const UPGRADE: &str = "FORKD_UPGRADE";

/// See the module.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Origin {
    /// The command line, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment, without what is stale.
    pub environment: Vec<(OsString, OsString)>,
    /// The directory; none if it was gone already.
    pub directory: Option<PathBuf>,
    /// The path of the program as it was written, made absolute: whatever stands there now is the program's successor.
    pub program: PathBuf,
}

impl Origin {
    /// Becomes that program in this process, started in the same way but for one more variable; returns only if it
    /// cannot, and then everything is as before. See [`Image::run`].
    ///
    /// # Errors
    /// Those of execveat(2).
    pub fn run(&self, image: &Image, variable: (OsString, OsString)) -> io::Result<Infallible> {
        let mut environment = self.environment.clone();
        environment.push(variable);
        let here = env::current_dir();
        // As far as it is still there: relative paths mean what they meant then.
        let _ = self.directory.as_ref().map(env::set_current_dir);
        let failed = image.run(&self.arguments, &environment);
        let _ = here.map(env::set_current_dir);
        failed
    }
}

/// How this process was started, as it is known since the first call: that should come early.
pub fn note() -> &'static Origin {
    static ORIGIN: OnceLock<Origin> = OnceLock::new();
    ORIGIN.get_or_init(|| {
        let arguments: Vec<_> = env::args_os().collect();
        let program = program(arguments.first().map(OsString::as_os_str));
        let environment =
            env::vars_os().filter(|(name, _)| STALE.iter().all(|stale| name != stale)).collect();
        Origin { arguments, environment, directory: env::current_dir().ok(), program }
    })
}

/// The path by which the running program was found: as it was written, so that a symbolic link is followed anew; or
/// what the kernel says, where that leads elsewhere. proc(5), `/proc/self/exe`.
fn program(written: Option<&OsStr>) -> PathBuf {
    let running = fs::metadata("/proc/self/exe").map(|file| (file.dev(), file.ino()));
    let is_running = |path: &PathBuf| {
        let found = fs::metadata(path).map(|file| (file.dev(), file.ino()));
        matches!((&found, &running), (Ok(found), Ok(running)) if found == running)
    };
    let written = written.unwrap_or_default();
    let searched = env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = if Path::new(written).components().count() > 1 {
        std::path::absolute(written).into_iter().collect()
    } else {
        env::split_paths(&searched).map(|directory| directory.join(written)).collect()
    };
    let found = candidates.into_iter().find(is_running);
    found.or_else(|| env::current_exe().ok()).unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_program_is_found_by_what_was_written() {
        let exe = env::current_exe().unwrap();
        assert_eq!(program(Some(exe.as_os_str())), exe);
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("current");
        std::os::unix::fs::symlink(&exe, &link).unwrap();
        assert_eq!(program(Some(link.as_os_str())), link, "a link is kept, to be followed anew");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_believed() {
        let exe = env::current_exe().unwrap();
        for wrong in ["/bin/sh", "sh", "", "/nowhere"] {
            assert_eq!(program(Some(OsStr::new(wrong))), exe);
        }
    }
}

//! A program that this process can become.

use std::{
    convert::Infallible,
    ffi::{CString, OsStr, OsString},
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::Path,
};

use nix::{fcntl::AtFlags, unistd::execveat};

/// A program, held open: whatever happens to its path, what was tried is what runs, and what ran can run again.
#[derive(Debug)]
pub struct Image(File);

impl Image {
    /// The program at this path. open(2), `O_PATH`.
    ///
    /// # Errors
    /// Those of finding it; whether it is a program shows when it is run.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self(file))
    }

    /// The program that runs now, even if its file was deleted. proc(5), `/proc/self/exe`.
    ///
    /// # Errors
    /// Where there is no /proc.
    pub fn running() -> io::Result<Self> {
        Self::open(Path::new("/proc/self/exe"))
    }

    /// Becomes that program, in this process: returns only if it cannot. execveat(2).
    ///
    /// Its descriptor must not be close-on-exec if it is a script: the kernel passes its interpreter the name of the
    /// descriptor.
    ///
    /// # Errors
    /// `ENOEXEC` for what is no program, `EACCES` for one that may not be run, `ENOMEM`, `E2BIG`.
    pub fn run(
        &self,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> io::Result<Infallible> {
        let arguments: Vec<_> = arguments.iter().map(|text| c_string(text)).collect::<io::Result<_>>()?;
        let pair = |(name, value): &(OsString, OsString)| {
            c_string(OsStr::from_bytes(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
        };
        let environment: Vec<_> = environment.iter().map(pair).collect::<io::Result<_>>()?;
        Ok(execveat(&self.0, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH)?)
    }
}

impl From<OwnedFd> for Image {
    /// The program that another one kept open.
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_and_what_is_a_directory_are_refused_at_once() {
        assert_eq!(Image::open(Path::new("/nowhere")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(Image::open(Path::new("/tmp")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        Image::running().unwrap();
    }
}

//! What relative paths mean: the directory in which the command was typed, also after a daemon has left it.

use std::{
    path::{self, Path, PathBuf},
    sync::OnceLock,
};

use crate::{Error, Result, listener::Address};

/// The directory in which this command was typed: a daemon leaves it, and reads its words again at each reload.
static HERE: OnceLock<PathBuf> = OnceLock::new();

/// Notes the current directory, from which relative paths are meant from now on.
pub fn note_here() {
    if let Ok(here) = std::env::current_dir() {
        HERE.get_or_init(|| here);
    }
}

/// The same path seen from the root.
///
/// # Errors
/// When it is empty, or the current directory is gone and it is relative.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    let seen = match HERE.get().filter(|_| path.is_relative() && !path.as_os_str().is_empty()) {
        Some(here) => path::absolute(here.join(path)),
        None => path::absolute(path),
    };
    seen.map_err(|cause| {
        Error::system(format!("find {path:?} from here"), cause).remedy("write an absolute path").as_usage()
    })
}

/// The same address with its path seen from the root.
///
/// # Errors
/// As for [`absolute`].
pub fn absolute_address(address: &Address) -> Result<Address> {
    if let Address::Unix(path) = address { Ok(Address::Unix(absolute(path)?)) } else { Ok(address.clone()) }
}

//! Whether this process has one thread, as far as the C library knows.

use std::{ffi::c_char, sync::OnceLock};

/// Whether the C library is certain that this process has never had another thread than this one.
///
/// It knows of every thread that is made through it, and keeps a byte of it that costs a load to look at. `false` is no
/// answer: a thread may have ended, or the library may not tell. `__libc_single_threaded(3)`, since glibc 2.32.
pub fn never_had_another() -> bool {
    static BYTE: OnceLock<usize> = OnceLock::new();
    // Looked up at run time, so that an older library is no reason not to start.
    let byte = *BYTE.get_or_init(|| {
        // SAFETY: a name that ends with a NUL; the answer is an address that stays valid, or null.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) as usize }
    });
    // SAFETY: the library declares it as a `char` that lives as long as the process; whoever makes a thread writes it
    // before that thread runs, so that in a process with one thread nobody writes it now.
    byte != 0 && unsafe { (byte as *const c_char).read_volatile() } != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_never_taken_for_one_without() {
        // The harness runs each test in a thread of its own.
        assert!(!never_had_another());
    }
}

//! Bytes that nobody can guess, and that a forked process does not share with its parent.

use std::io;

use super::check;

/// So many bytes of the kernel's generator. getrandom(2).
///
/// # Errors
/// None once the machine has booted.
pub fn bytes<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    const { assert!(COUNT <= 256, "up to so many come whole and without a signal between them") };
    let mut bytes = [0; COUNT];
    // SAFETY: the kernel writes at most `COUNT` bytes, and there is room for them.
    let taken = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), COUNT, 0) };
    check(libc::c_int::try_from(taken).unwrap_or(-1))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }
}

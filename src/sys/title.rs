//! What ps(1) and pstree(1) call a process.
//!
//! The kernel shows the memory in which it laid out the command line at exec: the strings of argv, then those of the
//! environment, one after the other. A process renames itself by writing there, once it has moved the strings that the
//! program still needs:
//!
//! ```text
//! before  f o r k d \0 h t t p \0 P A T H = / b i n \0 …
//! after   f o r k d :     m a s  t e r   h t t p \0 …        argv[…] and environ[…] point to copies on the heap
//! ```

use std::{
    ffi::{CStr, c_char, c_int},
    io, ptr, slice,
    sync::{
        OnceLock,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

/// The old home of the command line and the environment.
#[derive(Debug)]
struct Area {
    /// Its first byte, as a number: a pointer would not be `Sync`, and nobody but [`set`] may write there.
    start: usize,
    /// The bytes of argv, with its last NUL.
    arguments: usize,
    /// The bytes of argv and the environment behind it.
    bytes: usize,
    /// How many bytes from the start are ours already: the longest title so far, at least argv.
    touched: AtomicUsize,
}

static AREA: OnceLock<Area> = OnceLock::new();
static ARGV: AtomicPtr<*mut c_char> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" {
    /// The environment as it is now: a variable that was set since the start has made the C library move the list.
    static mut environ: *mut *mut c_char;
}

/// Moves the arguments and the environment out of the way, so that [`set`] has where to write.
///
/// Call it once, in the first process, before any thread. `std::env::args` and `vars` work as before. Where it is
/// impossible, because the C library does not tell where argv lies, titles stay as they are.
pub fn reserve() {
    let argv = ARGV.load(Ordering::Relaxed);
    if argv.is_null() || AREA.get().is_some() {
        return;
    }
    // SAFETY: both lists end with a null pointer, and no other thread is there to use them.
    let (arguments, environment) = unsafe { (strings(argv), strings(environ)) };
    let Some(area) = Area::of(arguments, environment) else { return };
    // The copies are made for good: C's getenv and Rust's args hand out pointers to them.
    for place in arguments.iter_mut().chain(environment) {
        // SAFETY: each is a string of argv or of the environment, ended by NUL.
        *place = unsafe { CStr::from_ptr(*place) }.to_owned().into_raw();
    }
    let _ = AREA.set(area);
}

/// Makes `title` what ps(1) shows of this process, cut to the room that there is.
///
/// Nothing happens if [`reserve`] was not called or found no room. proc(5), `/proc/PID/cmdline`.
pub fn set(title: &str) {
    if let Some(area) = AREA.get() {
        area.write(title.as_bytes());
    }
}

/// Makes `name` the short name of this process, that pstree(1) and top(1) show: at most 15 bytes. prctl(2).
///
/// # Errors
/// `InvalidInput` for a name with a NUL in it.
pub fn set_comm(name: &str) -> io::Result<()> {
    // On the stack: a process that serves one short connection allocates as little as it can.
    let mut text = [0; 16];
    let shown = &name.as_bytes()[..name.len().min(text.len() - 1)];
    text[..shown.len()].copy_from_slice(shown);
    let text = CStr::from_bytes_until_nul(&text).map_err(io::Error::other)?;
    if text.count_bytes() < shown.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(nix::sys::prctl::set_name(text)?)
}

impl Area {
    /// The stretch of memory in which these strings lie, as far as they are neighbours; `None` without arguments.
    fn of(arguments: &[*mut c_char], environment: &[*mut c_char]) -> Option<Self> {
        let start = *arguments.first()? as usize;
        let arguments = run_of_strings(start, arguments);
        let end = run_of_strings(arguments, environment);
        Some(Self {
            start,
            arguments: arguments - start,
            bytes: end - start,
            touched: AtomicUsize::new(arguments - start),
        })
    }

    /// Writes the title, a NUL, and more NULs over what an earlier title or the arguments left behind it.
    ///
    /// The kernel shows argv to its end, NULs and all, unless the last byte of argv is *not* NUL: then it takes the
    /// text for a title and stops at its first NUL. So a short title gets such a byte there.
    fn write(&self, title: &[u8]) {
        let title = &title[..title.len().min(self.bytes - 1)];
        let touched = self.touched.fetch_max(title.len() + 1, Ordering::Relaxed).max(title.len() + 1);
        // SAFETY: the area is ours since `reserve` moved its strings, stays mapped for the life of the process, and
        // `touched` never exceeds its length. One thread at a time calls `set`: a worker has one when it names itself.
        let area = unsafe { slice::from_raw_parts_mut(self.start as *mut u8, touched) };
        area[..title.len()].copy_from_slice(title);
        area[title.len()..].fill(0);
        if title.len() + 1 < self.arguments {
            area[self.arguments - 1] = b'.';
        }
    }
}

/// Where the run of neighbouring strings ends that begins at `start`.
fn run_of_strings(start: usize, strings: &[*mut c_char]) -> usize {
    strings.iter().fold(start, |end, &string| {
        if string as usize != end {
            return end;
        }
        // SAFETY: the caller's pointers are to strings ended by NUL.
        end + unsafe { CStr::from_ptr(string) }.count_bytes() + 1
    })
}

/// The pointers of a list as C passes it, without the null that ends it.
///
/// # Safety
/// `list` must be such a list, which nobody else uses while the answer lives; null is an empty one.
unsafe fn strings<'a>(list: *mut *mut c_char) -> &'a mut [*mut c_char] {
    if list.is_null() {
        return &mut []; // clearenv(3) leaves it so
    }
    // SAFETY: up to and with the null at its end, the list may be read, as the caller promises.
    let length = (0..).take_while(|&at| !unsafe { *list.add(at) }.is_null()).count();
    // SAFETY: that many pointers were just read; the caller promises that nobody else uses them.
    unsafe { slice::from_raw_parts_mut(list, length) }
}

/// Runs before `main`: the C library passes to such functions what it passes to `main`, and Rust hands it on to
/// nobody. Other C libraries than glibc pass nothing, so there is no such function there.
#[cfg(target_env = "gnu")]
#[used]
#[unsafe(link_section = ".init_array")]
static CAPTURE: extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) = {
    extern "C" fn capture(_argc: c_int, argv: *mut *mut c_char, _environ: *mut *mut c_char) {
        ARGV.store(argv, Ordering::Relaxed);
    }
    capture
};

#[cfg(test)]
mod tests {
    use super::*;

    /// What ps(1) would show: proc(5) as the kernel's fs/proc/base.c does it.
    fn shown(memory: &[u8], arguments: usize) -> String {
        let end = match memory[arguments - 1] {
            0 => arguments,
            _ => memory.iter().position(|&byte| byte == 0).unwrap(),
        };
        String::from_utf8_lossy(&memory[..end]).trim_end_matches('\0').into()
    }

    fn area(memory: &mut [u8], arguments: usize) -> Area {
        let touched = AtomicUsize::new(arguments);
        Area { start: memory.as_mut_ptr() as usize, arguments, bytes: memory.len(), touched }
    }

    #[test]
    fn a_title_shows_alone_whatever_was_there_before() {
        let mut memory = *b"forkd\0http\0PATH=/bin\0HOME=/root\0";
        let area = area(&mut memory, 11);
        for title in ["forkd: master http", "x", "0123456789", "012345678", "", "forkd: worker 1 gen 2"] {
            area.write(title.as_bytes());
            assert_eq!(shown(&memory, 11), title);
        }
    }

    #[test]
    fn a_title_is_cut_to_its_room_and_stays_out_of_the_environment_if_it_can() {
        let mut memory = *b"forkd\0http\0PATH=/bin\0";
        let area = area(&mut memory, 11);
        area.write(b"short");
        assert_eq!(&memory[11..], b"PATH=/bin\0");
        area.write(&[b'x'; 100]);
        assert_eq!(shown(&memory, 11), "x".repeat(20));
        area.write(b"short");
        assert_eq!(&memory, b"short\0\0\0\0\0.\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn only_neighbours_belong_to_the_area() {
        let mut memory = *b"forkd\0http\0PATH=/bin\0";
        let mut elsewhere = *b"_SET=later\0";
        let at = |text: &mut [u8], offset: usize| text[offset..].as_mut_ptr().cast::<c_char>();
        let (arguments, path) = ([at(&mut memory, 0), at(&mut memory, 6)], at(&mut memory, 11));
        let area = Area::of(&arguments, &[path, at(&mut elsewhere, 1)]).unwrap();
        assert_eq!((area.arguments, area.bytes), (11, 21));
        assert!(Area::of(&[], &[path]).is_none());
    }
}

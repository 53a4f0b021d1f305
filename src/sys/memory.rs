//! Memory that processes share and that none of them can take away from the others, and memory that one can do without.

use std::{
    ffi::c_void,
    io,
    num::NonZeroUsize,
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
    slice,
    sync::{OnceLock, atomic::AtomicU64},
};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    libc::off_t,
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, ProtFlags, mmap, munmap},
        stat::fstat,
    },
    unistd::ftruncate,
};

use super::nursery;

/// Zeroed memory that this process shares with every child that it forks, as words that may change at any time.
///
/// It lies in a memfd(2) sealed against growing and shrinking: a child that truncated it would otherwise end the
/// master by SIGBUS at its next look. What the words say is another matter: any child can write any of them.
#[derive(Debug)]
pub struct SharedMemory {
    start: NonNull<c_void>,
    bytes: NonZeroUsize,
    fd: OwnedFd,
}

/// What must hold for a memory file before this process touches it.
const SEALS: SealFlag =
    SealFlag::from_bits_truncate(libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL);

impl SharedMemory {
    /// Makes a memory of that many bytes, all zero. Only pages that are touched cost anything. memfd_create(2).
    ///
    /// # Errors
    /// Those of making a descriptor and a mapping: `EMFILE`, `ENFILE`, `ENOMEM`; `EINVAL` for no bytes at all.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let fd = memfd_create(c"forkd", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        ftruncate(&fd, off_t::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?)?;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS))?;
        Self::from_fd(fd)
    }

    /// Maps the memory of a descriptor that came from [`SharedMemory::new`], in this process or in one before it.
    ///
    /// # Errors
    /// `InvalidInput` for a file that is not sealed or empty; those of mmap(2).
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let seals = SealFlag::from_bits_truncate(fcntl(&fd, FcntlArg::F_GET_SEALS)?);
        let bytes = usize::try_from(fstat(&fd)?.st_size).ok().and_then(NonZeroUsize::new);
        let Some(bytes) = bytes.filter(|_| seals.contains(SEALS)) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses a fresh place, so no other memory of ours is affected.
        let start = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, &fd, 0) }?;
        Ok(Self { start, bytes, fd })
    }

    /// The whole memory, as words. A rest of less than a word is left out.
    pub fn words(&self) -> &[AtomicU64] {
        let words = self.bytes.get() / size_of::<AtomicU64>();
        // SAFETY: the mapping is page-aligned, lives as long as `self` and cannot shrink; every bit pattern is an
        // AtomicU64, and other processes change it by atomic stores or not at all.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), words) }
    }
}

impl AsFd for SharedMemory {
    /// The memory file, to hand to a process that maps it by [`SharedMemory::from_fd`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for SharedMemory {
    /// Unmaps it in this process alone; the others keep theirs.
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and no borrow of the words outlives `self`.
        let _ = unsafe { munmap(self.start, self.bytes.get()) };
    }
}

// SAFETY: the memory is reached through atomics alone, and the mapping belongs to the process, not to a thread.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

/// Gives back what a master needed only to start: freed memory that the allocator holds, and code. malloc_trim(3).
///
/// It is not for a child: to walk through the free memory that it shares with its parent would make copies of it.
pub fn settle() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the allocator gives back what is free, and nothing else.
    unsafe {
        libc::malloc_trim(0);
    }
    nursery::tidy();
    forget_start();
}

/// Gives back what was needed only to start, in any process: code and constants, and stack.
pub fn forget_start() {
    forget_code();
    forget_stack();
}

/// Gives back the pages of the first thread's stack that lie deeper than this call: to read a command line takes sixty
/// kilobytes of it, which each child would have, too. On another thread's stack it does nothing.
#[inline(never)]
pub fn forget_stack() {
    /// What calls from here need meanwhile.
    const NEAR: usize = 2048;
    /// How deep a stack is at a start, at most.
    const DEEP: usize = 1 << 20;
    let local = 0_u8;
    let here = (&raw const local) as usize;
    // SAFETY: it reads what the kernel told this program at its start.
    let top = unsafe { libc::getauxval(libc::AT_RANDOM) } as usize;
    let page = page_size();
    let end = here.saturating_sub(NEAR) / page * page;
    if here < top && top - here < DEEP {
        // SAFETY: the bytes behind AT_RANDOM lie at the upper end of the first thread's stack, and below that the kernel
        // leaves 128 MiB at least to it alone. So all of this is its, or nobody's, and deeper than what is in use: nobody
        // reads there before writing.
        unsafe { libc::madvise((end - DEEP) as *mut c_void, DEEP, libc::MADV_DONTNEED) };
    }
}

/// Gives back the pages of code and constants, which come back from the page cache when they are used again. A server
/// has far more code to read its command line than to answer a request. madvise(2), `MADV_DONTNEED`.
fn forget_code() {
    /// Where they lie. To look anew would read a page of each library, and so bring it back.
    static STRETCHES: OnceLock<Vec<Range<usize>>> = OnceLock::new();
    for stretch in STRETCHES.get_or_init(read_only) {
        // SAFETY: these pages map a file and were never written to, so they read the same after this.
        unsafe { libc::madvise(stretch.start as *mut c_void, stretch.len(), libc::MADV_DONTNEED) };
    }
}

/// The segments of the program and its libraries that nobody can write to: there what stands in the file is all that
/// there is. Neighbours are one stretch. dl_iterate_phdr(3).
fn read_only() -> Vec<Range<usize>> {
    let mut stretches = Vec::<Range<usize>>::with_capacity(32);
    // SAFETY: the callback has the right type, and gets what it expects.
    unsafe { libc::dl_iterate_phdr(Some(note_segments), (&raw mut stretches).cast()) };
    stretches
}

/// Notes those of one of them.
unsafe extern "C" fn note_segments(
    object: *mut libc::dl_phdr_info,
    _: usize,
    stretches: *mut c_void,
) -> libc::c_int {
    // SAFETY: the loader passes a valid description of a loaded object, which is not changed during the call, and what
    // `read_only` gave it, which nobody else uses meanwhile.
    let (base, headers, stretches) = unsafe {
        let object = &*object;
        let headers = slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum));
        (object.dlpi_addr, headers, &mut *stretches.cast::<Vec<Range<usize>>>())
    };
    let page = page_size();
    for header in
        headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0)
    {
        let start = (base + header.p_vaddr) as usize / page * page;
        let end = ((base + header.p_vaddr + header.p_memsz) as usize).next_multiple_of(page);
        match stretches.last_mut() {
            Some(last) if last.end == start => last.end = end,
            Some(_) | None => stretches.push(start..end),
        }
    }
    0
}

/// How large a page is. sysconf(3).
pub(super) fn page_size() -> usize {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    page.and_then(|page| usize::try_from(page).ok()).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn two_mappings_of_one_memory_see_the_same_words() {
        let ours = SharedMemory::new(4096 * 3).unwrap();
        let theirs = SharedMemory::from_fd(ours.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(ours.words().len(), 1536);
        assert!(ours.words().iter().all(|word| word.load(Relaxed) == 0));
        ours.words()[1535].store(7, Relaxed);
        assert_eq!(theirs.words()[1535].load(Relaxed), 7);
    }

    #[test]
    fn nobody_can_resize_it() {
        let memory = SharedMemory::new(4096).unwrap();
        for bytes in [0, 8192] {
            assert_eq!(ftruncate(&memory, bytes), Err(nix::errno::Errno::EPERM));
        }
    }

    #[test]
    fn a_settled_process_goes_on() {
        let before = format!("{:?}", std::thread::current().id());
        settle();
        assert_eq!(format!("{:?}", std::thread::current().id()), before);
    }

    #[test]
    fn a_file_that_could_shrink_is_refused() {
        let loose = memfd_create(c"loose", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        ftruncate(&loose, 4096).unwrap();
        assert_eq!(SharedMemory::from_fd(loose).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(SharedMemory::new(0).is_err());
    }
}

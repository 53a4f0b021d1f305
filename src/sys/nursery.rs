//! The memory with which something begins.
//!
//! What a forked child inherits is a copy of its parent's heap, with free places all over it. To write into a page of that
//! for the first time is a fault and a copy of the page, about two microseconds and 4 KiB each: a worker met forty of them
//! until it was ready, a process for one connection a dozen. So a child begins with a stretch of fresh memory, takes one
//! piece behind the other, and gives nothing back of what it inherited: its parent has the same pages anyway. When the
//! stretch is used up, or the child is settled, it goes on as any other process.
//!
//! A program begins with its command line, and to read that takes three thousand pieces, of which a server keeps a few
//! dozen. In the heap those few would stand between holes, and whatever came later would go into the holes, on a hundred
//! pages that a few would hold. So the program reads it in a stretch of its own, too. On leaving a stretch, the pages
//! of it on which nothing lives any more go back to the kernel.
//!
//! It takes effect in a program that has [`Nursery`] as its allocator; without it, all is as usual.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::c_void,
    num::NonZeroUsize,
    ops::Range,
    ptr,
    sync::atomic::{AtomicU16, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed},
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use super::memory::page_size;

/// The system's allocator, and in a process that is in its nursery, that first.
#[derive(Debug, Clone, Copy)]
pub struct Nursery;

/// Whose beginning it is. Each has a stretch of the nursery to itself, since a worker is forked where a start is over, and
/// a connection process where a worker is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// That of a program: half as much again as its command line needs.
    Start,
    /// That of a worker, until it is ready.
    Worker,
    /// That of a process for one connection, for dozens of requests.
    Connection,
}

impl Part {
    /// The pages of it, counted from the first of the nursery. One costs nothing until it is written to.
    const fn pages(self) -> Range<usize> {
        match self {
            Self::Start => 0..384,
            Self::Worker => 384..448,
            Self::Connection => 448..PAGES,
        }
    }
}

/// How many pages there are: as many as one page of the kernel's tables is for.
const PAGES: usize = 512;

/// A page, where the kernel's are of the usual size; elsewhere none is given back.
const PAGE: usize = 4096;

/// How large the whole of it is.
const SIZE: usize = PAGES * PAGE;

/// A piece so large is always the system's: it has pages of its own.
const LARGE: usize = 64 * 1024;

const CLOSED: usize = 0;

/// What is known of it, side by side: a child that takes its first piece copies one page for that, not several.
#[repr(align(2048))]
struct Book {
    /// Where it lies; 0 without one.
    start: AtomicUsize,
    /// Where the next piece begins; [`CLOSED`] outside of it, or when the part is used up.
    next: AtomicUsize,
    /// Where the part ends that was entered last.
    end: AtomicUsize,
    /// How many living pieces reach into each page.
    living: [AtomicU16; PAGES],
}

static BOOK: Book = Book {
    start: AtomicUsize::new(0),
    next: AtomicUsize::new(CLOSED),
    end: AtomicUsize::new(0),
    living: [const { AtomicU16::new(0) }; PAGES],
};

/// Takes memory from that part from now on, behind all that lives in it, until it is used up or [`leave`] is called. A child
/// that was just forked gives nothing back of what is older.
pub fn enter(part: Part) {
    if BOOK.start.load(Relaxed) == 0 {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let size = NonZeroUsize::new(SIZE).expect("not zero");
        // SAFETY: the kernel chooses a fresh place, so no other memory of ours is affected. It is never given back.
        let Ok(start) = (unsafe { mmap_anonymous(None, size, access, flags) }) else { return };
        // SAFETY: it is advice on what was just mapped. A huge page would cost two megabytes for a few small ones.
        unsafe { libc::madvise(start.as_ptr(), SIZE, libc::MADV_NOHUGEPAGE) };
        BOOK.start.store(start.as_ptr() as usize, Relaxed);
    }
    let (start, pages) = (BOOK.start.load(Relaxed), part.pages());
    let lived_in = BOOK.living[pages.clone()].iter().rposition(|living| living.load(Relaxed) > 0);
    let first = pages.start + lived_in.map_or(0, |last| last + 1);
    BOOK.end.store(start + pages.end * PAGE, Relaxed);
    BOOK.next.store(start + first * PAGE, Relaxed);
}

/// The system's allocator is asked from now on. What is empty of the part goes back to the kernel.
pub fn leave() {
    BOOK.next.swap(CLOSED, AcqRel);
    for part in [Part::Start, Part::Worker, Part::Connection] {
        if BOOK.end.load(Relaxed) == BOOK.start.load(Relaxed) + part.pages().end * PAGE {
            give_back(part);
        }
    }
}

/// Does that in that part of the nursery.
pub fn during<T>(part: Part, act: impl FnOnce() -> T) -> T {
    enter(part);
    let done = act();
    leave();
    done
}

/// Gives back what has become empty since then of the part in which the program began.
pub fn tidy() {
    if BOOK.start.load(Relaxed) != 0 && BOOK.next.load(Relaxed) == CLOSED {
        give_back(Part::Start);
    }
}

/// Gives the kernel the pages of a part on which nothing lives: nobody may be taking pieces there. madvise(2),
/// `MADV_DONTNEED`.
fn give_back(part: Part) {
    if page_size() != PAGE {
        return;
    }
    let Range { start: mut page, end } = part.pages();
    while page < end {
        let empty = BOOK.living[page..end].iter().take_while(|living| living.load(Acquire) == 0).count();
        if empty > 0 {
            let first = BOOK.start.load(Relaxed) + page * PAGE;
            // SAFETY: no living piece reaches into these pages, and none begins there before `enter`.
            unsafe { libc::madvise(first as *mut c_void, empty * PAGE, libc::MADV_DONTNEED) };
        }
        page += empty + 1;
    }
}

/// Takes a piece off the front, unless it is a large one.
///
/// It is counted before it is taken: whoever closes the part between the two finds either none or both.
#[cold]
#[inline(never)]
fn take(layout: Layout) -> Option<*mut u8> {
    if layout.size() >= LARGE {
        return None;
    }
    let end = BOOK.end.load(Relaxed);
    let mut next = BOOK.next.load(Acquire);
    while next != CLOSED {
        let place = next.checked_next_multiple_of(layout.align())?;
        let Some(after) = place.checked_add(layout.size()).filter(|after| *after <= end) else {
            BOOK.next.store(CLOSED, Relaxed);
            break;
        };
        count(place, layout.size());
        match BOOK.next.compare_exchange(next, after, AcqRel, Acquire) {
            Ok(_) => return Some(place as *mut u8),
            Err(now) => next = now,
        }
        forget(place, layout.size());
    }
    None
}

/// The counts of the pages into which a piece of ours reaches.
fn reached(place: usize, size: usize) -> impl Iterator<Item = &'static AtomicU16> {
    let offset = place - BOOK.start.load(Relaxed);
    BOOK.living[offset / PAGE..=(offset + size.max(1) - 1) / PAGE].iter()
}

/// A piece of ours is there.
fn count(place: usize, size: usize) {
    reached(place, size).for_each(|living| _ = living.fetch_add(1, Relaxed));
}

/// A piece of ours is gone.
fn forget(place: usize, size: usize) {
    reached(place, size).for_each(|living| _ = living.fetch_sub(1, AcqRel));
}

fn is_ours(piece: *mut u8) -> bool {
    let start = BOOK.start.load(Relaxed);
    start != 0 && (start..start + SIZE).contains(&(piece as usize))
}

// SAFETY: every piece comes from the system's allocator, or is a stretch of the nursery that `next` has passed and that
// no other piece overlaps: `next` moves back over a piece only when that is given back or shrinks, and only if it is
// the last, and begins anew only behind all pages into which a living piece reaches. A piece goes back to the system only
// if it is outside of the nursery.
unsafe impl GlobalAlloc for Nursery {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if BOOK.next.load(Relaxed) != CLOSED
            && let Some(piece) = take(layout)
        {
            return piece;
        }
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if BOOK.next.load(Relaxed) != CLOSED
            && let Some(piece) = take(layout)
        {
            // SAFETY: a piece that is there has that many bytes.
            unsafe { piece.write_bytes(0, layout.size()) };
            return piece;
        }
        // SAFETY: as above. It knows which of its memory is zero already.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if is_concerned(piece) {
            // SAFETY: the caller's promise is ours.
            unsafe { put_back(piece, layout) }
        } else {
            // SAFETY: it is not of the nursery, so it is of the system.
            unsafe { System.dealloc(piece, layout) }
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_concerned(piece) {
            // SAFETY: the caller's promise is ours.
            unsafe { resize(piece, layout, size) }
        } else {
            // SAFETY: it is not of the nursery, so it is of the system.
            unsafe { System.realloc(piece, layout, size) }
        }
    }
}

/// Whether that is not for the system alone. All of the rest is out of the way of those whom it does not concern.
fn is_concerned(piece: *mut u8) -> bool {
    BOOK.next.load(Relaxed) != CLOSED || is_ours(piece)
}

/// Gives back a piece: if it is ours and the last one, the next begins where it did. What a child inherits it keeps; at
/// the start of a program nothing is inherited.
///
/// # Safety
/// That of [`GlobalAlloc::dealloc`].
#[cold]
#[inline(never)]
unsafe fn put_back(piece: *mut u8, layout: Layout) {
    let (start, size, next) = (piece as usize, layout.size(), BOOK.next.load(Relaxed));
    if is_ours(piece) {
        forget(start, size);
        let _ = BOOK.next.compare_exchange(start + size, start, AcqRel, Relaxed);
    } else if size >= LARGE || next < BOOK.start.load(Relaxed) + Part::Start.pages().end * PAGE {
        // SAFETY: it is not of the nursery, so it is of the system.
        unsafe { System.dealloc(piece, layout) }
    }
}

/// Makes a piece larger or smaller, where it is or elsewhere.
///
/// # Safety
/// That of [`GlobalAlloc::realloc`].
#[cold]
#[inline(never)]
unsafe fn resize(piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    let ours = is_ours(piece);
    if ours && resize_last(piece as usize, layout.size(), size) {
        return piece;
    }
    // SAFETY: the caller promises that the size is that of a layout; the old piece is valid for its own size, and a new one
    // cannot overlap it. One that is not of the nursery is of the system.
    unsafe {
        if !ours && layout.size() >= LARGE && size >= LARGE {
            return System.realloc(piece, layout, size);
        }
        let moved = Nursery.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !moved.is_null() {
            ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
            Nursery.dealloc(piece, layout);
        }
        moved
    }
}

/// Puts the end of the last piece elsewhere, if this is the last piece.
fn resize_last(start: usize, before: usize, after: usize) -> bool {
    let end = BOOK.end.load(Relaxed);
    if BOOK.next.load(Relaxed) != start + before || start.checked_add(after).is_none_or(|after| after > end) {
        return false;
    }
    count(start, after);
    let resized = BOOK.next.compare_exchange(start + before, start + after, AcqRel, Relaxed).is_ok();
    forget(start, if resized { before } else { after });
    resized
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A nursery is for a whole process: one test tells all of its life.
    #[test]
    fn pieces_lie_behind_each_other_until_the_stretch_is_used_up() {
        let layout = |size| Layout::from_size_align(size, 16).unwrap();
        // SAFETY: each piece is used within its size, given back once and with its own layout.
        unsafe {
            let old = Nursery.alloc(layout(100));
            enter(Part::Worker);
            let first = Nursery.alloc(layout(100));
            assert!(is_ours(first) && !is_ours(old));
            first.write_bytes(7, 100);
            let longer = Nursery.realloc(first, layout(100), 200);
            assert_eq!(longer, first, "the last piece grows where it is");
            let second = Nursery.alloc_zeroed(layout(64));
            assert_eq!(second as usize, (first as usize + 200).next_multiple_of(16));
            let moved = Nursery.realloc(longer, layout(200), 300);
            assert!(moved > second && *moved.add(99) == 7);
            Nursery.dealloc(moved, layout(300));
            assert_eq!(Nursery.alloc(layout(300)), moved, "what was given back last is taken again");
            let kept = Nursery.realloc(old, layout(100), 120);
            let large = Nursery.realloc(Nursery.alloc_zeroed(layout(LARGE)), layout(LARGE), LARGE * 2);
            assert!(is_ours(kept) && !is_ours(large) && *large.add(LARGE - 1) == 0);
            let small = Nursery.realloc(large, layout(LARGE * 2), 10);
            assert!(is_ours(small), "a small piece is not the system's, however it came to be");
            leave();
            assert!(!is_ours(Nursery.alloc(layout(8))));
            enter(Part::Worker);
            let page = Nursery.alloc(layout(8));
            assert!(is_ours(page) && page > small && (page as usize).is_multiple_of(PAGE));
            while is_ours(Nursery.alloc(layout(LARGE / 2))) {}
            assert!(
                !is_ours(Nursery.alloc(layout(8))),
                "once the system was needed, it is asked for everything"
            );
        }
    }

    #[test]
    fn pages_on_which_nothing_lives_are_given_back() {
        let layout = Layout::from_size_align(PAGE, PAGE).unwrap();
        // SAFETY: each piece is used within its size and given back once; a page that was given back stays mapped, and
        // is nobody's until the part is entered again.
        unsafe {
            enter(Part::Start);
            let pieces = [(); 3].map(|()| Nursery.alloc(layout));
            pieces.iter().for_each(|piece| piece.write_bytes(7, PAGE));
            Nursery.dealloc(pieces[0], layout);
            leave();
            assert_eq!(pieces.map(|piece| piece.read_volatile()), [0, 7, 7]);
            Nursery.dealloc(pieces[2], layout);
            tidy();
            assert_eq!(pieces.map(|piece| piece.read_volatile()), [0, 7, 0]);
            let again = during(Part::Start, || Nursery.alloc(layout));
            assert_eq!(again, pieces[2], "it goes on behind what lives");
            let other = during(Part::Connection, || Nursery.alloc(layout));
            assert!(is_ours(other) && other > again);
        }
    }
}

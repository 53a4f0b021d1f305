//! The memory with which a forked child begins.
//!
//! What it inherits is a copy of its parent's heap, with free places all over it. To write into a page of that for the
//! first time is a fault and a copy of the page, about two microseconds and 4 KiB each: a worker met forty of them until
//! it was ready, a process for one connection a dozen. So a child begins with a stretch of fresh memory, takes one piece
//! behind the other, and gives nothing back of what it inherited: its parent has the same pages anyway. When the stretch
//! is used up, or the child is settled, it goes on as any other process.
//!
//! It takes effect in a program that has [`Nursery`] as its allocator; without it, all is as usual.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    num::NonZeroUsize,
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// The system's allocator, and in a child that is in its nursery, that first.
#[derive(Debug, Clone, Copy)]
pub struct Nursery;

/// How much there is of it: enough for a worker to become ready, and behind that for dozens of requests of a process
/// that it forks. A page costs nothing until it is written to.
const SIZE: usize = 256 * 1024;

/// A piece so large is always the system's: it has pages of its own.
const LARGE: usize = SIZE / 4;

/// Where it lies; 0 without one.
static START: AtomicUsize = AtomicUsize::new(0);

/// Where the next piece begins; [`CLOSED`] outside of it, or when it is used up.
static NEXT: AtomicUsize = AtomicUsize::new(CLOSED);

/// Where it goes on when it is entered again.
static REST: AtomicUsize = AtomicUsize::new(CLOSED);

const CLOSED: usize = 0;

/// In a child that was just forked: takes memory from there, and gives none back that is older, until it is used up or
/// [`leave`] is called. The child of a child goes on behind what its parent took.
pub fn enter() {
    if START.load(Relaxed) == 0 {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let size = NonZeroUsize::new(SIZE).expect("not zero");
        // SAFETY: the kernel chooses a fresh place, so no other memory of ours is affected. It is never given back.
        let Ok(start) = (unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_PRIVATE) }) else {
            return;
        };
        START.store(start.as_ptr() as usize, Relaxed);
        REST.store(start.as_ptr() as usize, Relaxed);
    }
    NEXT.store(REST.load(Relaxed), Relaxed);
}

/// In a child that is settled: the system's allocator is asked from now on.
pub fn leave() {
    let next = NEXT.swap(CLOSED, Relaxed);
    if next != CLOSED {
        REST.store(next.next_multiple_of(PAGE), Relaxed);
    }
}

/// A child that goes on here shares no page with its parent that it would have to copy.
const PAGE: usize = 4096;

/// Takes a piece off the front.
fn take(layout: Layout) -> Option<*mut u8> {
    let end = START.load(Relaxed) + SIZE;
    let place = |next: usize| next.checked_next_multiple_of(layout.align());
    let after = |next: usize| place(next)?.checked_add(layout.size()).filter(|after| *after <= end);
    let open = |next: usize| if next == CLOSED { None } else { after(next) };
    let taken = NEXT.fetch_update(Relaxed, Relaxed, open).ok().and_then(place);
    if taken.is_none() {
        // From here on there are small pieces that must be given back to the system, and it cannot be told which.
        NEXT.store(CLOSED, Relaxed);
        REST.store(CLOSED, Relaxed);
    }
    taken.map(|place| place as *mut u8)
}

fn is_ours(piece: *mut u8) -> bool {
    let start = START.load(Relaxed);
    start != 0 && (start..start + SIZE).contains(&(piece as usize))
}

/// Whether a piece of that size is asked of the system now. What is not ours and smaller is inherited then, and kept.
fn is_for_system(size: usize) -> bool {
    NEXT.load(Relaxed) == CLOSED || size >= LARGE
}

/// Puts the end of the last piece elsewhere, if this is the last piece.
fn resize_last(piece: *mut u8, before: usize, after: usize) -> bool {
    let (start, end) = (piece as usize, START.load(Relaxed) + SIZE);
    let fits = start.checked_add(after).is_some_and(|after| after <= end);
    fits && NEXT.compare_exchange(start + before, start + after, Relaxed, Relaxed).is_ok()
}

// SAFETY: every piece comes from the system's allocator, or is a stretch of the nursery that `NEXT` has passed and that
// no other piece overlaps: `NEXT` moves back over a piece only when that is given back or shrinks, and only if it is
// the last. A piece goes back to the system only if it is outside of the nursery.
unsafe impl GlobalAlloc for Nursery {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_for_system(layout.size())
            && let Some(piece) = take(layout)
        {
            return piece;
        }
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_for_system(layout.size()) {
            // SAFETY: as above. It knows which of its memory is zero already.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as above, and a piece that is there has that many bytes.
        unsafe {
            let piece = self.alloc(layout);
            if !piece.is_null() {
                piece.write_bytes(0, layout.size());
            }
            piece
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if is_ours(piece) {
            resize_last(piece, layout.size(), 0);
        } else if is_for_system(layout.size()) {
            // SAFETY: it is not of the nursery, so it is of the system.
            unsafe { System.dealloc(piece, layout) }
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let ours = is_ours(piece);
        if !ours && is_for_system(layout.size()) && is_for_system(size) {
            // SAFETY: it is not of the nursery, so it is of the system.
            return unsafe { System.realloc(piece, layout, size) };
        }
        if ours && resize_last(piece, layout.size(), size) {
            return piece;
        }
        // SAFETY: the caller promises that the size is that of a layout; the old piece is valid for its own size, and a
        // new one cannot overlap it.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
                self.dealloc(piece, layout);
            }
            moved
        }
    }
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
            enter();
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
            enter();
            let page = Nursery.alloc(layout(8));
            assert!(is_ours(page) && page > small && (page as usize).is_multiple_of(PAGE));
            while is_ours(Nursery.alloc(layout(LARGE / 2))) {}
            assert!(
                !is_ours(Nursery.alloc(layout(8))),
                "once the system was needed, it is asked for everything"
            );
        }
    }
}

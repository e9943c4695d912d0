//! Memory with guards: an access outside of it faults, or leaves a trace.
//!
//! The bytes end where inaccessible addresses begin, up to what rounding their number up to 16 adds; before their first page lie inaccessible
//! addresses too. The bytes of the first and last page that belong to nobody hold a pattern, which is looked at from time to time.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes start at a multiple of this: the largest alignment of an MSL type.
pub(super) const ALIGNMENT: usize = 16;

/// Inaccessible bytes on each side, from the most wanted, and how much of the address space such guards may take in all. As far as a 32-bit
/// index of 4-byte elements leads where addresses are plenty.
const REACHES: [(usize, usize); 4] = [
    #[cfg(target_arch = "x86_64")]
    (16 << 30, 32 << 40),
    #[cfg(not(target_arch = "x86_64"))]
    (4 << 30, 32 << 30),
    (
        1 << 30,
        if cfg!(target_arch = "x86_64") {
            48 << 40
        } else {
            128 << 30
        },
    ),
    (16 << 20, usize::MAX),
    (64 << 10, usize::MAX),
];

/// Addresses that the guards of this process take.
static RESERVED: AtomicUsize = AtomicUsize::new(0);

/// What the bytes around the memory hold, by the lowest bits of their address. Read as numbers of 16 or 32 bits they show: most are
/// not-a-number.
const PATTERN: [u8; 4] = [0xa5, 0xc5, 0xff, 0x7f];

/// Memory with guards on both sides.
pub(super) struct Guarded {
    /// Reach, area, reach.
    mapping: NonNull<u8>,
    reach: usize,
    /// Bytes between the guards, a multiple of pages.
    area: usize,
    /// The bytes in use are the last of the area but for rounding.
    bytes: usize,
}

// SAFETY: the pointer leads into memory that it owns.
unsafe impl Send for Guarded {}

impl Guarded {
    /// Zeroed memory for at most `capacity` bytes, all in use at first. The guards are no larger than `reach`. `None`: there is no more.
    pub fn new(capacity: usize, reach: usize) -> Option<Self> {
        let area = capacity.max(1).checked_next_multiple_of(page_size())?;
        let reaches = REACHES.iter().filter(|(size, _)| *size <= reach);
        let mut guarded = reaches
            .filter(|(size, most)| {
                RESERVED.load(Ordering::Relaxed).saturating_add(2 * size) <= *most
            })
            .find_map(|&(size, _)| Guarded::map(area, size))?;
        guarded.place(capacity).then_some(guarded)
    }

    fn map(area: usize, reach: usize) -> Option<Self> {
        let total = area.checked_add(2 * reach)?;
        // SAFETY: a private anonymous mapping at an address of the system's choice touches no memory of ours.
        let mapping = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
            libc::mmap(std::ptr::null_mut(), total, libc::PROT_NONE, flags, -1, 0)
        };
        if mapping == libc::MAP_FAILED {
            return None;
        }
        RESERVED.fetch_add(2 * reach, Ordering::Relaxed);
        Some(Guarded {
            mapping: NonNull::new(mapping.cast())?,
            reach,
            area,
            bytes: 0,
        })
    }

    /// Changes how many bytes are in use, and where they start. Returns whether the system allowed it.
    pub fn place(&mut self, bytes: usize) -> bool {
        self.bytes = bytes;
        let open = self.open();
        let closed = self.area - open;
        let protect = |start: usize, bytes: usize, protection| {
            // SAFETY: the range lies in the area, which nobody uses meanwhile.
            bytes == 0
                || unsafe {
                    let start = self.area_start().as_ptr().add(start);
                    libc::mprotect(start.cast(), bytes, protection) == 0
                }
        };
        if !protect(0, closed, libc::PROT_NONE)
            || !protect(closed, open, libc::PROT_READ | libc::PROT_WRITE)
        {
            return false;
        }
        self.restore();
        true
    }

    /// The first byte.
    pub fn start(&self) -> NonNull<u8> {
        // SAFETY: within the mapping.
        unsafe { self.area_start().add(self.area - self.rounded()) }
    }

    /// Inaccessible bytes on each side.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that can be in use.
    pub fn capacity(&self) -> usize {
        self.area
    }

    /// Whether an address lies in the memory or its guards.
    pub fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.mapping.addr().get()) < self.area + 2 * self.reach
    }

    /// The place of an address, in bytes from the first.
    pub fn offset(&self, address: usize) -> i64 {
        address.wrapping_sub(self.start().addr().get()) as i64
    }

    /// Makes writes fault, or not any more.
    pub fn set_read_only(&mut self, read_only: bool) {
        let write = if read_only { 0 } else { libc::PROT_WRITE };
        let open = self.open();
        if open == 0 {
            return;
        }
        // SAFETY: the pages are this memory's own; nobody who may write uses them meanwhile. Refusal leaves them as they are, which only
        // makes fewer mistakes show.
        unsafe {
            let start = self.area_start().as_ptr().add(self.area - open);
            libc::mprotect(start.cast(), open, libc::PROT_READ | write);
        }
    }

    /// Sets every byte.
    pub fn fill(&mut self, value: u8) {
        // SAFETY: the bytes in use are accessible, and nobody else uses them.
        unsafe { std::ptr::write_bytes(self.start().as_ptr(), value, self.bytes) };
    }

    /// The first byte written outside of the memory since the last time, nearest to it, as an offset from its first byte. Forgets it.
    pub fn check(&mut self) -> Option<i64> {
        let [before, after] = self.slack();
        let changed = |(start, bytes): (*mut u8, usize)| {
            // SAFETY: accessible pages of this memory, which nobody uses now.
            let slack = unsafe { std::slice::from_raw_parts(start, bytes) };
            let first = start.addr();
            let is_changed = move |&at: &usize| slack[at] != PATTERN[(first + at) % PATTERN.len()];
            (first, bytes, is_changed)
        };
        let (first, bytes, is_changed) = changed(after);
        let above = (0..bytes).find(&is_changed).map(|at| first + at);
        let (first, bytes, is_changed) = changed(before);
        let below = (0..bytes).rev().find(&is_changed).map(|last| {
            // The first byte of the element that was written.
            let same = (0..=last).rev().take_while(&is_changed);
            first + same.last().unwrap_or(last)
        });
        let address = above.or(below)?;
        self.restore();
        Some(self.offset(address))
    }

    fn restore(&mut self) {
        for (start, bytes) in self.slack() {
            for at in 0..bytes {
                // SAFETY: as in `check`.
                unsafe { *start.add(at) = PATTERN[(start.addr() + at) % PATTERN.len()] };
            }
        }
    }

    /// The bytes of accessible pages before and after the memory.
    fn slack(&self) -> [(*mut u8, usize); 2] {
        let start = self.start().as_ptr();
        let before = self.open() - self.rounded();
        [
            (start.wrapping_sub(before), before),
            (start.wrapping_add(self.bytes), self.rounded() - self.bytes),
        ]
    }

    fn rounded(&self) -> usize {
        self.bytes.next_multiple_of(ALIGNMENT)
    }

    /// Bytes of accessible pages, at the end of the area.
    fn open(&self) -> usize {
        self.bytes.next_multiple_of(page_size())
    }

    fn area_start(&self) -> NonNull<u8> {
        // SAFETY: within the mapping.
        unsafe { self.mapping.add(self.reach) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this size; its owner uses it no more.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), self.area + 2 * self.reach) };
        RESERVED.fetch_sub(2 * self.reach, Ordering::Relaxed);
    }
}

/// Bytes of a page of the system.
fn page_size() -> usize {
    // SAFETY: `sysconf` reads no memory of ours.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_ends_at_a_page() {
        let page = page_size();
        for bytes in [0, 1, 15, 16, 17, 100, page - 1, page, page + 1, 3 * page] {
            let mut guarded = Guarded::new(bytes, 1 << 30).unwrap();
            let start = guarded.start();
            assert_eq!(start.addr().get() % ALIGNMENT, 0);
            assert_eq!(
                (start.addr().get() + bytes.next_multiple_of(ALIGNMENT)) % page,
                0
            );
            // SAFETY: that many bytes are in use.
            let memory = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), bytes) };
            assert!(memory.iter().all(|&byte| byte == 0), "{bytes} bytes");
            memory.fill(7);
            assert_eq!(guarded.check(), None);
            assert_eq!(guarded.reach(), 1 << 30);
            assert!(guarded.covers(start.addr().get() - guarded.reach()));
        }
    }

    #[test]
    fn writes_beside_it_leave_a_trace() {
        let mut guarded = Guarded::new(100, 1 << 20).unwrap();
        let start = guarded.start().as_ptr();
        for offset in [-1i64, -50, 100, 111] {
            // SAFETY: accessible bytes of the same pages.
            unsafe { *start.offset(offset as isize) = 1 };
            assert_eq!(guarded.check(), Some(offset));
            assert_eq!(guarded.check(), None);
        }
        assert!(guarded.place(32));
        assert_eq!(guarded.check(), None);
        // SAFETY: as above.
        unsafe { *guarded.start().as_ptr().sub(1) = 1 };
        assert_eq!(guarded.check(), Some(-1));
    }
}

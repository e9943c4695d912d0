//! Memory of the host: pages from the operating system, and how many there are.

use std::ptr::NonNull;

use crate::device::MemoryInfo;

/// The alignment that callers may count on, in bytes.
pub(super) const PAGE: usize = 4096;

/// From this size on, large pages are asked for: fewer misses in address translation while weights stream by.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// Zeroed pages, or `None` when the system has no more. `bytes` is not zero.
pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: an anonymous private mapping at an address of the system's choice touches no memory of ours.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    #[cfg(target_os = "linux")]
    if bytes >= HUGE_PAGE {
        // SAFETY: the range was just mapped; this is advice only, so its failure changes nothing.
        unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
    }
    NonNull::new(start.cast())
}

/// Gives pages back.
///
/// # Safety
/// They are from [`allocate`] with the same size, and nobody uses them.
pub(super) unsafe fn free(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    debug_assert_eq!(result, 0, "munmap of {bytes} bytes");
}

/// The memory of the machine, or of the control group that this process is confined to.
#[cfg(target_os = "linux")]
pub(super) fn info() -> MemoryInfo {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = MemoryInfo {
        total: meminfo_bytes(&text, "MemTotal:").unwrap_or(0),
        available: meminfo_bytes(&text, "MemAvailable:").unwrap_or(0),
    };
    match control_group() {
        Some((limit, used)) => MemoryInfo {
            total: machine.total.min(limit),
            available: machine.available.min(limit.saturating_sub(used)),
        },
        None => machine,
    }
}

/// A field of `/proc/meminfo`, which counts in KiB.
#[cfg(target_os = "linux")]
fn meminfo_bytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(field))?;
    let kib: u64 = line[field.len()..]
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    kib.checked_mul(1024)
}

/// Limit and use of the process's memory control group, when it has a limit: version 2, then version 1.
/// Pages of the file cache count as used there, although they can be reclaimed: those inactive are subtracted.
#[cfg(target_os = "linux")]
fn control_group() -> Option<(u64, u64)> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let number = |path: String| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let reclaimable = |path: String, field: &str| {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(field))?;
        line[field.len()..].trim().parse::<u64>().ok()
    };
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_end_matches('/');
        let (root, limit, used, field) = if controllers.is_empty() {
            (
                "/sys/fs/cgroup",
                "memory.max",
                "memory.current",
                "inactive_file ",
            )
        } else if controllers.split(',').any(|name| name == "memory") {
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            )
        } else {
            continue;
        };
        // Inside a container the path is the host's and the group is mounted at the root.
        for folder in [format!("{root}{path}"), root.to_owned()] {
            let limit = number(format!("{folder}/{limit}"));
            let used = number(format!("{folder}/{used}"));
            if let (Some(limit), Some(used)) = (limit, used) {
                let cache = reclaimable(format!("{folder}/memory.stat"), field).unwrap_or(0);
                return Some((limit, used.saturating_sub(cache)));
            }
        }
    }
    None
}

/// The memory of the machine. What is available is not known here: half of it is taken to be.
#[cfg(not(target_os = "linux"))]
pub(super) fn info() -> MemoryInfo {
    // SAFETY: `sysconf` reads no memory of ours.
    let (pages, size) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    let total = u64::try_from(pages).unwrap_or(0) * u64::try_from(size).unwrap_or(0);
    MemoryInfo {
        total,
        available: total / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_and_aligned() {
        let start = allocate(3 * PAGE).unwrap();
        assert_eq!(start.as_ptr() as usize % PAGE, 0);
        // SAFETY: `allocate` gave 3 pages.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), 3 * PAGE) };
        assert!(bytes.iter().all(|&byte| byte == 0));
        // SAFETY: from `allocate`, with its size; `bytes` is not used any more.
        unsafe { free(start, 3 * PAGE) };
    }

    #[test]
    fn there_is_memory() {
        let info = info();
        assert!(info.total >= 64 << 20, "{info:?}");
        assert!(
            info.available <= info.total && info.available > 0,
            "{info:?}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn meminfo_fields() {
        let text = "MemTotal:       24684084 kB\nMemAvailable:   3 kB\n";
        assert_eq!(meminfo_bytes(text, "MemTotal:"), Some(24684084 * 1024));
        assert_eq!(meminfo_bytes(text, "MemAvailable:"), Some(3072));
        assert_eq!(meminfo_bytes(text, "SwapFree:"), None);
    }
}

//! How many threads a launch has and how they are grouped.

use crate::device::Limits;
use crate::error::LaunchError;

/// A size in up to three directions: `n`, `[x, y]` or `[x, y, z]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size([usize; 3]);

impl From<usize> for Size {
    fn from(x: usize) -> Self {
        Size([x, 1, 1])
    }
}

impl From<[usize; 2]> for Size {
    fn from([x, y]: [usize; 2]) -> Self {
        Size([x, y, 1])
    }
}

impl From<[usize; 3]> for Size {
    fn from(size: [usize; 3]) -> Self {
        Size(size)
    }
}

/// The grid of a launch: its extent, in threadgroups or in threads, and the size of a threadgroup.
///
/// ```
/// use mettle_gpu::Grid;
/// let one_group_a_row = Grid::rows(4096).threads(256);
/// let one_thread_an_element = Grid::elements(1000).threads(256); // the last group has 232 threads
/// let tiles = Grid::groups([14, 8]).threads([32, 4]);
/// # let _ = (one_group_a_row, one_thread_an_element, tiles);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    extent: Extent,
    threads: [usize; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Threadgroups([usize; 3]),
    Threads([usize; 3]),
}

impl Grid {
    /// A grid of whole threadgroups. Without [`Grid::threads`] a threadgroup has one thread.
    pub fn groups(groups: impl Into<Size>) -> Self {
        Grid {
            extent: Extent::Threadgroups(groups.into().0),
            threads: [1, 1, 1],
        }
    }

    /// One threadgroup for each of `rows` rows.
    pub fn rows(rows: usize) -> Self {
        Self::groups(rows)
    }

    /// Exactly this many threads; threadgroups at the edge are smaller where the size does not divide.
    pub fn threads_total(threads: impl Into<Size>) -> Self {
        Grid {
            extent: Extent::Threads(threads.into().0),
            threads: [1, 1, 1],
        }
    }

    /// One thread for each of `elements` elements.
    pub fn elements(elements: usize) -> Self {
        Self::threads_total(elements)
    }

    /// Sets the size of a threadgroup.
    #[must_use]
    pub fn threads(mut self, threads: impl Into<Size>) -> Self {
        self.threads = threads.into().0;
        self
    }

    /// The checked sizes a device launches.
    pub(crate) fn resolve(
        &self,
        limits: &Limits,
        max_threads: u32,
    ) -> Result<GridSize, LaunchError> {
        let group = self.threads.map(|n| n as u64);
        let (groups, threads) = match self.extent {
            Extent::Threadgroups(groups) => {
                let groups = groups.map(|n| n as u64);
                (groups, zip(groups, group, u64::saturating_mul))
            }
            Extent::Threads(threads) => {
                let threads = threads.map(|n| n as u64);
                (
                    zip(threads, group, |n, size| n.div_ceil(size.max(1))),
                    threads,
                )
            }
        };
        if group.contains(&0) || threads.contains(&0) {
            return Err(LaunchError::EmptyGrid {
                groups,
                threads: group,
            });
        }
        let in_group = group.iter().copied().fold(1, u64::saturating_mul);
        if in_group > u64::from(max_threads) {
            return Err(LaunchError::ThreadgroupTooLarge {
                threads: in_group,
                limit: max_threads,
            });
        }
        let longest = limits.max_threads_in_direction;
        if (0..3).any(|i| group[i] > u64::from(longest[i])) {
            return Err(LaunchError::ThreadgroupTooLong {
                threads: group,
                limit: longest,
            });
        }
        let group_count = groups.iter().copied().fold(1, u64::saturating_mul);
        if threads.iter().any(|&n| n > u64::from(u32::MAX)) || group_count > u64::from(u32::MAX) {
            return Err(LaunchError::GridTooLarge { threads });
        }
        Ok(GridSize {
            threads: threads.map(|n| n as u32),
            threadgroups: groups.map(|n| n as u32),
            threads_per_threadgroup: group.map(|n| n as u32),
        })
    }
}

fn zip(a: [u64; 3], b: [u64; 3], f: impl Fn(u64, u64) -> u64) -> [u64; 3] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2])]
}

/// The sizes of a launch after validation. Every count is at least one and the number of threadgroups fits 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSize {
    /// Threads in the whole grid, in each direction.
    pub threads: [u32; 3],
    /// Threadgroups in the grid, those at the edge included.
    pub threadgroups: [u32; 3],
    /// Threads in a threadgroup that is not cut at the edge.
    pub threads_per_threadgroup: [u32; 3],
}

impl GridSize {
    /// The number of threadgroups.
    pub fn threadgroup_count(&self) -> u32 {
        self.threadgroups.iter().product()
    }

    /// The position of the threadgroup of this index, counted x fastest.
    pub fn threadgroup_position(&self, index: u32) -> [u32; 3] {
        let [x, y, _] = self.threadgroups;
        [index % x, index / x % y, index / x / y]
    }

    /// The size of the threadgroup at this position: smaller at the edge of a grid that does not divide.
    pub fn threadgroup_size(&self, position: [u32; 3]) -> [u32; 3] {
        std::array::from_fn(|i| {
            let start = position[i] * self.threads_per_threadgroup[i];
            self.threads_per_threadgroup[i].min(self.threads[i] - start)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(grid: Grid) -> Result<GridSize, LaunchError> {
        grid.resolve(&Limits::default(), 1024)
    }

    #[test]
    fn whole_groups() {
        let size = resolve(Grid::groups([3, 2]).threads([32, 4])).unwrap();
        assert_eq!(size.threads, [96, 8, 1]);
        assert_eq!(size.threadgroups, [3, 2, 1]);
        assert_eq!(size.threadgroup_count(), 6);
        assert_eq!(size.threadgroup_position(4), [1, 1, 0]);
    }

    #[test]
    fn edge_groups_are_smaller() {
        let size = resolve(Grid::threads_total([10, 7, 3]).threads([4, 4, 2])).unwrap();
        assert_eq!(size.threadgroups, [3, 2, 2]);
        assert_eq!(size.threadgroup_size([0, 0, 0]), [4, 4, 2]);
        assert_eq!(size.threadgroup_size([2, 1, 1]), [2, 3, 1]);
        let total: u32 = (0..size.threadgroup_count())
            .map(|i| {
                size.threadgroup_size(size.threadgroup_position(i))
                    .iter()
                    .product::<u32>()
            })
            .sum();
        assert_eq!(total, 10 * 7 * 3);
    }

    #[test]
    fn refusals() {
        assert!(matches!(
            resolve(Grid::elements(0).threads(32)),
            Err(LaunchError::EmptyGrid { .. })
        ));
        assert!(matches!(
            resolve(Grid::rows(1).threads(0)),
            Err(LaunchError::EmptyGrid { .. })
        ));
        assert!(matches!(
            resolve(Grid::rows(1).threads([1024, 2])),
            Err(LaunchError::ThreadgroupTooLarge {
                threads: 2048,
                limit: 1024
            })
        ));
        assert!(matches!(
            resolve(Grid::elements(usize::MAX).threads(64)),
            Err(LaunchError::GridTooLarge { .. })
        ));
        assert!(matches!(
            resolve(Grid::groups([usize::MAX, usize::MAX, usize::MAX]).threads(1024)),
            Err(LaunchError::GridTooLarge { .. })
        ));
    }
}

//! The lanes of one SIMD group and the operations they meet in.

use std::ffi::c_void;
use std::ptr;

use mettle_msl::abi::{Combine, SIMD_WIDTH};

/// Lanes of a SIMD group.
pub(super) const LANES: usize = SIMD_WIDTH as usize;

/// SIMD groups of a threadgroup at most: it has 1024 threads.
pub(super) const MAX_SIMD_GROUPS: usize = 1024 / LANES;

/// The lanes of one SIMD group. The masks are disjoint; lanes in none of them run, have finished or do not exist.
pub(super) struct SimdGroup {
    /// Not begun.
    pub fresh: u32,
    /// Can go on.
    pub ready: u32,
    /// Waiting at a collective.
    pub collective: u32,
    /// Waiting at a barrier.
    pub barrier: u32,
    /// Whether the lanes at collectives wait at more than one. Only a hint when lanes were resolved: then it may be true for one.
    mixed: bool,
    /// Where each waiting lane waits.
    pub site: [u64; LANES],
    combine: [Option<Combine>; LANES],
    input: [*const c_void; LANES],
    output: [*mut c_void; LANES],
    /// The fiber of each lane that has begun.
    pub fiber: [u32; LANES],
}

impl SimdGroup {
    pub const EMPTY: SimdGroup = SimdGroup {
        fresh: 0,
        ready: 0,
        collective: 0,
        barrier: 0,
        mixed: false,
        site: [0; LANES],
        combine: [None; LANES],
        input: [ptr::null(); LANES],
        output: [ptr::null_mut(); LANES],
        fiber: [0; LANES],
    };

    /// Begins anew with a number of lanes, at least one.
    pub fn begin(&mut self, lanes: u32) {
        self.fresh = u32::MAX >> (LANES as u32 - lanes);
        self.ready = 0;
        self.collective = 0;
        self.barrier = 0;
        self.mixed = false;
    }

    /// Whether something can be done before a barrier must complete.
    pub fn is_runnable(&self) -> bool {
        self.fresh | self.ready | self.collective != 0
    }

    /// A lane arrives at a collective. Returns whether it is the last: no lane can run, and all that wait wait at the same one.
    #[inline]
    pub fn arrive(
        &mut self,
        lane: usize,
        site: u64,
        combine: Option<Combine>,
        input: *const c_void,
        output: *mut c_void,
    ) -> bool {
        if self.collective != 0 && !self.mixed {
            let other = self.collective.trailing_zeros() as usize & (LANES - 1);
            self.mixed = self.site[other] != site || !same(self.combine[other], combine);
        }
        self.collective |= 1 << lane;
        self.site[lane] = site;
        self.combine[lane] = combine;
        self.input[lane] = input;
        self.output[lane] = output;
        self.fresh | self.ready == 0 && !self.mixed
    }

    /// Of the collectives that lanes wait at, the first in the text, of several copies of it the first in memory: the lanes that wait there.
    pub fn first_collective(&self) -> u32 {
        // The lower half of a site is its place in the text, the upper half the address of the copy.
        let first = lanes(self.collective).min_by_key(|&lane| self.site[lane].rotate_left(32));
        let Some(first) = first else {
            return 0;
        };
        if !self.mixed {
            return self.collective;
        }
        lanes(self.collective)
            .filter(|&other| {
                self.site[other] == self.site[first]
                    && same(self.combine[other], self.combine[first])
            })
            .fold(0, |mask, other| mask | 1 << other)
    }

    /// Resolves a collective for the lanes that wait at it; they are ready afterwards.
    ///
    /// # Safety
    /// All lanes in `active`, which is not zero, wait at the same collective.
    #[inline]
    pub unsafe fn resolve(&mut self, active: u32) {
        let combine = self.combine[active.trailing_zeros() as usize & (LANES - 1)];
        if let Some(combine) = combine {
            if active == u32::MAX {
                // SAFETY: the operands and results lie on the stacks of the lanes, which all wait.
                unsafe { combine(self.input.as_ptr(), self.output.as_ptr(), active) };
            } else {
                let mut input = [ptr::null(); LANES];
                let mut output = [ptr::null_mut(); LANES];
                for lane in lanes(active) {
                    input[lane] = self.input[lane];
                    output[lane] = self.output[lane];
                }
                // SAFETY: as above, for the lanes in `active`.
                unsafe { combine(input.as_ptr(), output.as_ptr(), active) };
            }
        }
        self.collective &= !active;
        self.ready |= active;
        self.mixed &= self.collective != 0;
    }
}

/// Whether two lanes ask for the same operation. One call in a template may stand for operations on several types.
fn same(a: Option<Combine>, b: Option<Combine>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => ptr::fn_addr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// The lanes in a mask, lowest first.
pub(super) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        if lane == LANES {
            return None;
        }
        mask &= mask - 1;
        Some(lane)
    })
}

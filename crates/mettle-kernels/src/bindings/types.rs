//! Structs of headers that kernels have as arguments.
//!
//! Generated from `metal/include` by `cargo run -p xtask -- bindings`: do not edit.

/// 32 values d \* (q - 8): q in the low nibbles of qs for values 0 to 15, in the high nibbles for 16 to 31.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ4_0 {
    /// `half d`.
    pub d: half::f16,
    /// `uchar qs[16]`.
    pub qs: [u8; 16],
}

const _: () = {
    assert!(size_of::<BlockQ4_0>() == 18);
    assert!(std::mem::offset_of!(BlockQ4_0, d) == 0);
    assert!(std::mem::offset_of!(BlockQ4_0, qs) == 2);
};

/// 32 values d \* q + m, nibbles as in q4_0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ4_1 {
    /// `half d`.
    pub d: half::f16,
    /// `half m`.
    pub m: half::f16,
    /// `uchar qs[16]`.
    pub qs: [u8; 16],
}

const _: () = {
    assert!(size_of::<BlockQ4_1>() == 20);
    assert!(std::mem::offset_of!(BlockQ4_1, d) == 0);
    assert!(std::mem::offset_of!(BlockQ4_1, m) == 2);
    assert!(std::mem::offset_of!(BlockQ4_1, qs) == 4);
};

/// 256 values in eight sub-blocks of 32, each d \* scale \* q - dmin \* min. Two sub-blocks share 32 bytes of qs: the low
/// nibbles are the first one's, the high nibbles the second one's. `scales` holds eight scales and eight minima of six
/// bits each; see `scale_and_min`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ4K {
    /// `half d`.
    pub d: half::f16,
    /// `half dmin`.
    pub dmin: half::f16,
    /// `uchar scales[12]`.
    pub scales: [u8; 12],
    /// `uchar qs[128]`.
    pub qs: [u8; 128],
}

const _: () = {
    assert!(size_of::<BlockQ4K>() == 144);
    assert!(std::mem::offset_of!(BlockQ4K, d) == 0);
    assert!(std::mem::offset_of!(BlockQ4K, dmin) == 2);
    assert!(std::mem::offset_of!(BlockQ4K, scales) == 4);
    assert!(std::mem::offset_of!(BlockQ4K, qs) == 16);
};

/// 32 values d \* (q - 16): low four bits as in q4_0, the fifth bit of value i is bit i of qh.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ5_0 {
    /// `half d`.
    pub d: half::f16,
    /// `uchar qh[4]`.
    pub qh: [u8; 4],
    /// `uchar qs[16]`.
    pub qs: [u8; 16],
}

const _: () = {
    assert!(size_of::<BlockQ5_0>() == 22);
    assert!(std::mem::offset_of!(BlockQ5_0, d) == 0);
    assert!(std::mem::offset_of!(BlockQ5_0, qh) == 2);
    assert!(std::mem::offset_of!(BlockQ5_0, qs) == 6);
};

/// 32 values d \* q + m, bits as in q5_0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ5_1 {
    /// `half d`.
    pub d: half::f16,
    /// `half m`.
    pub m: half::f16,
    /// `uchar qh[4]`.
    pub qh: [u8; 4],
    /// `uchar qs[16]`.
    pub qs: [u8; 16],
}

const _: () = {
    assert!(size_of::<BlockQ5_1>() == 24);
    assert!(std::mem::offset_of!(BlockQ5_1, d) == 0);
    assert!(std::mem::offset_of!(BlockQ5_1, m) == 2);
    assert!(std::mem::offset_of!(BlockQ5_1, qh) == 4);
    assert!(std::mem::offset_of!(BlockQ5_1, qs) == 8);
};

/// As q4_K, with the fifth bit of value i of sub-block j in bit j of qh\[i\].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ5K {
    /// `half d`.
    pub d: half::f16,
    /// `half dmin`.
    pub dmin: half::f16,
    /// `uchar scales[12]`.
    pub scales: [u8; 12],
    /// `uchar qh[32]`.
    pub qh: [u8; 32],
    /// `uchar qs[128]`.
    pub qs: [u8; 128],
}

const _: () = {
    assert!(size_of::<BlockQ5K>() == 176);
    assert!(std::mem::offset_of!(BlockQ5K, d) == 0);
    assert!(std::mem::offset_of!(BlockQ5K, dmin) == 2);
    assert!(std::mem::offset_of!(BlockQ5K, scales) == 4);
    assert!(std::mem::offset_of!(BlockQ5K, qh) == 16);
    assert!(std::mem::offset_of!(BlockQ5K, qs) == 48);
};

/// 256 values d \* scale \* (q - 32) in sixteen sub-blocks of sixteen. Each half of 128 values has 64 bytes of ql and 32
/// of qh: its quarters k = 0 to 3 of 32 values take the low nibbles of the first and second 32 bytes of ql, then their
/// high nibbles, and bits 2k and 2k + 1 of qh.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ6K {
    /// `uchar ql[128]`.
    pub ql: [u8; 128],
    /// `uchar qh[64]`.
    pub qh: [u8; 64],
    /// `char scales[16]`.
    pub scales: [i8; 16],
    /// `half d`.
    pub d: half::f16,
}

const _: () = {
    assert!(size_of::<BlockQ6K>() == 210);
    assert!(std::mem::offset_of!(BlockQ6K, ql) == 0);
    assert!(std::mem::offset_of!(BlockQ6K, qh) == 128);
    assert!(std::mem::offset_of!(BlockQ6K, scales) == 192);
    assert!(std::mem::offset_of!(BlockQ6K, d) == 208);
};

/// 32 values d \* q.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BlockQ8_0 {
    /// `half d`.
    pub d: half::f16,
    /// `char qs[32]`.
    pub qs: [i8; 32],
}

const _: () = {
    assert!(size_of::<BlockQ8_0>() == 34);
    assert!(std::mem::offset_of!(BlockQ8_0, d) == 0);
    assert!(std::mem::offset_of!(BlockQ8_0, qs) == 2);
};

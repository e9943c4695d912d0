//! Launch bindings of `metal/embedding.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

pub use super::types::{
    BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: of the table
    pub rows: u32,
    /// `uint columns`: of the table and of the output
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, columns) == 4);
};

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct F32<'a> {
    /// `device const float* table`.
    pub table: &'a Buffer<f32>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F32<'_> {
    const KERNEL: &'static str = "embedding_f32";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct F16<'a> {
    /// `device const half* table`.
    pub table: &'a Buffer<half::f16>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F16<'_> {
    const KERNEL: &'static str = "embedding_f16";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Bf16<'a> {
    /// `device const bfloat* table`.
    pub table: &'a Buffer<half::bf16>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Bf16<'_> {
    const KERNEL: &'static str = "embedding_bf16";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q4_0<'a> {
    /// `device const block_q4_0* table`.
    pub table: &'a Buffer<BlockQ4_0>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q4_0<'_> {
    const KERNEL: &'static str = "embedding_q4_0";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q4_1<'a> {
    /// `device const block_q4_1* table`.
    pub table: &'a Buffer<BlockQ4_1>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q4_1<'_> {
    const KERNEL: &'static str = "embedding_q4_1";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q5_0<'a> {
    /// `device const block_q5_0* table`.
    pub table: &'a Buffer<BlockQ5_0>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q5_0<'_> {
    const KERNEL: &'static str = "embedding_q5_0";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q5_1<'a> {
    /// `device const block_q5_1* table`.
    pub table: &'a Buffer<BlockQ5_1>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q5_1<'_> {
    const KERNEL: &'static str = "embedding_q5_1";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q8_0<'a> {
    /// `device const block_q8_0* table`.
    pub table: &'a Buffer<BlockQ8_0>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q8_0<'_> {
    const KERNEL: &'static str = "embedding_q8_0";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q4K<'a> {
    /// `device const block_q4_K* table`.
    pub table: &'a Buffer<BlockQ4K>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q4K<'_> {
    const KERNEL: &'static str = "embedding_q4_K";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q5K<'a> {
    /// `device const block_q5_K* table`.
    pub table: &'a Buffer<BlockQ5K>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q5K<'_> {
    const KERNEL: &'static str = "embedding_q5_K";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Q6K<'a> {
    /// `device const block_q6_K* table`.
    pub table: &'a Buffer<BlockQ6K>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Q6K<'_> {
    const KERNEL: &'static str = "embedding_q6_K";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "embedding_f32",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "table", "device const float* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_f16",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["f16", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const half* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_bf16",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["bf16", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const bfloat* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q4_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q4_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q4_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q4_1",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q4_1", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q4_1* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q5_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q5_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q5_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q5_1",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q5_1", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q5_1* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q8_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q8_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q8_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q4_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q4_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q4_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q5_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q5_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q5_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q6_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q6_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q6_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];

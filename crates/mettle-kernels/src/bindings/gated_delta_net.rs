//! Launch bindings of `metal/gated_delta_net.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

pub use super::types::DeltaNetParams;

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool TILED`, function constant 1.
    pub tiled: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.tiled)
    }
}

/// query and key are \[tokens, key_heads, key_size\], value is \[tokens, value_heads, value_size\], with or without gaps between tokens; log_decay and
/// beta are \[tokens, value_heads\], state is \[value_heads, value_size, key_size\] and renewed, out is \[tokens, value_heads, value_size\].
///
/// One thread (ROW_PER_THREAD) or SIMD group for each row of the state.
pub struct StepF32<'a> {
    /// `device const float* query`.
    pub query: &'a Buffer<f32>,
    /// `device const float* key`.
    pub key: &'a Buffer<f32>,
    /// `device const float* value`.
    pub value: &'a Buffer<f32>,
    /// `device const float* log_decay`.
    pub log_decay: &'a Buffer<f32>,
    /// `device const float* beta`.
    pub beta: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for StepF32<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_step_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "query", self.query);
        args.read(1, "key", self.key);
        args.read(2, "value", self.value);
        args.read(3, "log_decay", self.log_decay);
        args.read(4, "beta", self.beta);
        args.write(5, "state", self.state);
        args.write(6, "out", self.out);
        args.value(7, "params", &self.params);
    }
}

/// The numbers of a chunk, CHUNK_FLOATS for each chunk and value head, which do not depend on values and state. With G(i, j) the decay over
/// tokens j + 1 to i of the chunk, and k and q as normalised above, token i writes d with
///
/// d\[i\] = b\[i\] (v\[i\] - G(i, -1) S k\[i\]) - sum over j \< i of b\[i\] G(i, j) (k\[i\] . k\[j\]) d\[j\],
/// o\[i\] = G(i, -1) S q\[i\] + sum over j \<= i of G(i, j) (q\[i\] . k\[j\]) d\[j\],
///
/// and the state at the end is G(last, -1) S + sum over j of G(last, j) d\[j\] k\[j\]^T.
///
/// 32 threads for a chunk of a head, one for each number: the grid is \[32 \* chunks, value_heads\]. On GPUs they are a SIMD group.
pub struct PrepareF32<'a> {
    /// `device const float* query`.
    pub query: &'a Buffer<f32>,
    /// `device const float* key`.
    pub key: &'a Buffer<f32>,
    /// `device const float* log_decay`.
    pub log_decay: &'a Buffer<f32>,
    /// `device const float* beta`.
    pub beta: &'a Buffer<f32>,
    /// `device float* all`.
    pub all: &'a mut Buffer<f32>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for PrepareF32<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_prepare_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "query", self.query);
        args.read(1, "key", self.key);
        args.read(2, "log_decay", self.log_decay);
        args.read(3, "beta", self.beta);
        args.write(4, "all", self.all);
        args.value(5, "params", &self.params);
    }
}

/// gated_delta_net_step in chunks of sixteen tokens, with what gated_delta_net_prepare made of their keys and queries.
///
/// One thread for sixteen rows of the state of a head (ROW_PER_THREAD), or a threadgroup for ROWS_OF_SIMD_GROUP of each of its SIMD groups: the grid is
/// \[ceil(value_size / rows), value_heads\] threadgroups, and `memory` holds the keys and queries of a chunk, 32 of 128 floats, or of 256 for keys of more. Those
/// have 256 values at most.
pub struct ChunkF32<'a> {
    /// `device const float* value`.
    pub value: &'a Buffer<f32>,
    /// `device const float* all`.
    pub all: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for ChunkF32<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_chunk_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "value", self.value);
        args.read(1, "all", self.all);
        args.write(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

/// query and key are \[tokens, key_heads, key_size\], value is \[tokens, value_heads, value_size\], with or without gaps between tokens; log_decay and
/// beta are \[tokens, value_heads\], state is \[value_heads, value_size, key_size\] and renewed, out is \[tokens, value_heads, value_size\].
///
/// One thread (ROW_PER_THREAD) or SIMD group for each row of the state.
pub struct StepF16<'a> {
    /// `device const half* query`.
    pub query: &'a Buffer<half::f16>,
    /// `device const half* key`.
    pub key: &'a Buffer<half::f16>,
    /// `device const half* value`.
    pub value: &'a Buffer<half::f16>,
    /// `device const float* log_decay`.
    pub log_decay: &'a Buffer<f32>,
    /// `device const float* beta`.
    pub beta: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for StepF16<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_step_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "query", self.query);
        args.read(1, "key", self.key);
        args.read(2, "value", self.value);
        args.read(3, "log_decay", self.log_decay);
        args.read(4, "beta", self.beta);
        args.write(5, "state", self.state);
        args.write(6, "out", self.out);
        args.value(7, "params", &self.params);
    }
}

/// The numbers of a chunk, CHUNK_FLOATS for each chunk and value head, which do not depend on values and state. With G(i, j) the decay over
/// tokens j + 1 to i of the chunk, and k and q as normalised above, token i writes d with
///
/// d\[i\] = b\[i\] (v\[i\] - G(i, -1) S k\[i\]) - sum over j \< i of b\[i\] G(i, j) (k\[i\] . k\[j\]) d\[j\],
/// o\[i\] = G(i, -1) S q\[i\] + sum over j \<= i of G(i, j) (q\[i\] . k\[j\]) d\[j\],
///
/// and the state at the end is G(last, -1) S + sum over j of G(last, j) d\[j\] k\[j\]^T.
///
/// 32 threads for a chunk of a head, one for each number: the grid is \[32 \* chunks, value_heads\]. On GPUs they are a SIMD group.
pub struct PrepareF16<'a> {
    /// `device const half* query`.
    pub query: &'a Buffer<half::f16>,
    /// `device const half* key`.
    pub key: &'a Buffer<half::f16>,
    /// `device const float* log_decay`.
    pub log_decay: &'a Buffer<f32>,
    /// `device const float* beta`.
    pub beta: &'a Buffer<f32>,
    /// `device float* all`.
    pub all: &'a mut Buffer<f32>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for PrepareF16<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_prepare_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "query", self.query);
        args.read(1, "key", self.key);
        args.read(2, "log_decay", self.log_decay);
        args.read(3, "beta", self.beta);
        args.write(4, "all", self.all);
        args.value(5, "params", &self.params);
    }
}

/// gated_delta_net_step in chunks of sixteen tokens, with what gated_delta_net_prepare made of their keys and queries.
///
/// One thread for sixteen rows of the state of a head (ROW_PER_THREAD), or a threadgroup for ROWS_OF_SIMD_GROUP of each of its SIMD groups: the grid is
/// \[ceil(value_size / rows), value_heads\] threadgroups, and `memory` holds the keys and queries of a chunk, 32 of 128 floats, or of 256 for keys of more. Those
/// have 256 values at most.
pub struct ChunkF16<'a> {
    /// `device const half* value`.
    pub value: &'a Buffer<half::f16>,
    /// `device const float* all`.
    pub all: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for ChunkF16<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_chunk_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "value", self.value);
        args.read(1, "all", self.all);
        args.write(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

/// query and key are \[tokens, key_heads, key_size\], value is \[tokens, value_heads, value_size\], with or without gaps between tokens; log_decay and
/// beta are \[tokens, value_heads\], state is \[value_heads, value_size, key_size\] and renewed, out is \[tokens, value_heads, value_size\].
///
/// One thread (ROW_PER_THREAD) or SIMD group for each row of the state.
pub struct StepBf16<'a> {
    /// `device const bfloat* query`.
    pub query: &'a Buffer<half::bf16>,
    /// `device const bfloat* key`.
    pub key: &'a Buffer<half::bf16>,
    /// `device const bfloat* value`.
    pub value: &'a Buffer<half::bf16>,
    /// `device const float* log_decay`.
    pub log_decay: &'a Buffer<f32>,
    /// `device const float* beta`.
    pub beta: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for StepBf16<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_step_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "query", self.query);
        args.read(1, "key", self.key);
        args.read(2, "value", self.value);
        args.read(3, "log_decay", self.log_decay);
        args.read(4, "beta", self.beta);
        args.write(5, "state", self.state);
        args.write(6, "out", self.out);
        args.value(7, "params", &self.params);
    }
}

/// The numbers of a chunk, CHUNK_FLOATS for each chunk and value head, which do not depend on values and state. With G(i, j) the decay over
/// tokens j + 1 to i of the chunk, and k and q as normalised above, token i writes d with
///
/// d\[i\] = b\[i\] (v\[i\] - G(i, -1) S k\[i\]) - sum over j \< i of b\[i\] G(i, j) (k\[i\] . k\[j\]) d\[j\],
/// o\[i\] = G(i, -1) S q\[i\] + sum over j \<= i of G(i, j) (q\[i\] . k\[j\]) d\[j\],
///
/// and the state at the end is G(last, -1) S + sum over j of G(last, j) d\[j\] k\[j\]^T.
///
/// 32 threads for a chunk of a head, one for each number: the grid is \[32 \* chunks, value_heads\]. On GPUs they are a SIMD group.
pub struct PrepareBf16<'a> {
    /// `device const bfloat* query`.
    pub query: &'a Buffer<half::bf16>,
    /// `device const bfloat* key`.
    pub key: &'a Buffer<half::bf16>,
    /// `device const float* log_decay`.
    pub log_decay: &'a Buffer<f32>,
    /// `device const float* beta`.
    pub beta: &'a Buffer<f32>,
    /// `device float* all`.
    pub all: &'a mut Buffer<f32>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for PrepareBf16<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_prepare_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "query", self.query);
        args.read(1, "key", self.key);
        args.read(2, "log_decay", self.log_decay);
        args.read(3, "beta", self.beta);
        args.write(4, "all", self.all);
        args.value(5, "params", &self.params);
    }
}

/// gated_delta_net_step in chunks of sixteen tokens, with what gated_delta_net_prepare made of their keys and queries.
///
/// One thread for sixteen rows of the state of a head (ROW_PER_THREAD), or a threadgroup for ROWS_OF_SIMD_GROUP of each of its SIMD groups: the grid is
/// \[ceil(value_size / rows), value_heads\] threadgroups, and `memory` holds the keys and queries of a chunk, 32 of 128 floats, or of 256 for keys of more. Those
/// have 256 values at most.
pub struct ChunkBf16<'a> {
    /// `device const bfloat* value`.
    pub value: &'a Buffer<half::bf16>,
    /// `device const float* all`.
    pub all: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant DeltaNetParams& params`.
    pub params: DeltaNetParams,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for ChunkBf16<'_> {
    fn kernel(&self) -> &'static str {
        "gated_delta_net_chunk_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATED_DELTA_NET
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "value", self.value);
        args.read(1, "all", self.all);
        args.write(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "gated_delta_net_step_f32",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "query", "device const float* query", Access::Read),
            Argument::new(1, "key", "device const float* key", Access::Read),
            Argument::new(2, "value", "device const float* value", Access::Read),
            Argument::new(
                3,
                "log_decay",
                "device const float* log_decay",
                Access::Read,
            ),
            Argument::new(4, "beta", "device const float* beta", Access::Read),
            Argument::new(5, "state", "device float* state", Access::ReadWrite),
            Argument::new(6, "out", "device float* out", Access::ReadWrite),
            Argument::new(
                7,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_prepare_f32",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "query", "device const float* query", Access::Read),
            Argument::new(1, "key", "device const float* key", Access::Read),
            Argument::new(
                2,
                "log_decay",
                "device const float* log_decay",
                Access::Read,
            ),
            Argument::new(3, "beta", "device const float* beta", Access::Read),
            Argument::new(4, "all", "device float* all", Access::ReadWrite),
            Argument::new(
                5,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_chunk_f32",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "value", "device const float* value", Access::Read),
            Argument::new(1, "all", "device const float* all", Access::Read),
            Argument::new(2, "state", "device float* state", Access::ReadWrite),
            Argument::new(3, "out", "device float* out", Access::ReadWrite),
            Argument::new(
                4,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
            Argument::new(
                0,
                "memory",
                "threadgroup float* memory",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_step_f16",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "query", "device const half* query", Access::Read),
            Argument::new(1, "key", "device const half* key", Access::Read),
            Argument::new(2, "value", "device const half* value", Access::Read),
            Argument::new(
                3,
                "log_decay",
                "device const float* log_decay",
                Access::Read,
            ),
            Argument::new(4, "beta", "device const float* beta", Access::Read),
            Argument::new(5, "state", "device float* state", Access::ReadWrite),
            Argument::new(6, "out", "device half* out", Access::ReadWrite),
            Argument::new(
                7,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_prepare_f16",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "query", "device const half* query", Access::Read),
            Argument::new(1, "key", "device const half* key", Access::Read),
            Argument::new(
                2,
                "log_decay",
                "device const float* log_decay",
                Access::Read,
            ),
            Argument::new(3, "beta", "device const float* beta", Access::Read),
            Argument::new(4, "all", "device float* all", Access::ReadWrite),
            Argument::new(
                5,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_chunk_f16",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "value", "device const half* value", Access::Read),
            Argument::new(1, "all", "device const float* all", Access::Read),
            Argument::new(2, "state", "device float* state", Access::ReadWrite),
            Argument::new(3, "out", "device half* out", Access::ReadWrite),
            Argument::new(
                4,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
            Argument::new(
                0,
                "memory",
                "threadgroup float* memory",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_step_bf16",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "query", "device const bfloat* query", Access::Read),
            Argument::new(1, "key", "device const bfloat* key", Access::Read),
            Argument::new(2, "value", "device const bfloat* value", Access::Read),
            Argument::new(
                3,
                "log_decay",
                "device const float* log_decay",
                Access::Read,
            ),
            Argument::new(4, "beta", "device const float* beta", Access::Read),
            Argument::new(5, "state", "device float* state", Access::ReadWrite),
            Argument::new(6, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(
                7,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_prepare_bf16",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "query", "device const bfloat* query", Access::Read),
            Argument::new(1, "key", "device const bfloat* key", Access::Read),
            Argument::new(
                2,
                "log_decay",
                "device const float* log_decay",
                Access::Read,
            ),
            Argument::new(3, "beta", "device const float* beta", Access::Read),
            Argument::new(4, "all", "device float* all", Access::ReadWrite),
            Argument::new(
                5,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
    catalogue::Kernel {
        name: "gated_delta_net_chunk_bf16",
        family: "gated_delta_net",
        file: "metal/gated_delta_net.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "value", "device const bfloat* value", Access::Read),
            Argument::new(1, "all", "device const float* all", Access::Read),
            Argument::new(2, "state", "device float* state", Access::ReadWrite),
            Argument::new(3, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(
                4,
                "params",
                "constant DeltaNetParams& params",
                Access::Value,
            ),
            Argument::new(
                0,
                "memory",
                "threadgroup float* memory",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["ROW_PER_THREAD", "TILED"],
    },
];

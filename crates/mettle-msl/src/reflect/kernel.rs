//! Kernels and their arguments.

use super::{Scalar, Type};
use crate::diagnostic::Location;

/// A kernel function, or one instantiation of a kernel template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The name the host asks for: `[[host_name("..")]]`, else the function's name.
    pub name: String,
    /// The function, qualified, with its template arguments (`mul_mv<block_q4_0, 4>`).
    pub function: String,
    /// Arguments that the host binds, in the order written.
    pub arguments: Vec<Argument>,
    /// Arguments that tell a thread where it is, in the order written.
    pub builtins: Vec<Builtin>,
    /// The largest threadgroup it may be launched with: `[[max_total_threads_per_threadgroup(n)]]`.
    pub max_threads: Option<u32>,
    /// Where the kernel, or its instantiation, is written.
    pub location: Location,
    /// The comment right above the function (for an instantiation: above its template when it has none of its own), without comment marks.
    pub docs: String,
    /// Where each parameter of the function comes from, in the order written.
    pub(crate) parameters: Vec<Parameter>,
    /// Namespace that `call` is to be read in, empty for the global one.
    pub(crate) namespace: String,
    /// The function as C++ code in that namespace names it.
    pub(crate) call: String,
    /// Offset of the kernel, or its instantiation, in the preprocessed text.
    pub(crate) offset: usize,
}

/// Source of a parameter: an index into [`Kernel::arguments`] or [`Kernel::builtins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    Argument(usize),
    Builtin(usize),
}

/// An argument that the host binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Name.
    pub name: String,
    /// `n` of `[[buffer(n)]]` or `[[threadgroup(n)]]`; buffers without an attribute take the lowest free index.
    pub index: u32,
    /// What is bound.
    pub kind: ArgumentKind,
    /// The function constant of `[[function_constant(NAME)]]`: the argument is there only where it is true.
    pub condition: Option<String>,
    /// `#pragma mettle early`: the kernel may read it before the launches that it waits for are through.
    pub early: bool,
    /// Where it is declared.
    pub location: Location,
    /// The comment at the end of its line.
    pub docs: String,
}

/// What is bound to an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A pointer, or a reference to device memory, into a buffer.
    Buffer {
        /// What it points to.
        element: Type,
        /// What the kernel may do with it.
        access: Access,
        /// `device` or `constant`.
        space: AddressSpace,
    },
    /// `constant T&`: one value.
    Value {
        /// Its type.
        ty: Type,
    },
    /// A pointer to threadgroup memory of a size chosen at dispatch.
    ThreadgroupMemory {
        /// What it points to.
        element: Type,
    },
}

/// What a kernel may do with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `device const T*`, `constant T*`.
    Read,
    /// `device T*`.
    ReadWrite,
}

/// Where a buffer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSpace {
    /// `device`.
    Device,
    /// `constant`.
    Constant,
}

/// An argument that tells a thread where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Name of the parameter.
    pub name: String,
    /// What it tells.
    pub kind: BuiltinKind,
    /// Element type: `uint` or `ushort`.
    pub scalar: Scalar,
    /// Number of elements, 1 to 3.
    pub width: u8,
}

macro_rules! builtins {
    ($($variant:ident $name:literal $dimensions:literal $doc:literal,)*) => {
        /// What a built-in argument tells.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum BuiltinKind {
            $(#[doc = $doc] $variant,)*
        }

        impl BuiltinKind {
            /// The attribute's name in MSL.
            pub const fn msl_name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Number of dimensions it has: 3 for positions and sizes, 1 for indices and counts.
            pub const fn dimensions(self) -> u8 {
                match self { $(Self::$variant => $dimensions,)* }
            }

            /// The built-in of an attribute's name.
            pub(crate) fn from_msl(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    // The same value under two names: the SIMD width is fixed.
                    "thread_execution_width" => Some(Self::ThreadsPerSimdgroup),
                    _ => None,
                }
            }
        }
    };
}

builtins! {
    ThreadPositionInGrid "thread_position_in_grid" 3 "Position in the whole grid.",
    ThreadPositionInThreadgroup "thread_position_in_threadgroup" 3 "Position in the threadgroup.",
    ThreadgroupPositionInGrid "threadgroup_position_in_grid" 3 "Position of the threadgroup, in threadgroups.",
    ThreadsPerThreadgroup "threads_per_threadgroup" 3 "Size of this threadgroup, smaller at the edge of a non-uniform grid.",
    DispatchThreadsPerThreadgroup "dispatch_threads_per_threadgroup" 3 "Size of threadgroups as dispatched.",
    ThreadsPerGrid "threads_per_grid" 3 "Size of the grid, in threads.",
    ThreadgroupsPerGrid "threadgroups_per_grid" 3 "Size of the grid, in threadgroups.",
    ThreadIndexInThreadgroup "thread_index_in_threadgroup" 1 "Index in the threadgroup, x fastest.",
    ThreadIndexInSimdgroup "thread_index_in_simdgroup" 1 "Lane, 0 to 31.",
    SimdgroupIndexInThreadgroup "simdgroup_index_in_threadgroup" 1 "Index of the SIMD group in its threadgroup.",
    SimdgroupsPerThreadgroup "simdgroups_per_threadgroup" 1 "Number of SIMD groups of this threadgroup.",
    DispatchSimdgroupsPerThreadgroup "dispatch_simdgroups_per_threadgroup" 1 "Number of SIMD groups of a threadgroup as dispatched.",
    ThreadsPerSimdgroup "threads_per_simdgroup" 1 "Lanes of a SIMD group: 32.",
    ThreadIndexInQuadgroup "thread_index_in_quadgroup" 1 "Index in the quad group, 0 to 3.",
    QuadgroupIndexInThreadgroup "quadgroup_index_in_threadgroup" 1 "Index of the quad group in its threadgroup.",
    QuadgroupsPerThreadgroup "quadgroups_per_threadgroup" 1 "Number of quad groups of this threadgroup.",
}

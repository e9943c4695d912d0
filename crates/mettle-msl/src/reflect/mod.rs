//! What a unit contains, as the outside sees it: kernels with their arguments, function constants, structs, variants.

mod constant;
mod kernel;
mod types;

pub(crate) use constant::matches;
pub use constant::{ConstantValue, FunctionConstant, Variant};
pub(crate) use kernel::Parameter;
pub use kernel::{Access, AddressSpace, Argument, ArgumentKind, Builtin, BuiltinKind, Kernel};
pub use types::{Field, Layout, Scalar, Struct, Type};

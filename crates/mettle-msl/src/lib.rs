//! Reads Metal Shading Language source and turns it into native code.
//!
//! Owns: preprocessing, the token-level parser, reflection, the rewrite of MSL to C++, the drivers of the
//! C++ compiler, the source map of diagnostics, and our `metal_stdlib` (in `include/`).
//! May not know: devices, buffers, launches, or any particular kernel.

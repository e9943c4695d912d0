// The contract between a compiled kernel and the device that runs it. `mettle_msl::abi` mirrors it in Rust.
//
// A thread's SIMD group is `thread index / 32` and its lane `thread index % 32`; threads are numbered x fastest, then
// y, then z, within the threadgroup's own size.
#pragma once

#include "types.h"

namespace mettle {

constexpr uint simd_width = 32;

// One function constant of an artefact whose constants are set when it is loaded. The table ends with size 0.
struct Constant {
  uint index;
  uint size;  // bytes
  void* value;
  bool* defined;
};

#ifdef METTLE_PTX

// First parameter of every kernel on an NVIDIA GPU; the kernel's own arguments follow in the order they are written: the
// address for a buffer, the bytes for a `constant T&`, the offset in the dynamic shared memory for threadgroup memory.
// The block is the threadgroup, so all groups of a launch have the same size: the smaller ones at the edge of a grid are
// launched on their own, with the position of the first of them as `origin`.
struct Dispatch {
  uint threads_per_grid[3];
  uint threadgroups_per_grid[3];
  uint threads_per_threadgroup[3];  // as dispatched
  uint origin[3];
};

#else

// What is the same for every thread of one threadgroup.
struct Launch {
  void* const* buffers;             // [31], by [[buffer(i)]]; a `constant T&` argument is the pointer to its bytes
  void* const* threadgroup_memory;  // [31], dynamic threadgroup memory by [[threadgroup(i)]]
  uint threads_per_grid[3];
  uint threadgroups_per_grid[3];
  uint threads_per_threadgroup[3];  // as dispatched
  uint threadgroup_size[3];         // of this group: smaller than dispatched at the edge of a non-uniform grid
  uint threadgroup_position[3];
};

// Computes the results of one SIMD-group operation. `in[lane]` and `out[lane]` are the operands and results of the
// lanes in `active`; the entries of other lanes are null.
using Combine = void (*)(const void* const* in, void* const* out, uint active);
using WaitForGroup = void (*)(ulong site, Combine combine, const void* in, void* out);
using WaitForThreadgroup = void (*)(ulong site, uint mem_flags);
using AskIndex = uint (*)();

enum class LogKind : uint { signed_integer, unsigned_integer, floating };

// An argument of a message: a number, or a vector of up to four. Integers are extended to 64 bits, floating-point
// numbers are the bits of a float.
struct LogArgument {
  ulong values[4];
  LogKind kind;
  uint size;   // bytes of one number, after promotion unless it is in a vector
  uint count;  // 1 for a number
};

// A message of a kernel: a format as printf's and its arguments.
struct LogMessage {
  const char* subsystem;
  const char* category;
  const char* format;
  const LogArgument* arguments;
  uint type;  // metal::log_type
  uint count;
};

using Log = void (*)(const LogMessage* message);

// What a running kernel asks of the device.
struct Hooks {
  // Waits until every thread of the SIMD group that has not returned waits in a hook, then `combine` (unless null) runs
  // once for the threads waiting at the same `site`.
  WaitForGroup collective;
  // Waits until every thread of the threadgroup waits here.
  WaitForThreadgroup barrier;
  // The calling thread's index in its threadgroup.
  AskIndex thread_index;
  // Hands a message to the host's log.
  Log log;
};

#endif  // METTLE_PTX

}  // namespace mettle

#ifndef METTLE_PTX
// Set by the loader before any entry is called.
extern "C" __attribute__((visibility("default"))) const mettle::Hooks* mettle_hooks;
#endif

// Launches that begin while those before them are still running. Where processors have no such launches, on Apple GPUs among them, these
// functions do nothing.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

#ifdef __METTLE__
using mettle::let_next_launch_begin;
using mettle::wait_for_launches;
#else
// The next launch may begin, as far as there is room beside this one.
METAL_FUNC void let_next_launch_begin() {}

// Waits until the launches before this one are through, to read what they wrote through the pointer that comes back. A kernel that calls
// it does so on each of its ways, and reads nothing before but what `#pragma mettle early` names.
template <typename T>
METAL_FUNC device T* wait_for_launches(device T* pointer)
{
    return pointer;
}
#endif

}  // namespace mettle_kernels

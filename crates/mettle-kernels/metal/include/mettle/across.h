// Values of other lanes of a SIMD group, whose lanes all ask for them: then none has to find out first which others do.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// The value of the lane whose number differs by `offset`. All lanes of the SIMD group call it.
template <typename V>
METAL_FUNC V across(V x, uint offset)
{
#ifdef __METTLE__
    return mettle::shuffle_xor_of_all(x, ushort(offset));
#else
    return simd_shuffle_xor(x, ushort(offset));
#endif
}

}  // namespace mettle_kernels

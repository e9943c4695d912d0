// The activation of gated layers.
#pragma once

#include <metal_stdlib>

namespace mettle_kernels {

// x / (1 + exp(-x)), by an exponential that does not overflow.
METAL_FUNC float silu(float x)
{
    const float e = metal::precise::exp(-metal::fabs(x));
    return x * (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

}  // namespace mettle_kernels

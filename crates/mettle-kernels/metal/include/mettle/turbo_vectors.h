// Vectors of rows of TurboQuant's codes.
#pragma once

#include <mettle/row_vectors.h>
#include <mettle/turbo.h>

using namespace metal;

namespace mettle_kernels {

// Eight codes, which begin within a word and end within the next one, at the latest. A head is one block.
template <>
struct Vector<uint> {
    static constant constexpr uint values = 8;
    static constant constexpr uint levels = 256;
    uint low;
    uint high;
    uint shift;
    float scale;

    // By `threads` threads. In constant memory, lanes that look for different levels would have them one after the other.
    static METAL_FUNC void load_levels(threadgroup float* to, uint index, uint threads)
    {
        for (uint i = index; i < 1u << TURBO_BITS; i += threads) {
            to[i] = TURBO_LEVELS[turbo_levels() + i];
        }
    }

    METAL_FUNC void load(device const uint* from, uint row, uint i)
    {
        device const uint* block = from + ulong(row / (TURBO_VALUES / values)) * row_stride<uint>(TURBO_VALUES);
        const uint bit = values * TURBO_BITS * i;
        shift = bit % 32;
        low = block[1 + bit / 32];
        high = shift + values * TURBO_BITS > 32 ? block[2 + bit / 32] : 0;
        scale = as_type<float>(block[0]);
    }

    METAL_FUNC float value(uint i, threadgroup const float* of_codes) const
    {
        const ulong codes = (ulong(high) << 32 | low) >> shift;
        return scale * of_codes[uint(codes >> (i * TURBO_BITS)) & ((1u << TURBO_BITS) - 1)];
    }
};

}  // namespace mettle_kernels

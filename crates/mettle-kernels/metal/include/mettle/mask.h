// Masks over scores: numbers that are added to them, or which of them count.
#pragma once

#include <metal_stdlib>
#include <mettle/sixteens.h>

namespace mettle_kernels {

// What a mask consists of.
constant constexpr uint NO_MASK = 0;
// Numbers that are added to scores, minus infinity where they do not count.
constant constexpr uint MASK_F32 = 1;
constant constexpr uint MASK_F16 = 2;
constant constexpr uint MASK_BF16 = 3;
// Bytes that are zero where scores do not count.
constant constexpr uint MASK_BOOLEAN = 4;

// Value i of a mask of some kind, as what is added to a score.
METAL_FUNC float mask_value(device const uchar* mask, uint kind, ulong i)
{
    switch (kind) {
        case MASK_F32: return reinterpret_cast<device const float*>(mask)[i];
        case MASK_F16: return float(reinterpret_cast<device const half*>(mask)[i]);
        case MASK_BF16: return float(reinterpret_cast<device const bfloat*>(mask)[i]);
        case MASK_BOOLEAN: return mask[i] != 0 ? 0.0f : -INFINITY;
        default: return 0.0f;
    }
}

// The scores at `at` of a row of `count`, masked by the row of a mask that begins with value `first`.
METAL_FUNC wide masked(wide scores, device const uchar* mask, uint kind, ulong first, Sixteen at, uint count)
{
    if (kind == NO_MASK) {
        return scores;
    }
    wide values = splat(0.0f);
    for (uint i = 0; i < WIDE; ++i) {
        const uint place = at.first + i * at.step;
        if (place < count) {
            set_element(values, i, mask_value(mask, kind, first + place));
        }
    }
    return scores + values;
}

}  // namespace mettle_kernels

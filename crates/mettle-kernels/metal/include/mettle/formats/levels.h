// Codes of four bits that stand for values of a table, which is denser around zero.
#pragma once

#include <mettle/formats/block.h>

namespace mettle_kernels {

// The values, 128 added to each.
constant constexpr uchar LEVELS[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
constant constexpr int LEVELS_BIAS = 128;

// What sixteen codes, one a byte, stand for.
METAL_FUNC wide_bytes levels_of(wide_bytes codes)
{
#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
    return mettle::look_up_bytes(metal::uint4(0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5), codes);
#else
    wide_bytes levels;
    for (ushort i = 0; i < 4; ++i) {
        const metal::uint4 four = (metal::uint4(codes[i]) >> metal::uint4(0, 8, 16, 24)) & 15u;
        levels[i] = uint(LEVELS[four.x]) | uint(LEVELS[four.y]) << 8 | uint(LEVELS[four.z]) << 16 | uint(LEVELS[four.w]) << 24;
    }
    return levels;
#endif
}

}  // namespace mettle_kernels

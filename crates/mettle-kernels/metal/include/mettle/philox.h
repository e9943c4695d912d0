// A counter-based random generator: Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).
// The same seed and counter give the same number on every device and in any order of execution.
#pragma once

#include <metal_stdlib>

using namespace metal;

namespace mettle_kernels {

// The first 32 bits that the generator with key `seed` gives for the counter (counter, 0).
METAL_FUNC uint philox(ulong seed, ulong counter)
{
    uint2 key = uint2(uint(seed), uint(seed >> 32));
    uint4 state = uint4(uint(counter), uint(counter >> 32), 0, 0);
    for (ushort round = 0; round < 10; ++round) {
        const ulong first = ulong(state.x) * 0xD2511F53u;
        const ulong second = ulong(state.z) * 0xCD9E8D57u;
        state = uint4(uint(second >> 32) ^ state.y ^ key.x, uint(second), uint(first >> 32) ^ state.w ^ key.y, uint(first));
        key += uint2(0x9E3779B9u, 0xBB67AE85u);
    }
    return state.x;
}

// A number in [0, 1) with 24 random bits that belongs to the counter.
METAL_FUNC float random_share(ulong seed, ulong counter)
{
    return float(philox(seed, counter) >> 8) * 5.9604645e-8f;
}

}  // namespace mettle_kernels

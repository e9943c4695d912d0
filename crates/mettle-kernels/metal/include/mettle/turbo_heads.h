// Heads that the lanes of a SIMD group transform and encode in TurboQuant's blocks together: what hadamard.metal and kv_append_turbo.metal compute, to
// the bit.
#pragma once

#include <mettle/block_heads.h>
#include <mettle/hadamard.h>
#include <mettle/turbo.h>

using namespace metal;

namespace mettle_kernels {

// Values of a block, at most.
constant constexpr uint MAX_BLOCK = 256;

// The root mean square of a block, of which the lane has values lane, lane + 32, ...: added up in the order of root_mean_square.
METAL_FUNC float root_mean_square_together(thread const float* x, uint lane)
{
    float squares = 0.0f;
#pragma unroll
    for (uint i = 0; i < MAX_BLOCK / 32; ++i) {
        if (i < TURBO_VALUES / 32) {
            const float other = simd_shuffle_xor(x[i], ushort(WIDE));
            const float lower = lane < WIDE ? x[i] : other;
            const float upper = lane < WIDE ? other : x[i];
            squares = metal::fma(lower, lower, squares);
            squares = metal::fma(upper, upper, squares);
        }
    }
#pragma unroll
    for (uint half_of = WIDE / 2; half_of > 0; half_of /= 2) {
        squares += simd_shuffle_xor(squares, ushort(half_of));
    }
    return precise::sqrt(squares / float(TURBO_VALUES));
}

// Writes a block, of which the lane has values lane, lane + 32, ...; `codes` is the SIMD group's own.
METAL_FUNC void put_together(device uint* block, thread const float* x, threadgroup uchar* codes, uint lane)
{
    const float scale = root_mean_square_together(x, lane);
    const float inverse = inverse_or_zero(scale);
#pragma unroll
    for (uint i = 0; i < MAX_BLOCK / 32; ++i) {
        if (i < TURBO_VALUES / 32) {
            codes[32 * i + lane] = uchar(nearest_level(x[i] * inverse));
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (lane == 0) {
        block[0] = as_type<uint>(scale);
    }
    for (uint word = lane; word < TURBO_VALUES * TURBO_BITS / 32; word += 32) {
        uint bits = 0;
        // From the code that its first bit is of on.
        for (uint i = 32 * word / TURBO_BITS; i * TURBO_BITS < 32 * (word + 1); ++i) {
            const uint at = i * TURBO_BITS;
            const uint code = codes[i];
            bits |= at >= 32 * word ? code << (at - 32 * word) : code >> (32 * word - at);
        }
        block[1 + word] = bits;
    }
    // The next block's codes go to the same place.
    simdgroup_barrier(mem_flags::mem_threadgroup);
}

// How heads become rows of a cache of TurboQuant.
template <>
struct BlockHeads<uint> {
    static constant constexpr uint codes = MAX_BLOCK;

    static METAL_FUNC void change_alone(device float* heads, uint count, uint size)
    {
        for (uint h = 0; h < count; ++h) {
            transform_alone(heads + h * size, forward_hadamard(size));
        }
    }

    static METAL_FUNC void change_together(device float* head, uint size, uint lane)
    {
        simdgroup_barrier(mem_flags::mem_device);
        transform_together(head, forward_hadamard(size), lane);
    }

    static METAL_FUNC void encode_together(
        device uint* row, device const float* head, uint size, threadgroup uchar* of_group, uint lane)
    {
        const LaneOfHead x = transformed(head, forward_hadamard(size), lane);
        put_together(row, x.values, of_group, lane);
        if (size > TURBO_VALUES) {
            put_together(row + turbo_words(), x.values + MAX_BLOCK / 32, of_group, lane);
        }
    }
};

}  // namespace mettle_kernels

// What the kernels of gated delta nets have in common: see gated_delta_net.metal.
#pragma once

#include <metal_stdlib>
#include <mettle/sixteens.h>

using namespace metal;

struct DeltaNetParams {
    uint key_heads;
    uint value_heads;
    uint key_size;    // of a head of queries or keys
    uint value_size;  // of a head of values
    uint tokens;
    // Values from one token to the next.
    uint query_stride;
    uint key_stride;
    uint value_stride;
    float eps;  // added to the squares of the L2 norms
};

namespace mettle_kernels {

// One thread does a row of the state by itself (CPU) instead of a SIMD group together (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Value head h reads key head h % key_heads, as GGUF files of Qwen3.5 have it, instead of h / (value_heads / key_heads).
constant bool TILED [[function_constant(1)]];

// Tokens of a chunk.
constant constexpr uint CHUNK = 16;

// What gated_delta_net_prepare leaves for each chunk and value head, in floats. Numbers 0 to 15 stand for what tokens of the chunk write, 16 to
// 31 for what they read.
constant constexpr uint MIX = 0;         // [16][32]: how much of what token j writes comes into number l
constant constexpr uint OF_DOT = 512;    // [32]: factor of the product of the state with the key or the query
constant constexpr uint OF_VALUE = 544;  // [16]: factor of the value
constant constexpr uint OF_KEY = 560;    // [16]: factor of the key in the state at the end of the chunk
constant constexpr uint CARRY = 576;     // what the state before the chunk is multiplied by at its end
constant constexpr uint CHUNK_FLOATS = 592;

// Behind all of these lie the keys and queries as normalised, [chunks, key_heads, 32, key_size]: sixteen keys, then sixteen queries, side by side
// as they are not where they come from, whose rows may be a power of two apart and fall into the same few places of a cache.
METAL_FUNC ulong rows_of_chunk(uint chunk, uint key_head, constant DeltaNetParams& params)
{
    const uint chunks = (params.tokens + CHUNK - 1) / CHUNK;
    return ulong(chunks) * params.value_heads * CHUNK_FLOATS +
           (ulong(chunk) * params.key_heads + key_head) * 2 * CHUNK * params.key_size;
}

METAL_FUNC uint key_head_of(uint value_head, constant DeltaNetParams& params)
{
    return TILED ? value_head % params.key_heads : value_head / (params.value_heads / params.key_heads);
}

METAL_FUNC float reciprocal_norm(float squares, float eps) { return 1.0f / metal::sqrt(squares + eps); }

}  // namespace mettle_kernels

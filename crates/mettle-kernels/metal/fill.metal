// One value everywhere.

#include <metal_stdlib>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// How threads share values: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(0)]];

#pragma mettle variant(cpu: fill_*, INTERLEAVED = false)
#pragma mettle variant(gpu: fill_*, INTERLEAVED = true)

struct Params {
    uint columns;
    uint stride;  // values from one row to the next
    float value;
};

// out[r, :] = value, rounded; out is [rows, columns], with or without gaps between its rows.
//
// One thread for sixteen elements of a row.
template <typename T>
kernel void fill(
    device T*        out    [[buffer(0)]],
    constant Params& params [[buffer(1)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    store(out + ulong(position.y) * params.stride, at, params.columns, splat(params.value));
}

#define INSTANTIATE(name, type) template [[host_name("fill_" #name)]] kernel decltype(fill<type>) fill<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)

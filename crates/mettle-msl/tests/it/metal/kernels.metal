// One of everything that reflection knows.
#include <metal_stdlib>
#include "shared.h"

using namespace metal;

#define WIDTH 32
#define KERNEL(T) template [[host_name("scale_" #T)]] kernel decltype(scale<T>) scale<T>;

constant bool CAUSAL [[function_constant(0)]];
constant uint ROWS [[function_constant(1)]];
constant float SLOPE [[function_constant(7)]];
constant uint USED_ROWS = is_function_constant_defined(ROWS) ? ROWS : 4;

#pragma mettle variant(row_*, CAUSAL = true, ROWS = 0x10)
#pragma mettle variant(*, SLOPE = -0.5)

enum Slot : ushort { slot_in, slot_out = slot_in + 2, slot_scratch };

// Parameters of row_sum.
struct Params {
    uint   columns;           // elements a row
    half2  range;             /* smallest and largest */
    float3 origin;            // takes the room of four
    packed_float3 step;
    short  steps[WIDTH / 16][2];
    Block  last;
};

typedef struct {
    Params first;
    bool   flag;
} Pair;

// Sums rows.
//
// A threadgroup a row.
kernel void row_sum(
    device const float*      in      [[buffer(slot_in)]],      // [rows, columns]
    device float4*           out     [[buffer(slot_out)]],
    constant Params&         params  [[buffer(1)]],
    constant half*           table   [[buffer(3)]],
    threadgroup float*       scratch [[threadgroup(0)]],
    device atomic_uint&      done,
    device const Block*      blocks,
    constant long            strides[2],
    uint3  group  [[threadgroup_position_in_grid]],
    ushort lane   [[thread_index_in_simdgroup]],
    ushort2 size  [[threads_per_threadgroup]])
{
    threadgroup float partial[WIDTH];
    partial[lane] = in[group.x * params.columns + lane] * float(table[0]) * SLOPE;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    scratch[lane] = partial[(lane + 1) % WIDTH] + float(size.x);
    out[lane] = float4(scratch[lane], params.origin) + float(blocks[0].scale) + (CAUSAL ? 1.0 : 2.0) + USED_ROWS;
    if (lane == 0) { atomic_fetch_add_explicit(&done, 1u, memory_order_relaxed); }
}

/// Multiplies in place.
template <typename T, typename U = vec<T, 4>, int N = 2 * WIDTH>
[[kernel]] void scale(device U* x [[buffer(0)]], constant array<T, N>& factors [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    x[i] *= factors[i % N];
}

KERNEL(float)
// In half precision.
KERNEL(half)
template [[host_name("scale_wide")]] [[kernel]] void scale<float, metal::float2, (1 << 3)>(device float2*, constant array<float, 8>&, uint);

namespace inner {
constexpr constant int offset = 3;
struct Local { int value[offset]; };
[[host_name("inner_kernel"), max_total_threads_per_threadgroup(64)]] kernel void copy(device Local* x, constant const int& n) {
    x[n].value[0] = offset;
}
}

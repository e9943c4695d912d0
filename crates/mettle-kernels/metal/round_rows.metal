// Rows of activations made ready for products of 16-bit numbers.

#include <metal_stdlib>
#include <mettle/group.h>

using namespace metal;
using namespace mettle_kernels;

struct Params {
    uint rows;     // of x
    uint padded;   // rows of the output
    uint columns;  // of x
    uint stride;   // values of a padded row of the output
    uint step;     // values from one row of x to the next
    uint aligned;  // whether four values of x may be read at once, from row starts on
};

// Values that are read and written together.
constant constexpr uint FOUR = 4;

// Fours of a row that each thread keeps, all of them on their way at a time. Those beyond are read again.
constant constexpr uint KEPT = 4;

// Values i to i + 3 of a row, zeros beyond its end.
template <typename X>
METAL_FUNC float4 four(device const X* x, uint i, uint columns, uint aligned)
{
    if (aligned && i + FOUR <= columns) {
        return float4(*reinterpret_cast<device const vec<X, 4>*>(x + i));
    }
    float4 values = 0.0f;
    for (uint j = 0; j < FOUR && i + j < columns; ++j) {
        values[j] = float(x[i + j]);
    }
    return values;
}

// The bits of the largest absolute value. Among floats without a sign their order is that of the values, and NaN comes last.
METAL_FUNC uint largest_of(float4 values)
{
    const uint4 bits = as_type<uint4>(values) & 0x7fffffffu;
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

// Halves reach up to 65504. A row is scaled such that its largest value lies between 2^LARGEST and twice that.
constant constexpr int LARGEST = 14;

// The power of two that has these exponent bits.
METAL_FUNC float power_of_two(int exponent) { return as_type<float>(uint(exponent) << 23); }

// out[r, i] = x[r, i] / scale[r] rounded to half, where scale[r] is a power of two such that the largest of x[r, :] fits.
// The grid is one threadgroup a padded row; beyond the rows and columns of x there are zeros. A row with an infinity or NaN
// is not scaled: it stays one with an infinity or NaN.
template <typename X>
kernel void round_rows_f16(
    device const X*     x      [[buffer(0)]],
    device half*        out    [[buffer(1)]],
    device float*       scale  [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint row          [[threadgroup_position_in_grid]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint threads      [[threads_per_threadgroup]],
    uint lane         [[thread_index_in_simdgroup]],
    uint simd_group   [[simdgroup_index_in_threadgroup]],
    uint simd_groups  [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group = {thread_index, threads, lane, simd_group, simd_groups, scratch};
    const uint columns = row < params.rows ? params.columns : 0;
    x += ulong(row) * params.step;
    out += ulong(row) * params.stride;

    float4 kept[KEPT];
    uint largest = 0;
#pragma unroll
    for (uint j = 0; j < KEPT; ++j) {
        kept[j] = four(x, FOUR * (j * threads + thread_index), columns, params.aligned);
    }
#pragma unroll
    for (uint j = 0; j < KEPT; ++j) {
        largest = max(largest, largest_of(kept[j]));
    }
    const uint first_again = FOUR * (KEPT * threads + thread_index);
    for (uint i = first_again; i < columns; i += FOUR * threads) {
        largest = max(largest, largest_of(four(x, i, columns, params.aligned)));
    }
    largest = group_max(group, largest);

    // Exponent bits of the scale, and of what x is multiplied by: both are to be normal numbers.
    const int exponent = int(largest >> 23);
    const bool finite = exponent < 255;
    const int up = finite ? max(exponent, LARGEST + 1) - LARGEST : 127;
    const float factor = power_of_two(254 - up);
#pragma unroll
    for (uint j = 0; j < KEPT; ++j) {
        const uint i = FOUR * (j * threads + thread_index);
        if (i < params.stride) {
            *reinterpret_cast<device half4*>(out + i) = half4(factor * kept[j]);
        }
    }
    for (uint i = first_again; i < params.stride; i += FOUR * threads) {
        *reinterpret_cast<device half4*>(out + i) = half4(factor * four(x, i, columns, params.aligned));
    }
    if (thread_index == 0) {
        scale[row] = power_of_two(up);
    }
}

template [[host_name("round_rows_f16")]] kernel decltype(round_rows_f16<float>) round_rows_f16<float>;
// Names end in the format of x where that is not f32.
template [[host_name("round_rows_f16_f16")]] kernel decltype(round_rows_f16<half>) round_rows_f16<half>;

// out[0, r, i] + out[1, r, i] = x[r, i]: x rounded to bfloat, and what that leaves out, rounded too. scale[r] = 1. Grid and
// padding are those of `round_rows_f16`.
kernel void round_rows_bf16(
    device const float* x      [[buffer(0)]],
    device bfloat*      out    [[buffer(1)]],
    device float*       scale  [[buffer(2)]],
    constant Params&    params [[buffer(3)]],
    uint row          [[threadgroup_position_in_grid]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint threads      [[threads_per_threadgroup]])
{
    const uint columns = row < params.rows ? params.columns : 0;
    x += ulong(row) * params.step;
    out += ulong(row) * params.stride;
    for (uint i = FOUR * thread_index; i < params.stride; i += FOUR * threads) {
        const float4 values = four(x, i, columns, params.aligned);
        bfloat4 large;
        bfloat4 rest;
        for (uint j = 0; j < FOUR; ++j) {
            large[j] = bfloat(values[j]);
            // An infinity leaves nothing out.
            rest[j] = bfloat(isinf(float(large[j])) ? 0.0f : values[j] - float(large[j]));
        }
        *reinterpret_cast<device bfloat4*>(out + i) = large;
        *reinterpret_cast<device bfloat4*>(out + ulong(params.padded) * params.stride + i) = rest;
    }
    if (thread_index == 0) {
        scale[row] = 1.0f;
    }
}

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
};

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

    // Among floats without a sign the order of the bits is that of the values, and NaN comes last.
    uint largest = 0;
    for (uint i = thread_index; i < columns; i += threads) {
        largest = max(largest, as_type<uint>(float(x[i])) & 0x7fffffff);
    }
    largest = group_max(group, largest);

    // Exponent bits of the scale, and of what x is multiplied by: both are to be normal numbers.
    const int exponent = int(largest >> 23);
    const bool finite = exponent < 255;
    const int up = finite ? max(exponent, LARGEST + 1) - LARGEST : 127;
    const float factor = power_of_two(254 - up);
    for (uint i = thread_index; i < params.stride; i += threads) {
        out[i] = i < columns ? half(factor * float(x[i])) : half(0);
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
    for (uint i = thread_index; i < params.stride; i += threads) {
        const float value = i < columns ? x[i] : 0.0f;
        const bfloat large = bfloat(value);
        // An infinity leaves nothing out.
        const float rest = isinf(float(large)) ? 0.0f : value - float(large);
        out[i] = large;
        out[ulong(params.padded) * params.stride + i] = bfloat(rest);
    }
    if (thread_index == 0) {
        scale[row] = 1.0f;
    }
}

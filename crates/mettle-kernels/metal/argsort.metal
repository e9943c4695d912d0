// The order of the values of rows, the largest first, wholly or its first few.
//
// Stretches of a row are sorted by counting: a value's place is the number of those that come before it. Then neighbouring stretches are
// merged, pair by pair, a launch for each doubling: a value's place is that in its own stretch and the number of those of the other one
// that come before it, found by bisection. Of each stretch only as many are kept as are wanted in the end. Nothing depends on a size
// being a power of two, and no thread waits for another.

#include <metal_stdlib>

using namespace metal;

struct Params {
    uint columns;  // of x
    uint keep;     // values wanted of each row
    uint length;   // of the stretches: those that are sorted, or each of the two that are merged
    uint stride;   // of the output, from one row to the next
};

// Numbers in the order of floats, greater for greater ones: equal for both zeros, and zero for NaN, which comes last.
METAL_FUNC uint key_of(float x)
{
    if (isnan(x)) {
        return 0;
    }
    const uint bits = x == 0.0f ? 0 : as_type<uint>(x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// Sorts stretches of `length`: out[r, first + n] = the column of the n-th value of the stretch of row r that begins at `first`, for n
// below `keep`. Among equal values the lowest column comes first. x is [rows, columns], out is [rows, stride].
//
// One thread a value: the grid is [columns, rows].
template <typename T>
kernel void argsort(
    device const T*  x      [[buffer(0)]],
    device uint*     out    [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint column = position.x;
    const uint first = column / params.length * params.length;
    const uint end = first + min(params.length, params.columns - first);
    x += ulong(position.y) * params.columns;

    const uint key = key_of(float(x[column]));
    uint before = 0;
    for (uint i = first; i < end; ++i) {
        const uint other = key_of(float(x[i]));
        before += other > key || (other == key && i < column) ? 1 : 0;
    }
    if (before < params.keep) {
        out[ulong(position.y) * params.stride + first + before] = column;
    }
}

// Merges each two neighbouring stretches of `length` in `order`, as argsort_* and this kernel write them with the row stride `columns`,
// to one in out, of which again `keep` are kept. x is [rows, columns], order is [rows, columns], out is [rows, stride].
//
// One thread a value: the grid is [columns, rows].
template <typename T>
kernel void argsort_merge(
    device const T*    x      [[buffer(0)]],
    device const uint* order  [[buffer(1)]],
    device uint*       out    [[buffer(2)]],
    constant Params&   params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint length = params.length;
    const uint columns = params.columns;
    const uint first = position.x / (2 * length) * (2 * length);
    const uint middle = min(first + length, columns);
    const uint end = min(first + 2 * length, columns);
    x += ulong(position.y) * columns;
    order += ulong(position.y) * columns;

    const bool left = position.x < middle;
    const uint place = position.x - (left ? first : middle);
    if (place >= params.keep) {
        return;
    }
    const uint column = order[position.x];
    const uint key = key_of(float(x[column]));

    // How many of the other stretch come before: those of the right one only where they are greater.
    device const uint* others = order + (left ? middle : first);
    uint low = 0;
    uint high = min(left ? end - middle : middle - first, params.keep);
    while (low < high) {
        const uint half_way = low + (high - low) / 2;
        const uint other = key_of(float(x[others[half_way]]));
        if (left ? other > key : other >= key) {
            low = half_way + 1;
        } else {
            high = half_way;
        }
    }
    if (place + low < params.keep) {
        out[ulong(position.y) * params.stride + first + place + low] = column;
    }
}

// values[r, i] = x[r, order[r, i]]; x is [rows, columns], order and values are [rows, keep].
//
// One thread a value: the grid is [keep, rows].
template <typename T>
kernel void argsort_values(
    device const T*    x      [[buffer(0)]],
    device const uint* order  [[buffer(1)]],
    device T*          values [[buffer(2)]],
    constant Params&   params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const ulong at = ulong(position.y) * params.keep + position.x;
    values[at] = x[ulong(position.y) * params.columns + order[at]];
}

#define INSTANTIATE(name, type)                                                                                 \
    template [[host_name("argsort_" #name)]] kernel decltype(argsort<type>) argsort<type>;                      \
    template [[host_name("argsort_merge_" #name)]] kernel decltype(argsort_merge<type>) argsort_merge<type>;    \
    template [[host_name("argsort_values_" #name)]] kernel decltype(argsort_values<type>) argsort_values<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)

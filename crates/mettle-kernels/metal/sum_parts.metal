// Sums whose parts were made apart, by threadgroups that shared a product.

#include <metal_stdlib>

using namespace metal;

struct Params {
    uint count;  // values of a part
    uint parts;  // of each sum
};

// out[b, i] = sum over p of parts[b, p, i], in order; parts is [batches, parts, count], out is [batches, count].
//
// One thread a sum: the grid is [count, batches].
kernel void sum_parts_f32(
    device const float* parts  [[buffer(0)]],
    device float*       out    [[buffer(1)]],
    constant Params&    params [[buffer(2)]],
    uint2 position [[thread_position_in_grid]])
{
    parts += ulong(position.y) * params.parts * params.count + position.x;
    float sum = parts[0];
    for (uint part = 1; part < params.parts; ++part) {
        sum += parts[ulong(part) * params.count];
    }
    out[ulong(position.y) * params.count + position.x] = sum;
}

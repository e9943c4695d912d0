// Copies between layouts and formats: bands of wider tensors, permuted dimensions, casts.

#include <metal_stdlib>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// How threads share values: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(0)]];

#pragma mettle variant(cpu: copy_*, INTERLEAVED = false)
#pragma mettle variant(gpu: copy_*, INTERLEAVED = true)

struct Params {
    uint4 shape;  // of out, outermost dimension first
    uint4 from;   // values of x from one index of each of these dimensions to the next
    uint4 to;     // values of out from one to the next, of which the innermost is not used: its values lie side by side
};

// Where a row begins, of the outer dimensions `shape`, whose indices are `strides` apart.
METAL_FUNC ulong row_start(uint row, uint4 shape, uint4 strides)
{
    const uint inner = row % shape.z;
    const uint middle = row / shape.z % shape.y;
    const uint outer = row / shape.z / shape.y;
    return ulong(outer) * strides.x + ulong(middle) * strides.y + ulong(inner) * strides.z;
}

// out[i, j, k, l] = x[i * from.x + j * from.y + k * from.z + l * from.w], converted: rounded to nearest where T has less bits.
//
// One thread for sixteen elements of a row of out.
template <typename S, typename T>
kernel void copy(
    device const S*  x      [[buffer(0)]],
    device T*        out    [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint columns = params.shape.w;
    const uint stride = params.from.w;
    x += row_start(position.y, params.shape, params.from);
    out += row_start(position.y, params.shape, params.to);

    wide values = splat(0.0f);
    if (stride == 1) {
        values = load(x, at, columns);
    } else {
        for (uint i = 0; i < WIDE; ++i) {
            const uint place = at.first + i * at.step;
            if (place < columns) {
                set_element(values, i, float(x[ulong(place) * stride]));
            }
        }
    }
    store(out, at, columns, values);
}

#define INSTANTIATE(name, from, to) template [[host_name("copy_" #name)]] kernel decltype(copy<from, to>) copy<from, to>;
INSTANTIATE(f32_f32, float, float)
INSTANTIATE(f32_f16, float, half)
INSTANTIATE(f32_bf16, float, bfloat)
INSTANTIATE(f16_f32, half, float)
INSTANTIATE(f16_f16, half, half)
INSTANTIATE(f16_bf16, half, bfloat)
INSTANTIATE(bf16_f32, bfloat, float)
INSTANTIATE(bf16_f16, bfloat, half)
INSTANTIATE(bf16_bf16, bfloat, bfloat)

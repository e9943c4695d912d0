// Functions of pairs of values: sums, products, gated activations.

#include <metal_stdlib>
#include <mettle/activations.h>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// The function, of the values below.
constant uint FUNCTION [[function_constant(0)]];

// How threads share values: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(1)]];

// x + y.
constant constexpr uint ADD = 0;
// x y.
constant constexpr uint MUL = 1;
// sigmoid(x) y and so on: see mettle/activations.h.
constant constexpr uint SIGMOID_MUL = 2;
constant constexpr uint SILU_MUL = 3;
constant constexpr uint GELU_ERF_MUL = 4;
constant constexpr uint GELU_TANH_MUL = 5;

#pragma mettle variant(cpu: binary_*f32, FUNCTION = 0, INTERLEAVED = false)
#pragma mettle variant(gpu: binary_*f32, FUNCTION = 0, INTERLEAVED = true)
#pragma mettle variant(cpu: binary_f32, FUNCTION = 3, INTERLEAVED = false)
#pragma mettle variant(gpu: binary_f32, FUNCTION = 3, INTERLEAVED = true)
#pragma mettle variant(cpu: binary_f32, FUNCTION = 5, INTERLEAVED = false)
#pragma mettle variant(gpu: binary_f32, FUNCTION = 5, INTERLEAVED = true)

struct Params {
    uint columns;
    uint x_stride;  // values of x from one row to the next
    uint y_stride;  // of y: zero where one row serves all
};

METAL_FUNC wide apply(wide x, wide y)
{
    switch (FUNCTION) {
        case ADD: return x + y;
        case MUL: return x * y;
        case SIGMOID_MUL: return sigmoid(x) * y;
        case SILU_MUL: return silu(x) * y;
        case GELU_ERF_MUL: return gelu_erf(x) * y;
        default: return gelu_tanh(x) * y;
    }
}

// out[r, i] = f(x[r, i], y[r, i]), f being FUNCTION; x and out are [rows, columns], y too, or [columns]. Rows of x and y may have gaps
// between them: gates and what they gate can be the halves of the rows of one tensor.
//
// One thread for sixteen elements of a row.
template <typename T>
kernel void binary(
    device const T*  x      [[buffer(0)]],
    device const T*  y      [[buffer(1)]],
    device T*        out    [[buffer(2)]],
    constant Params& params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint columns = params.columns;
    const wide first = load(x + ulong(position.y) * params.x_stride, at, columns);
    const wide second = load(y + ulong(position.y) * params.y_stride, at, columns);
    store(out + ulong(position.y) * columns, at, columns, apply(first, second));
}

// x[r, i] = f(x[r, i], y[r, i]), the same in place.
template <typename T>
kernel void binary_assign(
    device T*        x      [[buffer(0)]],
    device const T*  y      [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint columns = params.columns;
    x += ulong(position.y) * params.x_stride;
    device const T* from = x;
    const wide second = load(y + ulong(position.y) * params.y_stride, at, columns);
    store(x, at, columns, apply(load(from, at, columns), second));
}

#define INSTANTIATE(name, type)                                                                           \
    template [[host_name("binary_" #name)]] kernel decltype(binary<type>) binary<type>;                   \
    template [[host_name("binary_assign_" #name)]] kernel decltype(binary_assign<type>) binary_assign<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)

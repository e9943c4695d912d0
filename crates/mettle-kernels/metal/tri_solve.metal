// Systems of equations whose matrix is lower triangular with ones on its diagonal, as chunks of linear attention have them.

#include <metal_stdlib>
#include <mettle/sixteens.h>

using namespace metal;
using namespace mettle_kernels;

// How threads share values: see mettle/sixteens.h.
constant bool INTERLEAVED [[function_constant(0)]];

#pragma mettle variant(cpu: tri_solve_f32, INTERLEAVED = false)
#pragma mettle variant(gpu: tri_solve_f32, INTERLEAVED = true)

struct Params {
    uint n;        // rows and columns of a matrix
    uint columns;  // right-hand sides of a matrix
};

// L x = b for each matrix of a batch, by forward substitution: x[i, :] = b[i, :] - sum over j < i of l[i, j] x[j, :]. What l has on its
// diagonal and above is not read. l is [batch, n, n], b and x are [batch, n, columns].
//
// One thread for sixteen columns of a matrix: the grid is [threads for the columns, batch].
template <typename T>
kernel void tri_solve(
    device const T*  l      [[buffer(0)]],
    device const T*  b      [[buffer(1)]],
    device float*    x      [[buffer(2)]],
    constant Params& params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const Sixteen at = sixteen_of(position.x, INTERLEAVED);
    const uint n = params.n;
    const uint columns = params.columns;
    l += ulong(position.y) * n * n;
    b += ulong(position.y) * n * columns;
    x += ulong(position.y) * n * columns;

    // A thread reads no solutions but its own.
    device const float* solved = x;
    for (uint i = 0; i < n; ++i) {
        const ulong row = ulong(i) * columns;
        wide sum = load(b + row, at, columns);
        for (uint j = 0; j < i; ++j) {
            const float factor = float(l[ulong(i) * n + j]);
            sum = fma(splat(-factor), load(solved + ulong(j) * columns, at, columns), sum);
        }
        store(x + row, at, columns, sum);
    }
}

#define INSTANTIATE(name, type) template [[host_name("tri_solve_" #name)]] kernel decltype(tri_solve<type>) tri_solve<type>;
INSTANTIATE(f32, float)
INSTANTIATE(f16, half)
INSTANTIATE(bf16, bfloat)

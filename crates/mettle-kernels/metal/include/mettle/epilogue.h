// What becomes of products of matrices besides being stored.
#pragma once

#include <metal_stdlib>
#include <mettle/fragment.h>
#include <mettle/silu.h>

using namespace metal;

namespace mettle_kernels {

// Of FUSED, as in mul_mv.metal: results are added to what is there; there are two matrices of weights, and results, of floats, are
// silu(product with the first) * product with the second.
constant constexpr uint ADD = 2;
constant constexpr uint GATE = 4;

// Of an epilogue: results are stored by the threads that will read them.
constant constexpr uint KEEP = 1;

// A fragment in memory of the threadgroup, in its rows: scale[r] * sums[r, c] for r < rows and c < columns.
#ifdef __METTLE__
template <typename Sums>
METAL_FUNC void spread_out(
    thread const Sums& sums, threadgroup float* to, device const float* scale, uint rows, uint columns, uint lane)
{
    store(sums, to, FRAGMENT, scale, rows, columns, to, lane);
}
#endif

METAL_FUNC void spread_out(
    thread const simdgroup_fragment<float>& sums, threadgroup float* to, device const float* scale, uint rows, uint columns,
    uint lane)
{
#pragma unroll
    for (uint i = 0; i < 2; ++i) {
#pragma unroll
        for (uint j = 0; j < 2; ++j) {
            simdgroup_store(sums.block[i][j], to + 8 * (i * FRAGMENT + j), FRAGMENT);
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = lane; i < FRAGMENT * FRAGMENT; i += 32) {
        const uint row = i / FRAGMENT;
        if (row < rows && i % FRAGMENT < columns) {
            to[i] *= scale[row];
        }
    }
}

// What `out` becomes where it has `old` and a product is `result`.
METAL_FUNC float finished(float old, float result, uint epilogue)
{
    return epilogue == ADD ? old + result : epilogue == GATE ? silu(old) * result : result;
}

// Does with out[r * stride + c], for r < rows and c < columns, and scale[r] * sums[r, c] what the epilogue says. `scratch` holds a fragment of
// floats, for this SIMD group alone.
template <typename Sums, typename X>
METAL_FUNC void finish_by_lanes(
    thread const Sums& sums, device X* out, ulong stride, device const float* scale, uint rows, uint columns,
    threadgroup float* scratch, uint epilogue, uint lane)
{
    spread_out(sums, scratch, scale, rows, columns, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = lane; i < FRAGMENT * FRAGMENT; i += 32) {
        const uint row = i / FRAGMENT;
        const uint column = i % FRAGMENT;
        if (row < rows && column < columns) {
            device X* at = out + row * stride + column;
            const float old = epilogue == ADD || epilogue == GATE ? float(*at) : 0.0f;
            *at = X(finished(old, scratch[i], epilogue));
        }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
}

template <typename Sums>
METAL_FUNC void finish(
    thread const Sums& sums, device float* out, ulong stride, device const float* scale, uint rows, uint columns,
    threadgroup float* scratch, uint epilogue, uint lane)
{
    if (epilogue == 0) {
        store(sums, out, stride, scale, rows, columns, scratch, lane);
    } else {
        finish_by_lanes(sums, out, stride, scale, rows, columns, scratch, epilogue, lane);
    }
}

template <typename Sums>
METAL_FUNC void finish(
    thread const Sums& sums, device half* out, ulong stride, device const float* scale, uint rows, uint columns,
    threadgroup float* scratch, uint epilogue, uint lane)
{
    finish_by_lanes(sums, out, stride, scale, rows, columns, scratch, epilogue, lane);
}

}  // namespace mettle_kernels

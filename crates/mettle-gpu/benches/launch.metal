// Kernels that do little, to measure what launching and synchronising cost.

#include <metal_stdlib>

using namespace metal;

kernel void nothing(device float* out [[buffer(0)]], uint i [[thread_position_in_grid]])
{
    if (i == 0xffffffff) {
        out[0] = 0;
    }
}

kernel void add(
    device const float* a   [[buffer(0)]],
    device const float* b   [[buffer(1)]],
    device float*       out [[buffer(2)]],
    uint i [[thread_position_in_grid]])
{
    out[i] = a[i] + b[i];
}

// out[row] = dot(w[row, ..], x). One thread a row; columns are a multiple of 16.
kernel void rows(
    device const float* w       [[buffer(0)]],
    device const float* x       [[buffer(1)]],
    device float*       out     [[buffer(2)]],
    constant uint&      columns [[buffer(3)]],
    uint row [[thread_position_in_grid]])
{
    device const float* weights = w + row * columns;
    float sums[16] = {};
    for (uint j = 0; j < columns; j += 16) {
        for (uint k = 0; k < 16; ++k) {
            sums[k] += weights[j + k] * x[j + k];
        }
    }
    float sum = 0;
    for (uint k = 0; k < 16; ++k) {
        sum += sums[k];
    }
    out[row] = sum;
}

// Sixty-four sums over the SIMD group, each of what the last one gave.
kernel void sums(device uint* out [[buffer(0)]], uint i [[thread_position_in_grid]])
{
    uint value = i;
    for (uint k = 0; k < 64; ++k) {
        value = simd_sum(value) & 0xffff;
    }
    out[i] = value;
}

// Sixty-four barriers.
kernel void barriers(
    device uint* out [[buffer(0)]],
    uint i [[thread_position_in_grid]],
    uint t [[thread_index_in_threadgroup]])
{
    threadgroup uint turn[1024];
    for (uint k = 0; k < 64; ++k) {
        turn[t] = k;
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    out[i] = turn[t ^ 1];
}

// out = x / sqrt(mean(x * x)). One SIMD group.
kernel void normalise(
    device const float* x   [[buffer(0)]],
    device float*       out [[buffer(1)]],
    constant uint&      n   [[buffer(2)]],
    uint lane [[thread_index_in_simdgroup]])
{
    float sum = 0;
    for (uint i = lane; i < n; i += 32) {
        sum += x[i] * x[i];
    }
    const float scale = rsqrt(simd_sum(sum) / n + 1e-5f);
    for (uint i = lane; i < n; i += 32) {
        out[i] = x[i] * scale;
    }
}

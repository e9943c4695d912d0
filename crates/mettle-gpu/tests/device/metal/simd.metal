// SIMD groups: reductions, and lanes that are in different places of the source.

#include <metal_stdlib>

using namespace metal;

// One record of 6 a thread.
kernel void reductions(
    device const int* in  [[buffer(0)]],
    device int*       out [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    const int x = in[i];
    device int* o = out + 6 * i;
    o[0] = simd_sum(x);
    o[1] = simd_max(x);
    o[2] = simd_min(x);
    o[3] = simd_prefix_exclusive_sum(x);
    o[4] = simd_shuffle_xor(x, 5);
    o[5] = int(ulong(simd_ballot(x > 0)));
}

// Each branch of an `if` sums over its own lanes, the lanes in a loop over those still in it, and at the end all meet again.
kernel void divergent(device int* out [[buffer(0)]], uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]])
{
    int result = 0;
    if (lane < 10) {
        result = simd_sum(1);
    } else {
        result = simd_sum(100);
    }
    for (uint k = 0; k < lane; ++k) {
        result += simd_sum(1);
    }
    result += 1000000 * simd_sum(1);
    out[i] = result;
}

// Lanes that have returned no longer count.
kernel void returned(device int* out [[buffer(0)]], uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]])
{
    out[i] = -1;
    if (lane % 3 == 0) {
        return;
    }
    out[i] = simd_sum(1);
}

// The same call stands for sums of two types.
template <typename T>
T total(T x)
{
    return simd_sum(x);
}

kernel void two_types(device float* out [[buffer(0)]], uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]])
{
    if (lane & 1) {
        out[i] = total(0.5f);
    } else {
        out[i] = float(total(int(lane)));
    }
}

// SIMD-group operations of some lanes while the others of the SIMD group wait at a barrier.
kernel void beside_a_barrier(device int* out [[buffer(0)]], uint t [[thread_index_in_threadgroup]])
{
    threadgroup int sums[64];
    int sum = 0;
    if (t % 32 < 4) {
        sum = simd_sum(int(t));
    }
    sums[t] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[t] = sums[63 - t];
}

kernel void multiply(device const float* a [[buffer(0)]], device const float* b [[buffer(1)]], device float* c [[buffer(2)]])
{
    simdgroup_float8x8 x, y, z = make_filled_simdgroup_matrix<float, 8, 8>(1);
    simdgroup_load(x, a, 8);
    simdgroup_load(y, b, 8);
    simdgroup_multiply_accumulate(z, x, y, z);
    simdgroup_store(z, c, 8);
}

// One call in a function that is called from several places: each place has its own lanes.
int own_total(int x)
{
    return simd_sum(x);
}

kernel void through_a_function(device int* out [[buffer(0)]], uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]])
{
    int result = 0;
    if (lane < 10) {
        result = own_total(1);
    } else {
        result = own_total(100);
    }
    for (uint k = 0; k < lane; ++k) {
        result += own_total(1);
    }
    out[i] = result + 1000000 * own_total(own_total(1));
}

// Loops that lanes leave at different times, unrolled or not, by a vote, by `break` and by `continue`.
kernel void loops(device int* out [[buffer(0)]], uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]])
{
    int result = 0;
    #pragma unroll(4)
    for (uint k = 0; k < lane % 7; ++k) {
        result += simd_sum(1);
    }
    for (uint k = 0; k < 8; ++k) {
        if (k > lane / 4) {
            break;
        }
        if (k % 2 == 1) {
            continue;
        }
        result += 100 * simd_sum(1);
    }
    uint left = lane;
    while (simd_any(left > 2)) {
        left -= min(left, 3u);
        result += 10000;
    }
    out[i] = result;
}

// What lanes add up is what they branch on right before: the places behind either branch are the same call.
kernel void behind_a_branch(device uint* out [[buffer(0)]], uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]])
{
    const uint value = i / 32;
    const uint found = lane % 8 == value % 8 ? 1u << (lane / 8) : 0u;
    uint next = 0;
    for (uint bit = 0; bit < 8; ++bit) {
        const uint has_it = found >> bit & 1u;
        const uint place = next + simd_prefix_exclusive_sum(has_it);
        if (has_it != 0) {
            out[i] = 100 + place;
        }
        next += simd_sum(has_it);
    }
    if (found == 0) {
        out[i] = next;
    }
}

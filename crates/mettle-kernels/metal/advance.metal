// The next positions.

#include <metal_stdlib>

using namespace metal;

// positions[i] += 1; positions is [n]. Behind the largest number comes the smallest.
//
// One thread for each.
kernel void advance_i32(device int* positions [[buffer(0)]], uint i [[thread_position_in_grid]])
{
    positions[i] = int(uint(positions[i]) + 1u);
}

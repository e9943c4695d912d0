// Structs of pointers: memory that no argument names.

#include <metal_stdlib>

using namespace metal;

struct Arguments {
    device const float* x;
    device float* y;
    uint shift;
};

// y[i] = x[i] + 1.
kernel void increment(constant Arguments& arguments [[buffer(0)]], uint i [[thread_position_in_grid]])
{
    arguments.y[i + arguments.shift] = arguments.x[i] + 1.0f;
}

// The sum over all structs of x[i], to the first y.
kernel void sum_all(
    device const Arguments* all [[buffer(0)]],
    constant uint& count        [[buffer(1)]],
    uint i [[thread_position_in_grid]])
{
    float sum = 0.0f;
    for (uint k = 0; k < count; ++k) {
        sum += all[k].x[i];
    }
    all[0].y[i] = sum;
}

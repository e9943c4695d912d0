// MSL 4.1 Device Address Space: a reference leads to a struct in device memory
#include <metal_stdlib>
using namespace metal;

struct State { uint count; float sum; };
kernel void use(device State& state [[buffer(0)]], device const float* x [[buffer(1)]]) {
  state.sum += x[state.count];
  state.count++;
}

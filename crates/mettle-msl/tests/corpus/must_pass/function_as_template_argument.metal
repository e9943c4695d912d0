// MSL 1.5.2 Templates: a function may be an argument of a template
#include <metal_stdlib>
using namespace metal;

template <void (*convert)(device const half*, thread float&)>
void run(device const half* in, device float* out, uint i) {
  float value;
  convert(in + i, value);
  out[i] = value;
}
void widen(device const half* in, thread float& out) { out = float(*in); }
kernel void use(device const half* in [[buffer(0)]], device float* out [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  run<widen>(in, out, i);
}

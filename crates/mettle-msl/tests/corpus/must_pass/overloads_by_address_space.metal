// MSL 1.5.1 Overloading: functions are overloaded by the address space of an argument
#include <metal_stdlib>
using namespace metal;

float load(device const float* p) { return *p; }
float load(threadgroup const float* p) { return *p; }
float load(constant const float* p) { return *p; }
kernel void use(device float* x [[buffer(0)]], constant float* c [[buffer(1)]],
                threadgroup float* t [[threadgroup(0)]], uint i [[thread_position_in_grid]]) {
  t[0] = load(c + i);
  x[i] = load(x + i) + load(t);
}

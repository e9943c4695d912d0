// MSL 1.5.1 Overloading: functions are overloaded by the types of their arguments
#include <metal_stdlib>
using namespace metal;

float twice(float x) { return 2 * x; }
int twice(int x) { return 2 * x; }
kernel void use(device float* x [[buffer(0)]], device int* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  x[i] = twice(x[i]);
  y[i] = twice(y[i]);
}

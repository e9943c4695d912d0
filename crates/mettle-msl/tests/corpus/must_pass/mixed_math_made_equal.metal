// MSL 6.2 Common Functions: arguments of one type, converted where they are not
#include <metal_stdlib>
using namespace metal;

kernel void use(device float* x [[buffer(0)]], device half* h [[buffer(1)]], device int* n [[buffer(2)]]) {
  x[0] = max(x[1], 0.0f) + clamp(x[2], -1.0f, 1.0f) + max(x[0], float(h[0]));
  h[1] = min(h[2], half(x[0]));
  n[0] = max(n[1], 0) + min(n[2], int(x[1]));
}

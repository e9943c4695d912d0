// MSL 4.2 Constant Address Space: what is in constant memory is copied out of it
#include <metal_stdlib>
using namespace metal;

struct Arguments { float4 scale; int count; };
float apply(Arguments a, float x) { return a.scale.x * x + a.count; }
kernel void use(device float* x [[buffer(0)]], constant Arguments& arguments [[buffer(1)]], constant Arguments* list [[buffer(2)]]) {
  const Arguments own = arguments;
  x[0] = apply(own, x[0]) + apply(list[1], x[1]);
}
